"""From tidy marker rows to the wide matrix of the models: the only wide matrix there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.errors import ConfigError, DatasetError
from commissure.markers.selection import LARGEST, earliest_visits, measured_rows
from commissure.study.settings import StudySettings

if TYPE_CHECKING:
    import pandas as pd

CLINICAL, CONFOUNDS, SITE, MISSINGNESS = "clinical", "confounds", "site", "missingness"
BASELINES = (CLINICAL, CONFOUNDS, SITE, MISSINGNESS)

#: Parts of column names that tell of the outcome, its treatment or the present state.
POST_OUTCOME = (
    "hospitali", "admission", "clozapine", "dose", "cpz", "current", "after", "follow", "relapse",
    "remission", "remitted", "respon", "resist", "outcome", "sofas", "gaf", "cgi", "adherence",
    "trial",
)  # fmt: skip

#: Values that differ by less are the same: the square of the difference may be 0.
SMALLEST = 1e-100


@dataclass(frozen=True)
class Column:
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
    """

    name: str
    columns: tuple[int, ...]
    adjusted: tuple[int, ...] = ()
    head_size: int | None = None
    sites: tuple[int, ...] = ()


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
    columns: tuple[Column, ...]
    blocks: Mapping[str, Block]
    modalities: tuple[str, ...]
    cautions: tuple[str, ...] = field(default=())


def refuse_post_outcome(settings: StudySettings) -> None:
    """Refuse predictors that follow or define the outcome.

    Raises
    ------
    ConfigError
        A clinical or confound column is the label itself, or tells by its name that it follows the
        outcome and is not in ``allow_post_outcome``.
    """
    own = settings.label.column
    label_columns = {"group", "label", "diagnosis", own.casefold() if own else None}
    for key in ("clinical", "confounds"):
        for name in getattr(settings, key):
            if name.casefold() in label_columns:
                raise ConfigError(
                    f"fusion.{key}",
                    found=f"'{name}' is the label or the group itself",
                    wanted="columns known before the outcome",
                    mend=f"Remove it from fusion.{key} in config.yaml",
                )
            told = next((part for part in POST_OUTCOME if part in name.casefold()), None)
            if told and name not in settings.allow_post_outcome:
                raise ConfigError(
                    f"fusion.{key}",
                    found=f"'{name}' follows or defines the outcome (its name has '{told}')",
                    wanted="columns known before the outcome",
                    mend=f"Remove it from fusion.{key}, or name it under "
                    "fusion.allow_post_outcome in config.yaml to use it all the same",
                )


