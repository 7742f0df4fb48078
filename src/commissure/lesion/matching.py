"""Which lesion of a visit is which lesion of the visits before it.

Lesions that overlap belong together: first each lesion with at most one (optimal assignment by
Dice's coefficient), then what is left over. A part of a visit that lies in a lesion which already
has its partner has split off from it; a lesion whose place is taken by the partner of another one
has merged with it. What nothing overlaps is compared by distance, as registration is not exact.
What then has no partner has vanished, or is new. A lesion that vanished keeps its last place and
its name, should it come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import nibabel as nib
import numpy as np
from scipy.optimize import linear_sum_assignment

from commissure.errors import DatasetError
from commissure.images.load import voxel_volume_mm3

Event = Literal[
    "", "first", "new", "followed", "split", "merged", "vanished", "reappeared", "not covered",
]  # fmt: skip

#: Least overlap, as a share of the smaller of two lesions, that joins them.
OVERLAP_MIN = 0.1

#: Least share of a part that lies in a lesion it has split off from, and of a lesion that lies in
#: the one it has merged with.
WITHIN_MIN = 0.3

#: Share of a lesion's last place that a visit has to cover for it to have vanished.
COVERED_MIN = 0.9

#: Beyond the radius of the larger one, how far centres may lie apart where nothing overlaps (mm).
DISTANCE_MM = 4.0


@dataclass(frozen=True)
class Track:
    """One lesion over all visits.

    Attributes
    ----------
    lesion
        Its name: ``1``, ``2`` ... in the order in which lesions were first seen.
    labels
        For each visit the labels of its parts; of a merged lesion the label that it is part of.
    events
        For each visit what happened; empty before it was first seen and while it is gone.
    merged_with
        For each visit the lesion in whose size it is counted; empty otherwise.
    """

    lesion: str
    labels: tuple[tuple[int, ...], ...]
    events: tuple[Event, ...]
    merged_with: tuple[str, ...]


@dataclass
class _Identity:
    """A lesion while visits are worked through."""

    name: str
    place: np.ndarray  # flat indices of the voxels where it was last seen by itself
    centre: np.ndarray
    radius: float
    here: bool = True
    labels: list[tuple[int, ...]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    merged_with: list[str] = field(default_factory=list)

    def note(self, labels: tuple[int, ...], event: Event, merged_with: str = "") -> None:
        self.labels.append(labels)
        self.events.append(event)
        self.merged_with.append(merged_with)


@dataclass(frozen=True)
class _Part:
    label: int
    place: np.ndarray
    centre: np.ndarray
    radius: float


def match_visits(
    visits: Sequence[np.ndarray],
    affine: np.ndarray,
    *,
    covered: Sequence[np.ndarray] | None = None,
    who: str = "lesions",
) -> tuple[Track, ...]:
    """Follow lesions through visits.

    Parameters
    ----------
    visits
        Labels (X, Y, Z) of each visit in order, all on one grid: those of follow-ups brought into
        the space of the baseline (:func:`commissure.lesion.alignment.in_baseline_space`).
    affine
        4x4 of that grid, voxel to mm.
    covered
        For each visit (X, Y, Z) bool: where its image reaches. A lesion beyond has not vanished,
        it was not covered.
    who
        The person, for errors.

    Raises
    ------
    DatasetError
        The visits lie on different grids, or there is none.
    """
    if not visits:
        raise DatasetError(who, found="no visit", wanted="one or more")
    shapes = {np.shape(visit) for visit in visits}
    if len(shapes) > 1:
        raise DatasetError(
            who,
            found=f"masks of {' and '.join(map(str, sorted(shapes)))} voxels",
            wanted="the masks of all visits on one grid",
            mend="Bring them into the space of the baseline",
        )
    affine = np.asarray(affine, float)
    known: list[_Identity] = []
    for number, labels in enumerate(visits):
        parts = _parts(np.asarray(labels), affine)
        _follow(known, parts, number, None if covered is None else covered[number].ravel())
    return tuple(
        Track(one.name, tuple(one.labels), tuple(one.events), tuple(one.merged_with))
        for one in known
    )


def _parts(labels: np.ndarray, affine: np.ndarray) -> list[_Part]:
    flat = labels.ravel()
    inside = np.flatnonzero(flat)
    if not len(inside):
        return []
    order = inside[np.argsort(flat[inside], kind="stable")]
    numbers, starts = np.unique(flat[order], return_index=True)
    parts = []
    for number, place in zip(numbers, np.split(order, starts[1:]), strict=True):
        centre, radius = _ball(place, labels.shape, affine)
        parts.append(_Part(int(number), place, centre, radius))
    return parts


def _ball(
    place: np.ndarray, shape: tuple[int, ...], affine: np.ndarray
) -> tuple[np.ndarray, float]:
    """Centre of a lesion in mm, and the radius of a ball of its volume."""
    voxels = np.stack(np.unravel_index(place, shape), axis=1)
    centre = nib.affines.apply_affine(affine, voxels.mean(axis=0))
    volume = len(place) * voxel_volume_mm3(affine)
    return centre, float((3 * volume / (4 * np.pi)) ** (1 / 3))


def _follow(
    known: list[_Identity], parts: list[_Part], number: int, covered: np.ndarray | None
) -> None:
    """Give the parts of a visit to lesions that are known, and name those that are new."""
    overlap = _overlaps(known, parts)
    partner = _assigned(known, parts, overlap)
    taken = set(partner.values())
    split: dict[int, list[int]] = {}
    for p, part in enumerate(parts):
        if p in taken:
            continue
        shares = {i: overlap[i, p] / len(part.place) for i in partner if known[i].here}
        best = max(shares, key=lambda i: (shares[i], -i), default=None)
        if best is not None and shares[best] >= WITHIN_MIN:
            split.setdefault(best, []).append(p)
            taken.add(p)
    merged: dict[int, int] = {}
    for i, lesion in enumerate(known):
        if i in partner or not (lesion.here or lesion.merged_with[-1]):
            continue
        within = {p: overlap[i, p] / len(lesion.place) for p in partner.values()}
        best = max(within, key=lambda p: (within[p], -p), default=None)
        if best is not None and within[best] >= WITHIN_MIN:
            merged[i] = best
    partner |= _nearest(known, parts, set(partner) | set(merged), taken, overlap)
    _write(known, parts, partner, split, merged, number, covered)


def _overlaps(known: list[_Identity], parts: list[_Part]) -> np.ndarray:
    """Voxels that each known lesion and each part share."""
    shared = np.zeros((len(known), len(parts)))
    for i, lesion in enumerate(known):
        for p, part in enumerate(parts):
            shared[i, p] = np.intersect1d(lesion.place, part.place, assume_unique=True).size
    return shared


def _assigned(known: list[_Identity], parts: list[_Part], overlap: np.ndarray) -> dict[int, int]:
    """The partners that make the sum of Dice's coefficients largest."""
    if not known or not parts:
        return {}
    sizes = np.array([len(x.place) for x in known])[:, None]
    others = np.array([len(x.place) for x in parts])[None]
    joined = overlap / np.minimum(sizes, others) >= OVERLAP_MIN
    dice = np.where(joined, 2 * overlap / (sizes + others), 0.0)
    rows, columns = linear_sum_assignment(dice, maximize=True)
    return {int(i): int(p) for i, p in zip(rows, columns, strict=True) if dice[i, p] > 0}


