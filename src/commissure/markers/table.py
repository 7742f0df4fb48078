"""The marker table of a study, what is left out of it, and what its markers mean."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.definitions import Definition
from commissure.errors import ConfigError, DatasetError
from commissure.markers.acquisitions import (
    ACQUISITION,
    TASK,
    acquisition_of,
    one_acquisition,
    one_task,
    task_of,
)
from commissure.markers.ingress import ToolResults, without_second_head_size
from commissure.markers.lab_tables import lab_table
from commissure.markers.ratings import OPTION as RATINGS
from commissure.markers.ratings import left_out as rated_out
from commissure.markers.ratings import read_ratings
from commissure.markers.registry import exclusion_rules
from commissure.markers.settings import MarkersSettings, TableSettings
from commissure.markers.units import check_units
from commissure.names import participant_label
from commissure.outputs import EXCLUSIONS, MARKERS
from commissure.rows import COLUMNS, read_markers

#: What names a value: its person, visit and marker.
KEYS = MARKERS.names[:5]


def marker_table(
    files: Iterable[Path],
    tables: Iterable[TableSettings],
    say: Callable[[str], None] | None = None,
    *,
    acquisitions: Mapping[str, Sequence[str]] | None = None,
    tools: Iterable[ToolResults] = (),
) -> tuple[pd.DataFrame, list[str]]:
    """Join the modalities' marker rows, other tools' results and a lab's tables into one.

    Several runs of one visit become one row: the mean of those that are not flagged, or where all
    are the flagged mean of all.
    Of several acquisitions (``acq-``) or tasks (``task-``) that measure the same one counts.

    Parameters
    ----------
    files
        ``*_markers.tsv`` of the modalities.
    tables
        A lab's own tables.
    say
        Takes lines on what of a table was taken and left out.
    acquisitions
        By modality, labels of ``acq-`` in the order in which they count
        (:func:`commissure.markers.acquisitions.one_acquisition`).
    tools
        Results of other tools.

    Returns
    -------
    rows
        The columns :data:`commissure.rows.COLUMNS`, sorted; rows without a value are left out:
        what is missing is an absent row.
    cautions
        Sentences for the reader on acquisitions left out and the lab's tables; no person is named.

    Raises
    ------
    ConfigError
        A table cannot be read as its settings say.
    DatasetError
        A table cannot be read, repeats what a modality, a tool or another table measures, or a
        marker has several units.
    """
    parts, cautions = _measured(files, acquisitions or {})
    measured = {key for part in parts for key in _marker_keys(part)}
    labs: list[tuple[str, pd.DataFrame]] = []
    for tool in tools:
        cautions += tool.notes
        _add(labs, f"the folder of {tool.title}", tool.rows, measured)
    for settings in tables:
        given, messages = lab_table(settings, say)
        cautions += messages
        _add(labs, Path(settings.file).name, given, measured)
    parts = [part for part in (*parts, *(part for _, part in labs)) if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS)), cautions
    rows = pd.concat(parts, ignore_index=True).dropna(subset=["value"])
    check_units(rows)
    return _one_row_each(rows), cautions


def _add(
    labs: list[tuple[str, pd.DataFrame]],
    name: str,
    rows: pd.DataFrame,
    measured: Container[tuple[str, ...]],
) -> None:
    """Add the rows of a table or a tool, if nobody else gives them."""
    rows = without_second_head_size(rows, [table for _, table in labs])
    _refuse_collisions(rows, measured, labs, name)
    labs.append((name, rows))


def _measured(
    files: Iterable[Path], acquisitions: Mapping[str, Sequence[str]]
) -> tuple[list[pd.DataFrame], list[str]]:
    """The modalities' rows of the acquisitions that count, and what is to be said of others."""
    parts: list[pd.DataFrame] = []
    labels: set[str] = set()
    tasks: set[str] = set()
    for path in files:
        label, task = acquisition_of(path), task_of(path)
        labels.add(label)
        # Only BOLD has tasks; one task beside images without is no choice.
        tasks |= {task} - {""}
        parts.append(read_markers(path).assign(**{ACQUISITION: label, TASK: task}))
    if len(labels) < 2 and len(tasks) < 2:
        return parts, []
    rows = pd.concat(parts, ignore_index=True).dropna(subset=["value"])
    rows, cautions = one_task(rows)
    rows, more = one_acquisition(rows, acquisitions)
    return [rows], [*cautions, *more]


