"""Which of several acquisitions of one visit counts: they measure the same markers, and differ.

A series of b = 1000 and one of b = 2800, PRESS and MEGA-PRESS of one voxel: their mean is no
measure of anything. BIDS names them ``acq-``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from commissure.names import parse_name

#: Column that says what a row was acquired as, beside those of the marker table.
ACQUISITION = "acquisition"

_VISIT = ["participant_id", "session", "modality"]
_MARKER = ["region", "marker"]


def acquisition_of(path: Path) -> str:
    """Label of the entity ``acq`` in the name of a file of markers; empty where it has none."""
    try:
        return parse_name(path.name)[0].get("acq", "")
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
        rank = _ranks(part, preferred.get(str(modality), ()))
        dropped = _left_out(part, rank)
        if dropped:
            left_out += dropped
            cautions.append(_caution(str(modality), part, part.loc[dropped], rank))
    return rows.drop(index=left_out), cautions


def _ranks(part: pd.DataFrame, preferred: Sequence[str]) -> dict[str, int]:
    people = part.groupby(ACQUISITION)["participant_id"].nunique()
    given = {label: place for place, label in enumerate(preferred)}
    last = len(given)
    order = sorted(people.index, key=lambda label: (given.get(label, last), -people[label], label))
    return {label: place for place, label in enumerate(order)}


def _left_out(part: pd.DataFrame, rank: Mapping[str, int]) -> list[int]:
    """Index of the rows of acquisitions that measure what a better one of the visit does."""
    dropped: list[int] = []
    several = part.groupby(_VISIT)[ACQUISITION].transform("nunique") > 1
    for _, visit in part[several].groupby(_VISIT, sort=False):
        counted: set[tuple[str, str]] = set()
        for label in sorted(visit[ACQUISITION].unique(), key=rank.__getitem__):
            own = visit[visit[ACQUISITION] == label]
            keys = set(own[_MARKER].itertuples(index=False, name=None))
            if counted & keys:
                dropped += own.index.tolist()
            else:
                counted |= keys
    return dropped


def _caution(
    modality: str, part: pd.DataFrame, dropped: pd.DataFrame, rank: Mapping[str, int]
) -> str:
    people = part.drop(index=dropped.index).groupby(ACQUISITION)["participant_id"].nunique()
    counts = [
        f"{_named(label)} ({people[label]} people)"
        for label in sorted(people.index, key=rank.__getitem__)
    ]
    visits = dropped[["participant_id", "session"]].drop_duplicates()
    others = ", ".join(_named(label) for label in sorted(dropped[ACQUISITION].unique()))
    return (
        f"{modality}: of several acquisitions of a visit one counts, they are not averaged. "
        f"Counted: {', '.join(counts)}; left out in {len(visits)} visits: {others}. "
        "markers.acquisition sets another order."
    )


def _named(label: str) -> str:
    return f"acq-{label}" if label else "no acq-"
