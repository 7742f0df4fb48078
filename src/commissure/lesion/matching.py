"""Which lesion of a visit is which lesion of the visits before it.

Lesions that overlap belong together: first each lesion with at most one (optimal assignment by
Dice's coefficient), then what is left over. A part of a visit that lies in a lesion which already
has its partner has split off from it; a lesion whose place is taken by the partner of another one
has merged with it. What nothing overlaps is compared by distance, as registration is not exact.
What then has no partner has vanished, or is new. A lesion that vanished keeps its last place and
its name, should it come back. Where a shift in common brings three lesions or more to their
places, registration has left it, and it is taken out first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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

#: Longest shift in common that is taken out, and how far lesions then lie from their places (mm).
SHIFT_MAX_MM = 20.0
SHIFT_SPREAD_MM = 3.0

#: Lesions that have to agree on a shift, and half of all.
SHIFT_LESIONS = 3


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


@dataclass(frozen=True)
class _Part:
    """One connected part of a visit."""

    label: int
    place: np.ndarray  # flat indices of its voxels
    centre: np.ndarray
    radius: float


@dataclass
class _Identity:
    """A lesion while visits are worked through, with its parts where it was last by itself."""

    name: str
    parts: list[_Part]
    here: bool = True
    labels: list[tuple[int, ...]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    merged_with: list[str] = field(default_factory=list)

    def note(self, labels: tuple[int, ...], event: Event, merged_with: str = "") -> None:
        self.labels.append(labels)
        self.events.append(event)
        self.merged_with.append(merged_with)


@dataclass(frozen=True)
class _Former:
    """A part of a lesion that is known, moved by what visits have in common."""

    lesion: int
    part: _Part


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
        formers = _formers(known, parts, affine, labels.shape)
        reach = None if covered is None else np.asarray(covered[number]).ravel()
        _follow(known, formers, parts, number, reach)
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


def _formers(
    known: list[_Identity], parts: list[_Part], affine: np.ndarray, shape: tuple[int, ...]
) -> list[_Former]:
    """All parts of known lesions, shifted to where registration should have brought them."""
    shift = _common_shift([x for one in known if one.here for x in one.parts], parts)
    step = np.rint(np.linalg.inv(affine[:3, :3]) @ shift).astype(int)
    return [
        _Former(
            i,
            replace(part, place=_moved(part.place, step, shape), centre=part.centre + shift),
        )
        for i, lesion in enumerate(known)
        for part in lesion.parts
    ]


def _common_shift(here: list[_Part], parts: list[_Part]) -> np.ndarray:
    """The shift in mm that brings most lesions to a part each; 0 where few agree on one."""
    nothing = np.zeros(3)
    if min(len(here), len(parts)) < SHIFT_LESIONS:
        return nothing
    away = np.array([[part.centre - former.centre for part in parts] for former in here])

    def nearest(shift: np.ndarray) -> np.ndarray:
        return np.linalg.norm(away - shift, axis=2).min(axis=1)

    def agreeing(shift: np.ndarray) -> float:
        return float(np.exp(-0.5 * (nearest(shift) / SHIFT_SPREAD_MM) ** 2).sum())

    candidates = away.reshape(-1, 3)
    candidates = candidates[np.linalg.norm(candidates, axis=1) <= SHIFT_MAX_MM]
    best = max(candidates, key=agreeing, default=nothing)
    if agreeing(best) < agreeing(nothing) + 1:
        return nothing
    close = np.flatnonzero(nearest(best) <= SHIFT_SPREAD_MM)
    if len(close) < max(SHIFT_LESIONS, min(len(here), len(parts)) / 2):
        return nothing
    which = np.linalg.norm(away[close] - best, axis=2).argmin(axis=1)
    return away[close, which].mean(axis=0)


def _moved(place: np.ndarray, step: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Flat indices after a step of whole voxels; what leaves the grid is dropped."""
    if not step.any():
        return place
    index = np.stack(np.unravel_index(place, shape)) + step[:, None]
    inside = ((index >= 0) & (index < np.array(shape)[:, None])).all(axis=0)
    return np.ravel_multi_index(tuple(index[:, inside]), shape)


