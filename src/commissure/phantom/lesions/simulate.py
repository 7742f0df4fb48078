"""Masks and images of a patient's lesions over visits, and the true response at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, label

from commissure.phantom.lesions.bodies import Body
from commissure.phantom.lesions.course import LesionCourse, days, draw_courses
from commissure.phantom.lesions.ellipsoids import Ellipsoid, axial_diameters, painted


@dataclass(frozen=True)
class TrueBody:
    """One connected body of a visit: a lesion, a part of one, or several that have merged.

    Attributes
    ----------
    label
        Its number in the mask.
    lesions
        Names of the lesions that it is made of.
    longest_mm, short_mm
        Longest axial diameter, and the width across it; what is nearer than a voxel is one.
    volume_ml
        Volume; where bodies overlap it is counted twice.
    """

    label: int
    lesions: tuple[str, ...]
    longest_mm: float
    short_mm: float
    volume_ml: float


@dataclass(frozen=True)
class SimulatedVisit:
    """What is seen and true at one visit.

    Attributes
    ----------
    session, day
        Its name, and days since the baseline.
    labels
        (X, Y, Z) int32: bodies by their numbers.
    bodies
        The truth of each.
    image
        (X, Y, Z) float32, with noise; None where it was not asked for.
    """

    session: str
    day: float
    labels: np.ndarray
    bodies: tuple[TrueBody, ...]
    image: np.ndarray | None


@dataclass(frozen=True)
class SimulatedPatient:
    """A patient with lesions over visits.

    Attributes
    ----------
    affine
        4x4 of all visits, voxel to mm.
    visits
        The baseline first.
    responses
        True overall response (RECIST 1.1) at each follow-up.
    """

    affine: np.ndarray
    visits: tuple[SimulatedVisit, ...]
    responses: tuple[str, ...]


def simulate_follow_up(
    body: Body,
    seed: int,
    *,
    visits: int = 4,
    lesions: int = 4,
    shift_mm: float = 0.7,
    images: bool = False,
) -> SimulatedPatient:
    """Simulate a patient.

    Parameters
    ----------
    body
        Where lesions lie (:mod:`commissure.phantom.lesions.bodies`).
    seed
        Draws everything.
    visits
        Number of visits, the baseline included.
    lesions
        Number of lesions at the baseline.
    shift_mm
        What registration left, standard deviation along each axis.
    images
        Whether images are drawn beside the masks.
    """
    rng = np.random.default_rng([seed, 21])
    courses = draw_courses(body, rng, visits=visits, lesions=lesions, shift_mm=shift_mm)
    seen = [
        _visit(body, courses, number, day, rng if images else None)
        for number, day in enumerate(days(visits))
    ]
    return SimulatedPatient(body.affine, tuple(seen), true_responses(seen))


def _visit(
    body: Body,
    courses: Sequence[LesionCourse],
    number: int,
    day: float,
    rng: np.random.Generator | None,
) -> SimulatedVisit:
    parts = [(course.name, part) for course in courses for part in course.parts[number]]
    shape: tuple[int, int, int] = body.organ.shape
    mask = np.zeros(shape, bool)
    boxes = []
    for _, part in parts:
        box, inside = painted(part, shape, body.affine)
        mask[box] |= inside
        boxes.append((box, inside))
    labels = label(mask, structure=np.ones((3, 3, 3)))[0].astype(np.int32)
    members: dict[int, list[tuple[str, Ellipsoid]]] = {}
    for (name, part), (box, inside) in zip(parts, boxes, strict=True):
        if inside.any():
            members.setdefault(int(labels[box][inside][0]), []).append((name, part))
    gap_mm = float(np.linalg.norm(body.affine[:3, 0]))
    bodies = tuple(_true_body(key, members[key], gap_mm) for key in sorted(members))
    image = None if rng is None else _image(body, mask, rng)
    return SimulatedVisit(f"ses-{number + 1}", day, labels, bodies, image)


def _true_body(key: int, members: Sequence[tuple[str, Ellipsoid]], gap_mm: float) -> TrueBody:
    ellipsoids = [part for _, part in members]
    longest, short = axial_diameters(ellipsoids, gap_mm=gap_mm)
    names = tuple(sorted({name for name, _ in members}))
    return TrueBody(key, names, longest, short, sum(part.volume_ml for part in ellipsoids))


def _image(body: Body, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lesions with a texture of their own, blurred by half a voxel, in noise."""
    texture = gaussian_filter(rng.standard_normal(mask.shape, dtype=np.float32), 2.0)
    texture *= 0.08 / max(float(texture.std()), 1e-6)
    inside = gaussian_filter(mask.astype(np.float32), 0.5)
    image = body.image + inside * (body.lesion * (1 + texture) - body.image)
    noise = rng.standard_normal(mask.shape, dtype=np.float32) * np.float32(body.noise)
    return (image + noise).astype(np.float32)


def true_responses(
    visits: Sequence[SimulatedVisit], followed: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Overall response (RECIST 1.1) at each follow-up, from true diameters.

    Those named are followed, or the two largest lesions of at least 10 mm at the baseline (one
    organ); others count as gone or not. Parts of a lesion add up. Of lesions that have merged the
    one with the larger diameter before counts the whole, a followed one before another.
    """
    first = {name: body.longest_mm for body in visits[0].bodies for name in body.lesions}
    if followed is None:
        followed = sorted((n for n in first if first[n] >= 10), key=lambda n: -first[n])[:2]
    others = [name for name in first if name not in followed]
    sums: list[float] = []
    responses: list[str] = []
    for number, visit in enumerate(visits):
        sizes = dict.fromkeys(first, 0.0)
        for body in visit.bodies:
            known = [name for name in body.lesions if name in first]
            if known:
                rank = sorted(known, key=lambda n: (n not in followed, -first[n]))
                sizes[rank[0]] += body.longest_mm
        here = {name for body in visit.bodies for name in body.lesions}
        # What remains below 5 mm cannot be measured, and counts 5 mm.
        total = sum(max(sizes[n], 5.0) if sizes[n] > 0 else 0.0 for n in followed)
        if number:
            response = _by_sum(total, sums, bool(followed), bool(here & set(others)))
            old = responses[-1:] == ["CR"] and bool(here)
            responses.append("PD" if here - set(first) or old else response)
        sums.append(total)
    return tuple(responses)


def _by_sum(total: float, sums: Sequence[float], followed: bool, others_left: bool) -> str:
    if not followed:
        return "NON-CR/NON-PD" if others_left else "CR"
    least = min(sums)
    if total == 0:
        return "PR" if others_left else "CR"
    if total >= 1.2 * least and total - least >= 5:
        return "PD"
    return "PR" if total <= 0.7 * sums[0] else "SD"
