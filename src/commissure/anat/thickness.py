"""Thickness of the cortex, from the tissue maps of any engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from commissure.anat.volumes import NEAR_CORTEX, cortex_around, values_at
from commissure.checks import Check, between
from commissure.images.anat_files import TISSUES
from commissure.images.atlas import structures
from commissure.images.grid import bounding_box
from commissure.images.load import zooms_mm

#: Larger voxels show no cortex: it is two to three millimetres thick.
LARGEST_VOXEL_MM = 1.5

#: Cortex is nowhere thicker (FreeSurfer's limit as well); where it seems so, a blade of white
#: matter was not seen.
THICKEST_MM = 5.0

#: Fewer voxels than this make no region.
LEAST_VOXELS = 20

#: Mean thickness of a side's cortex that is possible in a person.
PLAUSIBLE_MM = (1.8, 3.6)

#: Deep structures: part of what the cortex lies on, like white matter.
CLOSED = (
    "Thalamus", "Caudate", "Putamen", "Pallidum", "Accumbens", "Hippocampus", "Amygdala",
    "LateralVentricle",
)  # fmt: skip

#: Least rise of the distance to white matter, per mm, on the way outwards.
LEAST_RISE = 0.5


def thickness_map(
    posterior: np.ndarray, affine: np.ndarray, aseg: np.ndarray | None = None
) -> np.ndarray:
    """Thickness at every voxel of the cortex.

    Parameters
    ----------
    posterior
        (3, X, Y, Z) in the order of :data:`commissure.images.anat_files.TISSUES`.
    affine
        4x4 of the grid.
    aseg
        (X, Y, Z) FreeSurfer's numbers. Cerebellum and brain stem are left out, deep grey matter
        and ventricles closed. Without it all of the brain is taken.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z) in mm, 0 where there is no cortex.

    Notes
    -----
    The two borders of the cortex are where the share of white matter, and of both tissues, is one
    half between two voxels. A voxel's thickness is its distance to the one plus that to the other.
    Where the banks of a sulcus touch no fluid is seen; there it is the distance to white matter at
    the ridge between the banks, from where it is projected back (Dahnke R, Yotter RA, Gaser C,
    Cortical thickness and central surface estimation, NeuroImage 65:336-348, 2013).
    """
    grey, white = _cerebrum(posterior, aseg)
    whole = np.zeros(grey.shape, np.float32)
    box = bounding_box(grey + white > 0.5, pad=2)
    grey, white = grey[box], white[box]
    voxel_mm = np.array(zooms_mm(affine))
    both = grey + white
    cortex = (white < 0.5) & (both > 0.5)
    place = np.argwhere(cortex)
    if not len(place):
        return whole
    at_white = _border(white) * voxel_mm
    to_white, nearest = cKDTree(at_white).query(place * voxel_mm)
    to_fluid, _ = cKDTree(_border(both) * voxel_mm).query(place * voxel_mm)
    outwards = (place * voxel_mm - at_white[nearest]) / np.maximum(to_white, 1e-6)[:, None]
    ridge = _ridge_height(cortex, place, to_white, outwards, voxel_mm)
    value = np.minimum(np.minimum(to_white + to_fluid, ridge), THICKEST_MM)
    part = np.zeros(grey.shape, np.float32)
    part[cortex] = value
    whole[box] = part
    return whole


def _cerebrum(posterior: np.ndarray, aseg: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Grey matter of the cortex, and what it lies on."""
    grey, white = (np.asarray(part, np.float32) for part in posterior[:2])
    if aseg is None:
        return grey, white
    groups = structures().groups("structure")
    numbers = [number for name in CLOSED for side in "LR" for number in groups[f"{name}_{side}"]]
    closed = np.isin(aseg, numbers)
    cerebrum = np.isin(aseg, NEAR_CORTEX)
    return np.where(cerebrum, grey, 0), np.where(closed, 1, np.where(cerebrum, white, 0))