def _nearest(
    known: list[_Identity],
    parts: list[_Part],
    placed: set[int],
    taken: set[int],
    overlap: np.ndarray,
) -> dict[int, int]:
    """Partners by distance, of what has none yet."""
    lesions = [i for i in range(len(known)) if i not in placed]
    free = [p for p in range(len(parts)) if p not in taken]
    if not lesions or not free:
        return {}
    far = 1e6
    cost = np.full((len(lesions), len(free)), far)
    for a, i in enumerate(lesions):
        for b, p in enumerate(free):
            distance = float(np.linalg.norm(known[i].centre - parts[p].centre))
            if distance <= max(known[i].radius, parts[p].radius) + DISTANCE_MM:
                cost[a, b] = distance
    rows, columns = linear_sum_assignment(cost)
    return {lesions[a]: free[b] for a, b in zip(rows, columns, strict=True) if cost[a, b] < far}


def _write(
    known: list[_Identity],
    parts: list[_Part],
    partner: dict[int, int],
    split: dict[int, list[int]],
    merged: dict[int, int],
    number: int,
    covered: np.ndarray | None,
) -> None:
    owner = {p: known[i].name for i, p in partner.items()}
    for i, lesion in enumerate(known):
        if i in partner:
            own = [partner[i], *split.get(i, [])]
            event: Event = "split" if len(own) > 1 else "followed"
            if not lesion.here and not lesion.merged_with[-1]:
                event = "reappeared"
            lesion.note(tuple(sorted(parts[p].label for p in own)), event)
            _move(lesion, [parts[p] for p in own])
        elif i in merged:
            lesion.note((parts[merged[i]].label,), "merged", owner[merged[i]])
            lesion.here = False
        elif covered is not None and covered[lesion.place].mean() < COVERED_MIN:
            lesion.note((), "not covered")
        else:
            was_seen = lesion.here or lesion.merged_with[-1]
            lesion.note((), "vanished" if was_seen else "")
            lesion.here = False
    placed = set(partner.values()) | {p for own in split.values() for p in own}
    for p, part in enumerate(parts):
        if p in placed:
            continue
        lesion = _Identity(str(len(known) + 1), part.place, part.centre, part.radius)
        for _ in range(number):
            lesion.note((), "")
        lesion.note((part.label,), "first" if number == 0 else "new")
        known.append(lesion)


def _move(lesion: _Identity, parts: list[_Part]) -> None:
    """Let a lesion be where its parts are."""
    sizes = np.array([len(part.place) for part in parts], float)
    lesion.place = np.concatenate([part.place for part in parts])
    lesion.centre = np.average([part.centre for part in parts], axis=0, weights=sizes)
    lesion.radius = float(np.sum([part.radius**3 for part in parts]) ** (1 / 3))
    lesion.here = True
