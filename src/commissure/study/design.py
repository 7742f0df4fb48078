"""From tidy marker rows to the wide matrix of the models: the only wide matrix there is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from commissure.definitions import HEAD_SIZE
from commissure.markers.selection import measured_rows
from commissure.study.cells import as_text
from commissure.study.change_columns import baselines_of_change, with_baselines
from commissure.study.confound_columns import with_confounds
from commissure.study.predictors import coded_columns, refuse_post_outcome
from commissure.study.settings import StudySettings
from commissure.study.unused_columns import (
    far_values,
    following_columns,
    idle_columns,
    named_and_counted,
)

CLINICAL, CONFOUNDS, SITE, MISSINGNESS = "clinical", "confounds", "site", "missingness"
BASELINES = (CLINICAL, CONFOUNDS, SITE, MISSINGNESS)
#: The people's column of families, and the column of the matrix with their numbers.
FAMILY = "family"
#: Columns whose part in a continuous outcome is taken out; no model is made of them.
COVARIATES = "covariates"


@dataclass(frozen=True)
class DesignColumn:
    """Where a column of the matrix comes from."""

    modality: str
    region: str
    marker: str


@dataclass(frozen=True)
class Block:
    """Columns that enter a model together and are prepared together.

    Attributes
    ----------
    name
        A modality, or one of :data:`BASELINES`.
    columns
        Numbers of the columns of the matrix.
    adjusted
        Those of ``columns`` that are to be freed of head size.
    head_size
        The column with the head size, or None.
    sites
        Columns with the indicators of the sites, for ComBat; empty where it is not asked for.
    kept
        Columns of confounds whose part ComBat keeps.
    removed
        Columns of confounds whose linear part is taken out.
    before
        Of residual change, the columns of the baseline, one for each of ``columns``.
    family
        The column with the number of each person's family, whose people stay in one inner fold;
        None where nobody is related.
    """

    name: str
    columns: tuple[int, ...]
    adjusted: tuple[int, ...] = ()
    head_size: int | None = None
    sites: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    family: int | None = None


@dataclass(frozen=True)
class Design:
    """The matrix of a study.

    Attributes
    ----------
    participants
        Identifiers, sorted.
    sites
        Site of each person.
    values
        Shape (people, columns); NaN where nothing was measured.
    columns
        What each column is.
    blocks
        Modalities first, in the order of their names, then the baselines.
    modalities
        Names of the blocks that are modalities.
    cautions
        Sentences for the reader.
    """

    participants: np.ndarray
    sites: np.ndarray
    values: np.ndarray
    columns: tuple[DesignColumn, ...]
    blocks: Mapping[str, Block]
    modalities: tuple[str, ...]
    cautions: tuple[str, ...] = field(default=())

    @property
    def families(self) -> np.ndarray | None:
        """Number of each person's family, shape (people,); None where nobody is related."""
        column = next((block.family for block in self.blocks.values()), None)
        return None if column is None else self.values[:, column]


def build_design(
    markers: pd.DataFrame,
    definitions: Mapping[str, Mapping[str, Any]],
    people: pd.DataFrame,
    *,
    settings: StudySettings,
    covariates: pd.DataFrame | None = None,
) -> Design:
    """Lay the markers of the people side by side.

    Parameters
    ----------
    markers
        Tidy rows of the baseline, exclusions already taken out.
    definitions
        Content of markers.json; a marker whose ``role`` is ``confound`` enters the confounds only,
        and its ``summaries`` (averages of its other regions) are in the matrix but in no block.
    people
        ``participant_id site`` and the columns that the settings name, one row per person.
    settings
        The settings.
    covariates
        What is taken out of the outcome, one row per row of ``people``, one column each.

    Raises
    ------
    ConfigError
        A column named in the configuration is not among the people's, or not usable.
    DatasetError
        A column of numbers has words.
    """
    refuse_post_outcome(settings)
    if covariates is not None:
        covariates = covariates.set_axis(people["participant_id"]).sort_index()
    people = people.sort_values("participant_id", ignore_index=True)
    participants = people["participant_id"].to_numpy(str)
    wide, cautions = side_by_side(markers, participants)
    values = wide.to_numpy(float).reshape(len(participants), -1)
    columns = [DesignColumn(str(key[0]), str(key[2]), str(key[1])) for key in list(wide.columns)]
    confounds = [
        index
        for index, column in enumerate(columns)
        if definitions.get(column.marker, {}).get("role", "marker") == "confound"
    ]
    idle, messages = idle_columns(values, columns)
    cautions += messages
    cautions += far_values(values, columns)
    following, messages = following_columns(columns, definitions, settings)
    cautions += messages
    before = baselines_of_change(columns)
    summaries = [
        index
        for index, column in enumerate(columns)
        if column.region in definitions.get(column.marker, {}).get("summaries", ())
    ]
    no_markers = {*confounds, *summaries, *before.values()}
    measured = _by_modality(columns, left_out=idle | following | no_markers)

    present = {
        name: np.isfinite(values[:, indices]).any(axis=1) for name, indices in measured.items()
    }
    tables, messages = _baseline_tables(people, present, settings)
    cautions += messages
    if FAMILY in people and people[FAMILY].notna().any():
        tables[FAMILY] = family_numbers(people)
    if covariates is not None and len(covariates.columns):
        tables[COVARIATES] = covariates
    numbers: dict[str, tuple[int, ...]] = {}
    for name, table in tables.items():
        numbers[name] = tuple(range(len(columns), len(columns) + table.shape[1]))
        columns += [DesignColumn(name, "", str(column)) for column in table.columns]
    volumes = volume_columns(columns, definitions)
    blocks, messages = _modality_blocks(measured, columns, volumes, numbers[SITE], settings)
    cautions += messages
    numbers[CONFOUNDS] = (*confounds, *numbers[CONFOUNDS])
    blocks = with_baselines(blocks, columns, before)
    blocks = with_confounds(blocks, columns, numbers[CONFOUNDS], settings)
    blocks |= {
        name: Block(name, numbers[name]) for name in (*BASELINES, COVARIATES) if numbers.get(name)
    }
    if FAMILY in numbers:
        blocks = {name: replace(block, family=numbers[FAMILY][0]) for name, block in blocks.items()}
    return Design(
        participants=participants,
        sites=people["site"].to_numpy(str),
        values=np.hstack([values, *(table.to_numpy(float) for table in tables.values())]),
        columns=tuple(columns),
        blocks=blocks,
        modalities=tuple(measured),
        cautions=tuple(cautions),
    )