def build_design(
    markers: pd.DataFrame,
    definitions: Mapping[str, Mapping[str, Any]],
    people: pd.DataFrame,
    *,
    settings: StudySettings,
) -> Design:
    """Lay the markers of the people side by side.

    Parameters
    ----------
    markers
        Tidy rows, exclusions already taken out.
    definitions
        Content of markers.json; a marker whose ``role`` is ``confound`` enters the confounds only.
    people
        ``participant_id site`` and the columns that the settings name, one row per person.
    settings
        The settings.

    Raises
    ------
    ConfigError
        A column named in the configuration is not among the people's, or not usable.
    DatasetError
        A column of numbers has words.
    """
    import pandas as pd

    refuse_post_outcome(settings)
    people = people.sort_values("participant_id", ignore_index=True)
    who = people["participant_id"].to_numpy(str)
    rows = markers[markers["participant_id"].isin(who)]
    cautions: list[str] = []
    names = ["modality", "marker", "region"]
    empty = set(rows[names].itertuples(index=False, name=None))
    rows, told_of = measured_rows(rows)
    cautions += told_of
    empty -= set(rows[names].itertuples(index=False, name=None))
    if empty:
        cautions.append(f"{_some(empty)} no value in anybody: not used.")
    rows = earliest_visits(rows)
    keys = ["participant_id", "modality", "marker", "region"]
    twice = int(rows.duplicated(keys).sum())
    if twice:
        cautions.append(
            f"{twice} markers were measured more than once in a session (several runs); "
            "their mean is used."
        )
    wide = rows.pivot_table(index="participant_id", columns=keys[1:], values="value",
                            aggfunc="mean", sort=True).reindex(who)  # fmt: skip
    role = {name: entry.get("role", "marker") for name, entry in definitions.items()}
    parts = [wide.to_numpy(float).reshape(len(who), -1)]
    columns = [Column(str(key[0]), str(key[2]), str(key[1])) for key in list(wide.columns)]
    confound = np.array([role.get(column.marker) == "confound" for column in columns], dtype=bool)
    modalities = sorted({c.modality for c, out in zip(columns, confound, strict=True) if not out})
    still, copies = _idle_columns(parts[0])
    told = {i: (columns[i].modality, columns[i].marker, columns[i].region) for i in still | copies}
    if still:
        cautions.append(f"{_some({told[i] for i in still})} one value in everybody: not used.")
    if copies:
        cautions.append(
            f"{_some({told[i] for i in copies})} the values of another marker in everybody: "
            "only the other is used."
        )
    measured = {
        name: [
            i
            for i, c in enumerate(columns)
            if c.modality == name and not confound[i] and i not in told
        ]
        for name in modalities
    }
    measured = {name: own for name, own in measured.items() if own}

    def add(block: str, table: pd.DataFrame) -> tuple[int, ...]:
        first = len(columns)
        columns.extend(Column(block, "", str(name)) for name in table.columns)
        parts.append(table.to_numpy(float))
        return tuple(range(first, len(columns)))

    clinical = add(CLINICAL, _coded(people, settings, CLINICAL, cautions))
    own = _coded(people, settings, CONFOUNDS, cautions)
    confounds = (*np.flatnonzero(confound).tolist(), *add(CONFOUNDS, own))
    site_names = sorted(people["site"].unique())
    sites = add(SITE, pd.DataFrame({s: (people["site"] == s).astype(float) for s in site_names}))
    there = {name: np.isfinite(parts[0][:, at]).any(axis=1) for name, at in measured.items()}
    missing = add(MISSINGNESS, pd.DataFrame(there, index=people.index).astype(float))

    head_size = next((i for i, c in enumerate(columns) if c.marker == "tiv"), None)
    if head_size is None:
        head_size = next((i for i, c in enumerate(columns) if c.region == "TIV"), None)
    blocks = {}
    for name, at in measured.items():
        volumes = [i for i in at if columns[i].marker == "volume" and columns[i].region != "TIV"]
        adjusted: tuple[int, ...] = ()
        if volumes and settings.head_size == "residual":
            if head_size is None:
                cautions.append("Volumes are not freed of head size: there is no marker of it.")
            else:
                adjusted = tuple(volumes)
        blocks[name] = Block(
            name, tuple(at), adjusted, head_size if adjusted else None,
            sites if settings.combat == "in_fold" and len(sites) > 1 else (),
        )  # fmt: skip
    baselines = {CLINICAL: clinical, CONFOUNDS: confounds, SITE: sites, MISSINGNESS: missing}
    blocks |= {name: Block(name, own) for name, own in baselines.items() if own}
    return Design(
        who, people["site"].to_numpy(str), np.concatenate(parts, axis=1), tuple(columns), blocks,
        tuple(measured), tuple(cautions),
    )  # fmt: skip


def _idle_columns(values: np.ndarray) -> tuple[set[int], set[int]]:
    """Columns with one value in everybody who has them, and copies of an earlier column."""
    still, copies = set(), set()
    seen: dict[bytes, int] = {}
    for at, column in enumerate(values.T):
        known = column[np.isfinite(column)]
        if len(known) > 2 and np.ptp(known) < SMALLEST:
            still.add(at)
            continue
        # Where values are few, equal ones are no sign of a copy.
        if len(set(known.tolist())) > 5 and seen.setdefault(column.tobytes(), at) != at:
            copies.add(at)
    return still, copies