def _one_row_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows sorted by what they name, several of one name as the mean of the sound ones, if any."""
    codes = [pd.factorize(rows[key], sort=True)[0] for key in KEYS]
    order = np.lexsort(codes[::-1])
    rows = rows.iloc[order].reset_index(drop=True)
    changed = np.zeros(len(rows), dtype=bool)
    changed[:1] = True
    for code in codes:
        changed[1:] |= np.diff(code[order]) != 0
    starts = np.flatnonzero(changed)
    if len(starts) == len(rows):
        return rows[list(COLUMNS)]
    sound = (rows["quality"] != "flag").to_numpy(float)
    flagged = np.add.reduceat(sound, starts) == 0
    weights = np.where(np.repeat(flagged, np.diff(np.append(starts, len(rows)))), 1.0, sound)
    joined = rows.iloc[starts].reset_index(drop=True)
    totals = np.add.reduceat(weights * rows["value"].to_numpy(float), starts)
    joined["value"] = totals / np.add.reduceat(weights, starts)
    joined["quality"] = np.where(flagged, "flag", "ok")
    return joined[list(COLUMNS)]


def _marker_keys(rows: pd.DataFrame) -> set[tuple[str, ...]]:
    """Modality, region and marker of the rows."""
    distinct = rows[KEYS[2:]].drop_duplicates()
    return set(distinct.itertuples(index=False, name=None))


def _refuse_collisions(
    rows: pd.DataFrame,
    measured: Container[tuple[str, ...]],
    others: Iterable[tuple[str, pd.DataFrame]],
    name: str,
) -> None:
    """Refuse a table or tool that has what a modality or another one of the same person has."""
    mend = f"Give the marker of {name} a name of its own, as fs_volume, or remove the rows"
    for modality, region, marker in sorted(_marker_keys(rows)):
        if (modality, region, marker) in measured:
            raise DatasetError(
                name,
                found=f"it holds {modality} {marker} {region}, which is measured from the images, "
                "too",
                wanted="one source of each value",
                mend=mend,
            )
    for file, other in others:
        both = rows[KEYS].merge(other[KEYS], on=KEYS)
        if len(both):
            person, session, modality, region, marker = both.iloc[0]
            raise DatasetError(
                f"{name}, {' '.join(filter(None, (person, session)))}",
                found=f"it holds {modality} {marker} {region}, and so does {file}",
                wanted="one source of each value",
                mend=mend,
            )


def exclusions(
    markers: pd.DataFrame,
    people: Sequence[str],
    settings: MarkersSettings,
    *,
    more: Iterable[list[object]] = (),
    rating_files: Iterable[Path | str] = (),
    study: str = "",
) -> pd.DataFrame:
    """Apply the declared exclusion rules, without looking at any label.

    Parameters
    ----------
    markers
        The marker table.
    people
        Everybody in the study.
    settings
        The rules.
    more
        Rows of what else leaves measurements out (:mod:`commissure.markers.mriqc_limits`).
    rating_files
        What raters said of scans (:func:`commissure.markers.ratings.read_ratings`).
    study
        Identity of the study, which they carry.

    Returns
    -------
    pandas.DataFrame
        The columns of :data:`commissure.outputs.EXCLUSIONS`, one row per person, visit and rule
        that applied; ``modality`` is ``all`` where a person is left out altogether.

    Raises
    ------
    ConfigError
        ``markers.exclude`` names nobody of the study.
    DatasetError
        A file of ratings is of another study, or cannot be used.
    """
    left_out: list[list[object]] = [*more]
    for modality, rule in exclusion_rules():
        limit = getattr(settings, rule.option)
        if limit is None:
            continue
        rows = markers[(markers["modality"] == modality) & (markers["marker"] == rule.marker)]
        values = rows["value"]
        beyond = values > limit if rule.leaves_out == "above" else values < limit
        for row in rows[beyond].itertuples():
            left_out.append(
                [row.participant_id, row.session, modality, rule.option, limit, row.value]
            )
    for item in settings.exclude:
        who, _, modality = item.partition("/")
        person = participant_label(who)
        if person not in set(people):
            raise ConfigError(
                "markers.exclude",
                found=f"'{item}' is nobody of this study",
                wanted="participants as sub-01 or sub-01/func",
                mend="Correct markers.exclude in config.yaml",
            )
        left_out.append([person, "", modality or "all", "markers.exclude", "named", "n/a"])
    ratings, _ = read_ratings(rating_files, study=study, people=people)
    for (person, session, modality), raters in rated_out(ratings, settings.ratings):
        left_out.append([person, session, modality, RATINGS, settings.ratings, raters])
    table = EXCLUSIONS.frame(left_out)
    table["session"] = table["session"].replace("", None)
    return table.sort_values(EXCLUSIONS.names[:4], ignore_index=True)


def definition_record(
    defined: Mapping[str, Definition], markers: pd.DataFrame
) -> dict[str, dict[str, object]]:
    """The content of ``markers.json``: every marker of the table, with its regions.

    Raises
    ------
    DatasetError
        The table holds a marker that nothing defines (a tidy table of the lab).
    """
    record: dict[str, dict[str, object]] = {}
    for marker, rows in markers.groupby("marker", sort=True):
        definition = defined.get(str(marker))
        if definition is None:
            first = rows.iloc[0]
            definition = Definition(
                str(marker), first["modality"], first["unit"], "Given by a table of the lab.",
                "tables in config.yaml", given_by="table",
            )  # fmt: skip
        entry = {
            key: value
            for key, value in vars(definition).items()
            if key != "marker" and (key not in ("summaries", "relative_change") or value)
        }
        record[str(marker)] = {**entry, "regions": sorted(set(rows["region"]))}
    return record