def _border(share: np.ndarray) -> np.ndarray:
    """(N, 3) points in voxels at which a share passes one half between two neighbours."""
    points = []
    for offset in product((-1, 0, 1), repeat=3):
        # Along the diagonals of faces too, so that points lie dense enough.
        if offset <= (0, 0, 0) or 0 not in offset:
            continue
        here = tuple(
            slice(max(0, -o), n - max(0, o)) for o, n in zip(offset, share.shape, strict=True)
        )
        beside = tuple(
            slice(max(0, o), n - max(0, -o)) for o, n in zip(offset, share.shape, strict=True)
        )
        lower, upper = share[here], share[beside]
        crossed = (lower > 0.5) != (upper > 0.5)
        part = (0.5 - lower[crossed]) / (upper[crossed] - lower[crossed])
        start = np.argwhere(crossed) + [max(0, -o) for o in offset]
        points.append(start + part[:, None] * offset)
    return np.concatenate(points)


def _ridge_height(
    cortex: np.ndarray,
    place: np.ndarray,
    to_white: np.ndarray,
    outwards: np.ndarray,
    voxel_mm: np.ndarray,
) -> np.ndarray:
    """Distance to white matter at the end of each voxel's way outwards.

    The way leads to the neighbour to which the distance rises most steeply, until it rises no
    more. The ridge lies between that voxel and the next one away from white matter: halfway, with
    what distance is left on both sides.
    """
    count = len(place)
    number = np.full(np.array(cortex.shape) + 2, count)
    number[tuple((place + 1).T)] = np.arange(count)
    height = np.append(to_white, -np.inf)
    steepest, straightest = np.full((2, count), -np.inf)
    following = np.arange(count)
    beyond = np.full(count, -np.inf)
    for offset in product((-1, 0, 1), repeat=3):
        if not any(offset):
            continue
        step_mm = np.array(offset) * voxel_mm
        away = float(np.linalg.norm(step_mm))
        neighbour = number[tuple((place + 1 + offset).T)]
        rise = (height[neighbour] - to_white) / away
        steeper = rise > steepest
        steepest[steeper], following[steeper] = rise[steeper], neighbour[steeper]
        along = outwards @ step_mm
        straighter = along / away > straightest
        straightest[straighter] = (along / away)[straighter]
        beyond[straighter] = ((height[neighbour] + to_white + along) / 2)[straighter]
    end = np.where(steepest < LEAST_RISE, np.arange(count), following)
    for _ in range(int(np.ceil(np.log2(2 + max(cortex.shape))))):
        end = end[end]
    # Where the way leaves the cortex, fluid was seen: the distance to it decides.
    return np.where(np.isfinite(beyond), np.maximum(beyond, to_white), np.inf)[end]


def regional_thickness(
    thickness: np.ndarray, posterior: np.ndarray, coordinates: np.ndarray
) -> dict[str, float]:
    """Mean thickness of the Desikan-Killiany regions and of both sides' cortex, in mm.

    Parameters
    ----------
    thickness
        (X, Y, Z) of :func:`thickness_map`.
    posterior
        (3, X, Y, Z); voxels weigh by their grey matter.
    coordinates
        (X, Y, Z, 3) template mm of each voxel.

    Returns
    -------
    dict
        By region (``superiorfrontal_L``), and ``cortex_L``, ``cortex_R``; NaN where a region has
        fewer than :data:`LEAST_VOXELS` voxels.
    """
    cortex = cortex_around()
    place = thickness > 0
    label = values_at(cortex.image, coordinates[place])
    weight = posterior[TISSUES.index("GM")][place]
    value = thickness[place]
    sides = {f"cortex_{side}": number for side, number in cortex.groups("hemisphere").items()}
    means = {}
    for name, numbers in {**cortex.groups("name"), **sides}.items():
        chosen = np.isin(label, numbers)
        enough = chosen.sum() >= LEAST_VOXELS
        means[name] = float(np.average(value[chosen], weights=weight[chosen])) if enough else np.nan
    return means


def thickness_checks(thickness: Mapping[str, float]) -> list[Check]:
    """Whether the mean thickness of each side is possible; nothing where none was measured."""
    return [
        between(f"thickness_{name}_mm", thickness[name], *PLAUSIBLE_MM)
        for name in ("cortex_L", "cortex_R")
        if name in thickness
    ]


def implausible(checks: Sequence[Check]) -> bool:
    """Whether one of :func:`thickness_checks` failed."""
    return any(check.name.startswith("thickness_") and check.passed is False for check in checks)