def _some(markers: set[tuple[str, str, str]]) -> str:
    """Name up to three markers, and count the rest: ``2 markers (a, b) have``."""
    names = [" ".join(part for part in one if part) for one in sorted(markers)]
    told = ", ".join(names[:3]) + (" and more" if len(names) > 3 else "")
    return f"1 marker ({told}) has" if len(names) == 1 else f"{len(names)} markers ({told}) have"


def _coded(
    people: pd.DataFrame, settings: StudySettings, key: str, cautions: list[str]
) -> pd.DataFrame:
    """Columns of the people as numbers; text becomes indicators, one column for two values."""
    import pandas as pd

    asked: Sequence[str] = getattr(settings, key)
    default = type(settings).model_fields[key].get_default(call_default_factory=True)
    coded: dict[str, np.ndarray] = {}
    for name in asked:
        if name not in people or people[name].isna().all():
            if name not in people and list(asked) != list(default):
                raise ConfigError(
                    f"fusion.{key}",
                    found=f"the participants table has no column '{name}'",
                    wanted=f"some of {[c for c in people.columns if c != 'participant_id']}",
                    mend=f"Correct fusion.{key} in config.yaml",
                )
            cautions.append(f"The {key} model does without '{name}': the people have no values.")
            continue
        numbers = pd.to_numeric(people[name], errors="coerce").astype(float)
        words = numbers.isna() & people[name].notna()
        if not words.any():
            endless = numbers.abs() > LARGEST
            if endless.any():
                cautions.append(f"'{name}' is infinite in {int(endless.sum())} people: missing.")
            if len(set(numbers[~endless].dropna())) == 1:
                cautions.append(f"'{name}' has one value in everybody: the {key} model learns "
                                "nothing from it.")  # fmt: skip
            coded[name] = numbers.mask(endless).to_numpy()
            continue
        if words.sum() < numbers.notna().sum():
            raise DatasetError(
                str(people.loc[words, "participant_id"].iloc[0]),
                found=f"{name} is '{people.loc[words, name].iloc[0]}' in the participants table",
                wanted="a number, as in most people, or n/a",
                mend="Mend the participants table",
            )
        levels = sorted({str(value) for value in people[name].dropna()})
        if len(levels) > 10:
            raise ConfigError(
                f"fusion.{key}",
                found=f"'{name}' has {len(levels)} different texts, as '{levels[0]}'",
                wanted="numbers, or at most 10 categories",
                mend=f"Remove it from fusion.{key} in config.yaml",
            )
        text = people[name].map(lambda value: None if pd.isna(value) else str(value))
        for level in levels[1:] if len(levels) == 2 else levels:
            match = (text == level).to_numpy(float)
            coded[f"{name}={level}"] = np.where(text.isna(), np.nan, match)
    return pd.DataFrame(coded, index=people.index)


def check_people(people: pd.DataFrame) -> None:
    """Refuse a table in which a person stands twice or without a name.

    Raises
    ------
    DatasetError
        The person who stands twice is named.
    """
    nobody = int(people["participant_id"].isna().sum())
    if nobody:
        raise DatasetError(
            "the participants table",
            found=f"{nobody} of {len(people)} rows have no participant_id",
            wanted="an identifier in every row",
            mend="Name these people, or remove the rows",
        )
    twice = people.loc[people["participant_id"].duplicated(), "participant_id"]
    if len(twice):
        raise DatasetError(
            str(twice.iloc[0]),
            found="the participants table has more than one row for this person",
            wanted="one row per person",
            mend="Remove the rows that are too many",
        )


def check_units(markers: pd.DataFrame) -> None:
    """Refuse a marker that has several units.

    Raises
    ------
    DatasetError
        The marker is named.
    """
    units = markers.groupby(["modality", "marker", "region"], sort=True)["unit"].unique()
    for names, own in zip(units.index.to_frame().to_numpy(str), units, strict=True):
        if len(own) > 1:
            raise DatasetError(
                f"marker {' '.join(names)}",
                found=f"its units are {' and '.join(sorted(map(str, own)))}",
                wanted="one unit in everybody",
                mend="Compute the markers of all people with the same settings",
            )
