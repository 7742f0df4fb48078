"""The white matter of a simulated person: directions by anatomy, anisotropy by their markers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from commissure.phantom.head.fibres import (
    CROSSED_ABOVE_MM,
    CROSSING_SHARE,
    CROSSINGS,
    fibre_courses,
    tract_numbers,
    tracts_at,
)
from commissure.phantom.person import Person
from commissure.phantom.scanner.echo_planar import FineHead

#: Mean diffusivity of a tract at the population's FA, mm²/s. A person's FA differs from it by
#: radial diffusivity alone.
WM_MD = 0.75e-3

#: FA of the population: published means (npj Schizophrenia table in Kelly 2018's supplement for
#: GCC, BCC, SCC, ALIC, CGC, UNC and the whole), else typical of 3 T and 2 mm.
REFERENCE_FA = {
    "GCC": 0.636, "BCC": 0.591, "SCC": 0.694, "FX": 0.38, "ACR": 0.43, "ALIC": 0.527, "CGC": 0.519,
    "CGH": 0.39, "CST": 0.58, "EC": 0.39, "FXST": 0.45, "PCR": 0.45, "PLIC": 0.64,
    "PTR": 0.52, "RLIC": 0.51, "SCR": 0.45, "SFO": 0.43, "SLF": 0.45, "SS": 0.50, "TAP": 0.45,
    "UNC": 0.492, "WM": 0.386,
}  # fmt: skip

#: FA varies within a tract by this share, with the place; its mean stays.
WITHIN_TRACT = 0.06


@dataclass(frozen=True)
class Tensors:
    """The white-matter compartment on the finer grid of a head.

    Attributes
    ----------
    where
        Three arrays of M indices: fine voxels with white matter.
    directions
        (M, 3) unit vectors in the scanner (RAS+), of the head in the first volume.
    axial, radial
        (M,) diffusivities in mm²/s.
    truth
        As in :class:`DwiSeries`.
    second
        (M, 3) unit vectors of a crossing bundle with the same diffusivities, or ``None``.
    share
        (M,) the crossing bundle's share of the signal.
    """

    where: tuple[np.ndarray, ...]
    directions: np.ndarray
    axial: np.ndarray
    radial: np.ndarray
    truth: Mapping[tuple[str, str], float]
    second: np.ndarray | None = None
    share: np.ndarray | None = None


def tensor_field(head: FineHead, person: Person, *, crossing: bool = False) -> Tensors:
    """White matter of one person: direction by anatomy, FA as their markers say.

    With ``crossing`` a second bundle runs across those of
    :data:`commissure.phantom.head.fibres.CROSSINGS` at right angles, and FA is that of both
    together: of the mean of the two tensors, which is what the signal's first decay shows.
    """
    wm = head.maps["wm"]
    where = np.nonzero(wm > 0.02)
    places = head.template_mm[where]
    names = tract_numbers()[1]
    tract_of = tracts_at(places)
    weight = _weight(wm[where], tract_of)

    pattern = 1 + WITHIN_TRACT * np.sin(places @ np.array([0.11, 0.07, -0.09]) + 0.5)
    fa = np.zeros(len(weight), np.float32)
    axial = np.zeros(len(weight), np.float32)
    course = fibre_courses(places)
    share = np.zeros(len(weight), np.float32)
    across = np.zeros((len(weight), 3), np.float32)
    for number, name in enumerate(names):
        in_tract = tract_of == number
        if in_tract.any():
            if crossing and _both_sides(name) in CROSSINGS:
                share[in_tract] = CROSSING_SHARE
                out, front, up = CROSSINGS[_both_sides(name)]
                across[in_tract] = (out * (1 if name.endswith("_R") else -1), front, up)
            reference = REFERENCE_FA[_both_sides(name)]
            axial[in_tract] = _axial(reference)
            fa[in_tract] = _with_mean(
                pattern[in_tract], weight[in_tract], _wanted_fa(person, name, default=reference)
            )
    rest = tract_of < 0
    axial[rest] = _axial(REFERENCE_FA["WM"])
    if crossing:
        high = rest & (places[:, 2] > CROSSED_ABOVE_MM)
        share[high], across[high] = CROSSING_SHARE, CROSSINGS[""]
    whole = _wanted_fa(person, "WM", default=REFERENCE_FA["WM"])
    in_tracts = float((fa * weight).sum())
    left = float(weight[rest].sum())
    fa_rest = (whole * float(weight.sum()) - in_tracts) / left if left else whole
    fa[rest] = _with_mean(pattern[rest], weight[rest], float(np.clip(fa_rest, 0.12, 0.6)))

    radial = radial_diffusivity(fibre_anisotropy(fa, share), axial)
    md = (axial + 2 * radial) / 3
    truth: dict[tuple[str, str], float] = {}
    groups = {name: tract_of == number for number, name in enumerate(names)}
    for name, inside in (groups | {"WM": np.ones(len(weight), bool)}).items():
        if weight[inside].sum() > 0:
            truth["fa", name] = float(np.average(fa[inside], weights=weight[inside]))
            truth["md", name] = float(np.average(md[inside], weights=weight[inside]))
    directions = _in_scanner(course, head, where)
    if not crossing:
        return Tensors(where, directions, axial, radial, truth)
    second = _in_scanner(np.where(share[:, None] > 0, across, course), head, where)
    second = _at_right_angles(second, directions)
    return Tensors(where, directions, axial, radial, truth, second.astype(np.float32), share)


def _at_right_angles(second: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """The part of directions (M, 3) across the first ones, as unit vectors."""
    second = second - (second * directions).sum(axis=1, keepdims=True) * directions
    length = np.linalg.norm(second, axis=1, keepdims=True)
    # Where both run the same way nothing is across: any direction at right angles will do.
    across = np.cross(directions, np.roll(directions, 1, axis=1))
    second = np.where(length > 0.05, second, across)
    return second / np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-6)


def fibre_anisotropy(fa: np.ndarray, share: np.ndarray) -> np.ndarray:
    """FA that each of two crossing bundles has, given that of both together.

    Parameters
    ----------
    fa
        FA of the mean of two tensors of one shape that cross at right angles.
    share
        Of the crossing bundle, like ``fa``; 0 is one bundle alone.
    """
    alone = np.linspace(0, 0.98, 200)
    radial = radial_diffusivity(alone, np.ones_like(alone))
    result = np.array(fa, copy=True)
    for part in np.unique(share[share > 0]):
        first, second = (1 - part) + part * radial, part + (1 - part) * radial
        values = np.stack([first, second, radial])
        spread = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        together = np.sqrt(1.5 * spread / (values**2).sum(axis=0))
        mine = share == part
        result[mine] = np.interp(fa[mine], together, alone)
    return result


def radial_diffusivity(fa: np.ndarray, axial: np.ndarray) -> np.ndarray:
    """Radial diffusivity of an axially symmetric tensor from its FA and axial diffusivity.

    The root of (1 - 2 FA²) R² - 2 A R + (1 - FA²) A² = 0 that lies below A, written so that
    FA² = 1/2 is no exception.
    """
    square = np.square(fa)
    return axial * (1 - square) / (1 + np.sqrt(1 - (1 - 2 * square) * (1 - square)))


def _weight(wm: np.ndarray, tract_of: np.ndarray) -> np.ndarray:
    """White matter where it is the larger part; all of it in tracts too thin for such voxels."""
    mostly = wm * (wm > 0.5)
    thick = np.bincount(tract_of + 1, mostly, minlength=int(tract_of.max()) + 2) > 0
    return np.where(thick[tract_of + 1], mostly, wm)


def _wanted_fa(person: Person, name: str, *, default: float) -> float:
    return float(np.clip(person.markers.get(("fa", name), default), 0.05, 0.95))


def _both_sides(tract: str) -> str:
    return tract.removesuffix("_L").removesuffix("_R")


def _axial(fa: float) -> float:
    """Axial diffusivity of a tensor with this FA and the mean diffusivity of white matter."""
    return WM_MD * (1 + 2 * fa / np.sqrt(3 - 2 * fa**2))


def _with_mean(pattern: np.ndarray, weight: np.ndarray, mean: float) -> np.ndarray:
    total = float(weight.sum())
    return pattern * (mean / (float((pattern * weight).sum()) / total)) if total else mean * pattern


def _in_scanner(course: np.ndarray, head: FineHead, where: tuple[np.ndarray, ...]) -> np.ndarray:
    """Carry directions from the template into the head, as its deformation turns them.

    Preservation of the principal direction: the inverse Jacobian of the map into the template
    (Alexander DC et al., IEEE Trans Med Imaging 20:1131-1139, 2001).
    """
    along_axes = [np.gradient(head.template_mm, axis=axis)[where] for axis in range(3)]
    jacobian = np.stack(along_axes, axis=-1) @ np.linalg.inv(head.fine_affine[:3, :3])
    directions = np.linalg.solve(jacobian, course[..., None])[..., 0]
    return (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)
