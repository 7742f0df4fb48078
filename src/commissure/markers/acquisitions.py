"""Which of several acquisitions of one visit counts: they measure the same markers, and differ.

A series of b = 1000 and one of b = 2800, PRESS and MEGA-PRESS of one voxel: their mean is no
measure of anything. BIDS names them ``acq-``. The same holds of BOLD during two tasks (``task-``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from commissure.names import parse_name

#: Columns that say what a row was acquired as, and during which task, beside those of the marker
#: table.
ACQUISITION, TASK = "acquisition", "task"

_VISIT = ["participant_id", "session", "modality"]
_MARKER = ["region", "marker"]


def acquisition_of(path: Path) -> str:
    """Label of the entity ``acq`` in the name of a file of markers; empty where it has none."""
    return _entity(path, "acq")


def task_of(path: Path) -> str:
    """Label of the entity ``task`` in the name of a file of markers; empty where it has none."""
    return _entity(path, "task")


def _entity(path: Path, key: str) -> str:
    try:
        return parse_name(path.name)[0].get(key, "")
    except ValueError:
        return ""


def one_acquisition(
    rows: pd.DataFrame, preferred: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, list[str]]:
    """Keep one acquisition of those of a visit that measure the same.

    Parameters
    ----------
    rows
        Marker rows with the column :data:`ACQUISITION`.
    preferred
        By modality, labels in the order in which they count; empty for no ``acq-``. After them
        comes what most people have; of equals, what has no label, then by the alphabet.

    Returns
    -------
    rows
        Those that count. Acquisitions of a visit that share no marker, as voxels in two places,
        stay all.
    cautions
        One sentence for each modality of which something was left out.
    """
    left_out: list[int] = []
    cautions: list[str] = []
    for modality, part in rows.groupby("modality", sort=True):
        if part[ACQUISITION].nunique() < 2:
            continue
        rank = _ranks(part, ACQUISITION, preferred.get(str(modality), ()))
        dropped = _left_out(part, ACQUISITION, rank)
        if dropped:
            left_out += dropped
            cautions.append(
                f"{modality}: of several acquisitions of a visit one counts, they are not "
                f"averaged. {_counted(part, part.loc[dropped], ACQUISITION, rank)} "
                "markers.acquisition sets another order."
            )
    return rows.drop(index=left_out), cautions


def one_task(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep one task of those of a visit that measure the same.

    Parameters
    ----------
    rows
        Marker rows with the column :data:`TASK`.

    Returns
    -------
    rows
        Those that count: of the task with most markers, which is one that gives connectivity; of
        equals, what most people have, then by the alphabet. All of a visit, head movement too, is
        of one task.
    cautions
        One sentence for each modality of which something was left out.
    """
    left_out: list[int] = []
    cautions: list[str] = []
    for modality, part in rows.groupby("modality", sort=True):
        if part[TASK].nunique() < 2:
            continue
        markers = part[[TASK, *_MARKER]].drop_duplicates()[TASK].value_counts()
        counts = {str(task): int(count) for task, count in markers.items()}
        rank = _ranks(part, TASK, (), more_first=counts)
        dropped = _left_out(part, TASK, rank)
        if dropped:
            left_out += dropped
            cautions.append(
                f"{modality}: of several tasks of a visit one counts, they are not averaged. "
                f"{_counted(part, part.loc[dropped], TASK, rank)} func.tasks names those that give "
                "connectivity."
            )
    return rows.drop(index=left_out), cautions


def _ranks(
    part: pd.DataFrame,
    column: str,
    preferred: Sequence[str],
    more_first: Mapping[str, int] | None = None,
) -> dict[str, int]:
    people = part.groupby(column)["participant_id"].nunique()
    more = more_first or {}
    given = {label: place for place, label in enumerate(preferred)}
    last = len(given)
    order = sorted(
        people.index,
        key=lambda label: (given.get(label, last), -more.get(label, 0), -people[label], label),
    )
    return {label: place for place, label in enumerate(order)}


def _left_out(part: pd.DataFrame, column: str, rank: Mapping[str, int]) -> list[int]:
    """Index of the rows of acquisitions that measure what a better one of the visit does."""
    dropped: list[int] = []
    several = part.groupby(_VISIT)[column].transform("nunique") > 1
    for _, visit in part[several].groupby(_VISIT, sort=False):
        counted: set[tuple[str, str]] = set()
        for label in sorted(visit[column].unique(), key=rank.__getitem__):
            own = visit[visit[column] == label]
            keys = set(own[_MARKER].itertuples(index=False, name=None))
            if counted & keys:
                dropped += own.index.tolist()
            else:
                counted |= keys
    return dropped


def _counted(
    part: pd.DataFrame, dropped: pd.DataFrame, column: str, rank: Mapping[str, int]
) -> str:
    people = part.drop(index=dropped.index).groupby(column)["participant_id"].nunique()
    counts = [
        f"{_named(column, label)} ({people[label]} people)"
        for label in sorted(people.index, key=rank.__getitem__)
    ]
    visits = dropped[["participant_id", "session"]].drop_duplicates()
    others = ", ".join(_named(column, label) for label in sorted(dropped[column].unique()))
    return f"Counted: {', '.join(counts)}; left out in {len(visits)} visits: {others}."


def _named(column: str, label: str) -> str:
    entity = {ACQUISITION: "acq", TASK: "task"}[column]
    return f"{entity}-{label}" if label else f"no {entity}-"
