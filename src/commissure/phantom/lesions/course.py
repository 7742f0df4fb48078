"""How the lesions of a patient change: growth, response, splitting, merging, new and lost ones."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from commissure.phantom.lesions.bodies import Body
from commissure.phantom.lesions.ellipsoids import Ellipsoid

#: Days from visit to visit.
INTERVAL_DAYS = 56.0

#: Factor on diameters from visit to visit, mean and standard deviation of its logarithm between
#: patients: vanishing, shrinking, steady, growing.
TRENDS = ((-0.9, 0.2), (-0.3, 0.12), (0.0, 0.06), (0.16, 0.08))

#: Standard deviation of that logarithm between lesions and visits of a patient.
LESION_SD = 0.06

#: Semi-axes at the baseline, in mm, and the least mean semi-axis of a lesion that is still seen.
SEMI_AXES_MM = (4.5, 14.0)
SEEN_MM = 1.5

#: Semi-axes at which a new lesion is first seen.
NEW_SEMI_AXES_MM = (4.0, 6.0)

#: Share of a lesion's longest axis to which each half has shrunk when it splits.
SPLIT = 0.40


@dataclass(frozen=True)
class LesionCourse:
    """One lesion over the visits.

    Attributes
    ----------
    name
        ``a``, ``b`` ...
    parts
        For each visit its ellipsoids: none before it is there and after it is gone, two once it
        has split.
    """

    name: str
    parts: tuple[tuple[Ellipsoid, ...], ...]


def draw_courses(
    body: Body,
    rng: np.random.Generator,
    *,
    visits: int,
    lesions: int,
    shift_mm: float,
) -> tuple[LesionCourse, ...]:
    """Draw the lesions of a patient.

    Of lesions that shrink every other one splits at some visit. Where lesions grow, every other
    patient has two so close that they will merge. One patient in three gets a new lesion.

    Parameters
    ----------
    body
        Where they lie.
    rng
        Draws everything.
    visits
        Number of visits.
    lesions
        Number of lesions at the baseline.
    shift_mm
        Standard deviation of what is left of registration, along each axis: the same for all
        lesions of a visit.
    """
    mean, sd = TRENDS[rng.integers(len(TRENDS))]
    trend = rng.normal(mean, sd)
    shifts = rng.normal(0, shift_mm, (visits, 3))
    shifts[0] = 0
    largest = np.exp(max(trend, 0) * (visits - 1) + 3 * LESION_SD)
    places = _Places(body, rng)
    courses: list[LesionCourse] = []
    centre: np.ndarray | None
    for number in range(lesions):
        shape = _shape(rng, SEMI_AXES_MM)
        if mean > 0 and number == 1 and rng.random() < 1 / 2:
            centre = places.beside(courses[0].parts[0][0], shape)
        else:
            centre = places.apart(float(shape.semi_axes.max()) * largest)
        if centre is None:
            continue
        scales = _scales(rng, trend, visits)
        split = visits
        if mean < 0 and rng.random() < 1 / 2 and visits > 1:
            split = int(rng.integers(1, visits))
        courses.append(_course(len(courses), shape, centre, scales, shifts, split))
    if visits > 1 and rng.random() < 1 / 3:
        shape = _shape(rng, NEW_SEMI_AXES_MM)
        centre = places.apart(float(shape.semi_axes.max()) * 1.5)
        start = int(rng.integers(1, visits))
        scales = np.zeros(visits)
        scales[start:] = np.exp(0.08 * np.arange(visits - start))
        if centre is not None:
            courses.append(_course(len(courses), shape, centre, scales, shifts, visits))
    return tuple(courses)


def _scales(rng: np.random.Generator, trend: float, visits: int) -> np.ndarray:
    """Factors on the diameters; a patient's trend slows down as Gompertz has it."""
    steps = trend * 0.85 ** np.arange(visits - 1) + rng.normal(0, LESION_SD, visits - 1)
    return np.exp(np.concatenate([[0.0], np.cumsum(steps)]))