def _baseline_tables(
    people: pd.DataFrame, present: Mapping[str, np.ndarray], settings: StudySettings
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The columns of each baseline that are no markers, and sentences on them.

    Parameters
    ----------
    people
        One row per person.
    present
        For each modality who has any of its markers.
    settings
        Name the clinical columns and the confounds.
    """
    sites = sorted(people["site"].unique())
    clinical, cautions = coded_columns(people, settings, CLINICAL)
    confounds, messages = coded_columns(people, settings, CONFOUNDS)
    tables = {
        CLINICAL: clinical,
        CONFOUNDS: confounds,
        SITE: pd.DataFrame({name: (people["site"] == name).astype(float) for name in sites}),
        MISSINGNESS: pd.DataFrame(present, index=people.index).astype(float),
    }
    return tables, cautions + messages


def family_numbers(people: pd.DataFrame) -> pd.DataFrame:
    """Number of each person's family; who has none is a family of their own."""
    codes, words = pd.factorize(people[FAMILY].map(as_text), sort=True)
    alone = codes < 0
    codes[alone] = len(words) + np.arange(alone.sum())
    return pd.DataFrame({FAMILY: codes.astype(float)}, index=people.index)


def side_by_side(markers: pd.DataFrame, participants: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
    """One row per person, one column per modality, marker and region; sentences on the rows."""
    key = ["modality", "marker", "region"]
    rows = markers[markers["participant_id"].isin(participants)]
    without_value = set(rows[key].drop_duplicates().itertuples(index=False, name=None))
    rows, cautions = measured_rows(rows)
    without_value -= set(rows[key].drop_duplicates().itertuples(index=False, name=None))
    if without_value:
        cautions.append(f"{named_and_counted(without_value)} no value in anybody: not used.")
    repeated = int(rows.duplicated(["participant_id", *key]).sum())
    if repeated:
        cautions.append(
            f"{repeated} markers were measured more than once in a session (several runs); "
            "their mean is used."
        )
    wide = rows.pivot_table(
        index="participant_id", columns=key, values="value", aggfunc="mean", sort=True
    )
    return wide.reindex(participants), cautions


def volume_columns(
    columns: Sequence[DesignColumn], definitions: Mapping[str, Mapping[str, Any]]
) -> set[int]:
    """Numbers of the columns that are volumes, and grow with the head."""
    return {
        index for index, column in enumerate(columns)
        if definitions.get(column.marker, {}).get("adjust") == "head_size"
        or (column.marker == "volume" and column.region != "TIV")
    }  # fmt: skip


def _by_modality(columns: Sequence[DesignColumn], left_out: set[int]) -> dict[str, list[int]]:
    """Numbers of the columns of each modality that has any, modalities by name."""
    measured: dict[str, list[int]] = {}
    for index, column in enumerate(columns):
        if index not in left_out:
            measured.setdefault(column.modality, []).append(index)
    return {name: measured[name] for name in sorted(measured)}


def _modality_blocks(
    measured: Mapping[str, Sequence[int]],
    columns: Sequence[DesignColumn],
    volumes: Collection[int],
    sites: tuple[int, ...],
    settings: StudySettings,
) -> tuple[dict[str, Block], list[str]]:
    """Blocks of the modalities, and a sentence for each whose volumes cannot be adjusted."""
    head_size = head_size_column(columns)
    blocks, cautions = {}, []
    for name, indices in measured.items():
        adjusted = tuple(
            index for index in indices if settings.head_size == "residual" and index in volumes
        )
        if adjusted and head_size is None:
            cautions.append("Volumes are not freed of head size: there is no marker of it.")
            adjusted = ()
        blocks[name] = Block(
            name=name,
            columns=tuple(indices),
            adjusted=adjusted,
            head_size=head_size if adjusted else None,
            sites=sites if settings.combat == "in_fold" and len(sites) > 1 else (),
        )
    return blocks, cautions


def head_size_column(columns: Sequence[DesignColumn]) -> int | None:
    """The marker ``tiv``, else that of a lab's table, else the region ``TIV``."""
    for marker in ("tiv", HEAD_SIZE):
        for index, column in enumerate(columns):
            if column.marker == marker:
                return index
    return next((index for index, column in enumerate(columns) if column.region == "TIV"), None)