def _follow(
    known: list[_Identity],
    formers: list[_Former],
    parts: list[_Part],
    number: int,
    covered: np.ndarray | None,
) -> None:
    """Give the parts of a visit to lesions that are known, and name those that are new."""
    overlap = _overlaps(formers, parts)
    partner = _assigned(formers, parts, overlap)
    owner = {p: formers[f].lesion for f, p in partner.items()}
    found = set(owner.values())
    for p, part in enumerate(parts):
        if p in owner:
            continue
        shares = {
            f: overlap[f, p] / len(part.place)
            for f, former in enumerate(formers)
            if former.lesion in found and known[former.lesion].here
        }
        best = max(shares, key=lambda f: (shares[f], -f), default=None)
        if best is not None and shares[best] >= WITHIN_MIN:
            owner[p] = formers[best].lesion
    merged: dict[int, int] = {}
    for i, lesion in enumerate(known):
        if i in found or not (lesion.here or lesion.merged_with[-1]):
            continue
        size = sum(len(part.place) for part in lesion.parts)
        rows = [f for f, former in enumerate(formers) if former.lesion == i]
        within = {p: overlap[rows, p].sum() / size for p in owner}
        best = max(within, key=lambda p: (within[p], -p), default=None)
        if best is not None and within[best] >= WITHIN_MIN:
            merged[i] = best
    free = [f for f in range(len(formers)) if f not in partner and formers[f].lesion not in merged]
    near = _nearest(formers, free, parts, [p for p in range(len(parts)) if p not in owner])
    owner |= {p: formers[f].lesion for f, p in near.items()}
    _write(known, parts, owner, merged, number, covered)


def _overlaps(formers: list[_Former], parts: list[_Part]) -> np.ndarray:
    """Voxels that each part of a known lesion and each part of the visit share."""
    shared = np.zeros((len(formers), len(parts)))
    for f, former in enumerate(formers):
        for p, part in enumerate(parts):
            shared[f, p] = np.intersect1d(former.part.place, part.place, assume_unique=True).size
    return shared


def _assigned(formers: list[_Former], parts: list[_Part], overlap: np.ndarray) -> dict[int, int]:
    """The partners that make the sum of Dice's coefficients largest."""
    if not formers or not parts:
        return {}
    sizes = np.array([max(len(x.part.place), 1) for x in formers])[:, None]
    others = np.array([len(x.place) for x in parts])[None]
    joined = overlap / np.minimum(sizes, others) >= OVERLAP_MIN
    dice = np.where(joined, 2 * overlap / (sizes + others), 0.0)
    rows, columns = linear_sum_assignment(dice, maximize=True)
    return {int(f): int(p) for f, p in zip(rows, columns, strict=True) if dice[f, p] > 0}


def _nearest(
    formers: list[_Former], free: list[int], parts: list[_Part], left: list[int]
) -> dict[int, int]:
    """Partners by distance, of what has none yet."""
    if not free or not left:
        return {}
    far = 1e6
    cost = np.full((len(free), len(left)), far)
    for a, f in enumerate(free):
        for b, p in enumerate(left):
            former = formers[f].part
            distance = float(np.linalg.norm(former.centre - parts[p].centre))
            if distance <= max(former.radius, parts[p].radius) + DISTANCE_MM:
                cost[a, b] = distance
    rows, columns = linear_sum_assignment(cost)
    return {free[a]: left[b] for a, b in zip(rows, columns, strict=True) if cost[a, b] < far}


def _write(
    known: list[_Identity],
    parts: list[_Part],
    owner: dict[int, int],
    merged: dict[int, int],
    number: int,
    covered: np.ndarray | None,
) -> None:
    own: dict[int, list[int]] = {}
    for p, i in sorted(owner.items()):
        own.setdefault(i, []).append(p)
    for i, lesion in enumerate(known):
        if i in own:
            event: Event = "split" if len(own[i]) > 1 else "followed"
            if not lesion.here and not lesion.merged_with[-1]:
                event = "reappeared"
            lesion.note(tuple(sorted(parts[p].label for p in own[i])), event)
            lesion.parts, lesion.here = [parts[p] for p in own[i]], True
        elif i in merged:
            whole = known[owner[merged[i]]].name
            lesion.note((parts[merged[i]].label,), "merged", whole)
            lesion.here = False
        elif covered is not None and _share(lesion.parts, covered) < COVERED_MIN:
            lesion.note((), "not covered")
        else:
            was_seen = lesion.here or lesion.merged_with[-1]
            lesion.note((), "vanished" if was_seen else "")
            lesion.here = False
    for p, part in enumerate(parts):
        if p in owner:
            continue
        lesion = _Identity(str(len(known) + 1), [part])
        for _ in range(number):
            lesion.note((), "")
        lesion.note((part.label,), "first" if number == 0 else "new")
        known.append(lesion)


def _share(parts: list[_Part], covered: np.ndarray) -> float:
    """How much of a lesion's last place a visit covers."""
    return float(covered[np.concatenate([part.place for part in parts])].mean())