def _shape(rng: np.random.Generator, semi_axes: tuple[float, float]) -> Ellipsoid:
    size = float(np.exp(rng.uniform(*np.log(semi_axes))))
    semi = size * np.exp(rng.normal(0, 0.15, 3))
    rotation = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    return Ellipsoid(np.zeros(3), semi, rotation)


def _course(
    number: int,
    shape: Ellipsoid,
    centre: np.ndarray,
    scales: np.ndarray,
    shifts: np.ndarray,
    split: int,
) -> LesionCourse:
    parts: list[tuple[Ellipsoid, ...]] = []
    for visit, (scale, shift) in enumerate(zip(scales, shifts, strict=True)):
        semi = shape.semi_axes * scale
        if float(np.prod(semi)) ** (1 / 3) < SEEN_MM:
            parts.append(())
        elif visit >= split:
            parts.append(_halves(Ellipsoid(centre + shift, semi, shape.rotation)))
        else:
            parts.append((Ellipsoid(centre + shift, semi, shape.rotation),))
    seen = [bool(now) for now in parts]
    # What is gone stays gone.
    for visit in range(1, len(parts)):
        if not seen[visit] and any(seen[:visit]):
            parts[visit:] = [()] * (len(parts) - visit)
            break
    return LesionCourse(string.ascii_lowercase[number], tuple(parts))


def _halves(whole: Ellipsoid) -> tuple[Ellipsoid, ...]:
    """Two remnants at the ends of the longest axis, apart from each other; one where too small."""
    axis = int(whole.semi_axes.argmax())
    semi = whole.semi_axes * 0.8
    semi[axis] = whole.semi_axes[axis] * SPLIT
    away = whole.rotation[:, axis] * whole.semi_axes[axis] * (1 - SPLIT)
    kept = [
        Ellipsoid(whole.centre + side * away, semi * factor, whole.rotation)
        for side, factor in ((1, 1.0), (-1, 0.9))
    ]
    if float(np.prod(kept[1].semi_axes)) ** (1 / 3) < SEEN_MM:
        return (whole,)
    return tuple(kept)


class _Places:
    """Places in an organ, each with room around it."""

    def __init__(self, body: Body, rng: np.random.Generator) -> None:
        self.depth, self.affine, self.rng = body.depth_mm, body.affine, rng
        self.middle = body.affine[:3, :3] @ np.argwhere(body.organ).mean(axis=0)
        self.middle += body.affine[:3, 3]
        self.taken: list[tuple[np.ndarray, float]] = []

    def apart(self, radius: float) -> np.ndarray | None:
        """A place so deep in the organ and so far from others that a lesion touches neither."""
        voxels = np.flatnonzero(self.depth >= min(radius + 2, 0.8 * self.depth.max()))
        for index in self.rng.choice(voxels, 300):
            voxel = np.array(np.unravel_index(index, self.depth.shape))
            centre = self.affine[:3, :3] @ voxel + self.affine[:3, 3]
            if all(np.linalg.norm(centre - c) > r + radius + 8 for c, r in self.taken):
                self.taken.append((centre, radius))
                return centre
        return None

    def beside(self, other: Ellipsoid, shape: Ellipsoid) -> np.ndarray:
        """A place 2 to 4 mm beside a lesion, towards the middle of the organ."""
        towards = self.middle - other.centre
        towards = towards / (np.linalg.norm(towards) or 1.0)
        gap = self.rng.uniform(2, 4)
        reach = _reach(other, towards) + _reach(shape, towards)
        centre = other.centre + towards * (reach + gap)
        self.taken.append((centre, float(shape.semi_axes.max()) * 2))
        return centre


def _reach(shape: Ellipsoid, direction: np.ndarray) -> float:
    """Half the extent of an ellipsoid along a unit vector."""
    return float(np.sqrt(direction @ np.linalg.inv(shape.form) @ direction))


def days(visits: int) -> Sequence[float]:
    """Days of the visits, the baseline first."""
    return [INTERVAL_DAYS * number for number in range(visits)]
