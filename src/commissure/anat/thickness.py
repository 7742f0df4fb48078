"""Thickness of the cortex, from the T1w image and the tissue maps of any engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from scipy.ndimage import binary_dilation, map_coordinates
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

#: Step along a line through the cortex, in mm; how far it starts inside white matter.
STEP_MM = 0.25
INSIDE_MM = 1.5

#: A line ends at most of the fluid, once less of it by so much follows; likewise where it is
#: farthest from white matter, in mm.
FLUID_FALLS = 0.1
RIDGE_FALLS_MM = 0.1

#: Grey matter may rise by so much on the way into white matter before that is another bank.
GREY_RISES = 0.02

#: Points of the border that say where a line starts, how near to the nearest of them, and by how
#: many mm more a point weighs a third.
NEAREST = 8
BESIDE_MM = 1.0
SOFTNESS_MM = 0.1

#: Lines that are followed at a time.
LINES = 100_000

#: Voxels above this are taken for pure in learning what a tissue looks like; below the lower limit
#: a tissue has no part in a voxel.
PURE = 0.95
NO_PART = 0.02


def intensity_shares(t1w: np.ndarray, posterior: np.ndarray, aseg: np.ndarray | None) -> np.ndarray:
    """Share of each tissue in a voxel by how bright it is between the pure tissues.

    Tissue maps are smoothed by expectations, neighbours and resampling: thin blades of white
    matter and narrow sulci are lost in them, and cortex is taken for thicker than it is. The image
    still shows them.

    Parameters
    ----------
    t1w
        (X, Y, Z) bias-corrected, white matter brightest.
    posterior
        (3, X, Y, Z) in the order of :data:`commissure.images.anat_files.TISSUES`, 0 outside the
        brain.
    aseg
        (X, Y, Z) FreeSurfer's numbers; with it, tissues are learnt in and under the
        cortex, and fluid in the lateral ventricles.

    Returns
    -------
    numpy.ndarray
        float32 (3, X, Y, Z), sums to 1 in the brain, 0 outside. All 0 where fluid, grey and white
        matter are not ever brighter: no thickness can be read then, and its regions are n/a.
    """
    pure = posterior > PURE
    if aseg is None:
        samples = [t1w[part] for part in pure]
    else:
        # At the edge of the mask what passes for fluid is air, bone or dura.
        groups = structures().groups("structure")
        ventricles = [n for side in "LR" for n in groups[f"LateralVentricle_{side}"]]
        near = np.isin(aseg, NEAR_CORTEX)
        samples = [t1w[pure[0] & near], t1w[pure[1] & near], t1w[np.isin(aseg, ventricles)]]
    grey, white, fluid = (float(np.median(x)) if x.size else np.nan for x in samples)
    if not fluid < grey < white:
        return np.zeros_like(posterior, dtype=np.float32)
    as_white = np.clip((t1w - grey) / (white - grey), 0, 1)
    as_fluid = np.clip((grey - t1w) / (grey - fluid), 0, 1)
    # Dura is as bright as cortex: what is surely fluid stays fluid.
    surely = pure[2]
    as_white = np.where((posterior[1] < NO_PART) | surely, 0, as_white)
    as_fluid = np.where(surely, 1, np.where(posterior[2] < NO_PART, 0, as_fluid))
    shares = np.stack([1 - as_white - as_fluid, as_white, as_fluid]).astype(np.float32)
    return shares * (posterior.sum(axis=0) > 0)


def thickness_map(
    shares: np.ndarray, affine: np.ndarray, aseg: np.ndarray | None = None
) -> np.ndarray:
    """Thickness at every voxel of the cortex.

    Parameters
    ----------
    shares
        (3, X, Y, Z) of :func:`intensity_shares`.
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
    A line goes from the nearest border of white matter through the voxel, and the shares of grey
    matter are summed along it: where a voxel is half fluid, half of it counts (Aganj I et al.,
    Measurement of cortical thickness from MRI by minimum line integrals on soft-classified tissue,
    Hum Brain Mapp 30:3188-3199, 2009). It ends where most fluid is seen, and, where the banks of a
    sulcus touch, on the ridge between them, as far from white matter as the line comes (Dahnke R,
    Yotter RA, Gaser C, Cortical thickness and central surface estimation, NeuroImage 65:336-348,
    2013).
    """
    grey, white = _cerebrum(shares, aseg)
    whole = np.zeros(grey.shape, np.float32)
    if not (grey + white > 0.5).any():
        return whole
    box = bounding_box(grey + white > 0.5, pad=4)
    grey, white = grey[box], white[box]
    voxel_mm = np.array(zooms_mm(affine))
    cortex = (white < 0.5) & (grey + white > 0.5)
    place = np.argwhere(cortex)
    border = _border(white) * voxel_mm
    if not len(place) or not len(border):
        return whole
    tree = cKDTree(border)
    near = binary_dilation(cortex, iterations=2) & (white < 0.5)
    to_white = np.zeros(grey.shape, np.float32)
    to_white[near] = tree.query(np.argwhere(near) * voxel_mm)[0]
    start, outwards = _ways_out(place * voxel_mm, border, tree)
    images = (grey, 1 - grey - white, to_white)
    value = np.concatenate(
        [
            _grey_along(start[i : i + LINES], outwards[i : i + LINES], images, voxel_mm)
            for i in range(0, len(place), LINES)
        ]
    )
    part = np.zeros(grey.shape, np.float32)
    part[cortex] = np.clip(value, STEP_MM, THICKEST_MM)
    whole[box] = part
    return whole


def _ways_out(
    place: np.ndarray, border: np.ndarray, tree: cKDTree
) -> tuple[np.ndarray, np.ndarray]:
    """Where lines through places (N, 3) start at white matter, and their directions; in mm.

    The border is known at points: the nearest few are averaged, or lines would be oblique.
    """
    away, nearest = tree.query(place, k=NEAREST)
    beside = np.linalg.norm(border[nearest] - border[nearest[:, :1]], axis=-1) < BESIDE_MM
    weight = np.exp((away[:, :1] - away) / SOFTNESS_MM) * beside
    weight /= weight.sum(axis=1, keepdims=True)
    start = (border[nearest] * weight[..., None]).sum(axis=1)
    way = place - start
    return start, way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)


def _grey_along(
    start: np.ndarray,
    outwards: np.ndarray,
    images: tuple[np.ndarray, np.ndarray, np.ndarray],
    voxel_mm: np.ndarray,
) -> np.ndarray:
    """Grey matter in mm along lines from the border of white matter, (N,).

    ``start`` and ``outwards`` are (N, 3) in mm; ``images`` are grey matter, fluid and distance to
    white matter.
    """
    inside = round(INSIDE_MM / STEP_MM)
    along = STEP_MM * np.arange(-inside, round((THICKEST_MM + INSIDE_MM) / STEP_MM))
    at = (start[:, None] + outwards[:, None] * along[:, None]) / voxel_mm
    at = np.moveaxis(at, -1, 0).astype(np.float32)
    grey, fluid, to_white = (
        map_coordinates(image, at, order=1, output=np.float32, mode="nearest") for image in images
    )
    back = grey[:, inside::-1]
    falling = back <= np.minimum.accumulate(back, axis=1) + GREY_RISES
    inwards = (back * np.logical_and.accumulate(falling, axis=1)).sum(axis=1) - back[:, 0] / 2
    fluid_ends, most_fluid = _peak(fluid[:, inside:], FLUID_FALLS)
    ridge_ends, farthest = _peak(to_white[:, inside:], RIDGE_FALLS_MM)
    end = np.where(fluid_ends <= ridge_ends, most_fluid, farthest)
    ahead = grey[:, inside:]
    before = np.arange(ahead.shape[1]) < end[:, None]
    last = ahead[np.arange(len(end)), end]
    return STEP_MM * (inwards + (ahead * before).sum(axis=1) - ahead[:, 0] / 2 + last / 2)


def _peak(values: np.ndarray, fall: float) -> tuple[np.ndarray, np.ndarray]:
    """Where each row (N, T) has fallen below its highest so far, and where that highest is."""
    count = values.shape[1]
    fallen = values < np.maximum.accumulate(values, axis=1) - fall
    ends = np.where(fallen.any(axis=1), fallen.argmax(axis=1), count)
    before = np.arange(count) < ends[:, None]
    return ends, np.where(before, values, -np.inf).argmax(axis=1)


def _cerebrum(shares: np.ndarray, aseg: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Grey matter of the cortex, and what it lies on."""
    grey, white = (np.asarray(part, np.float32) for part in shares[:2])
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


def regional_thickness(
    thickness: np.ndarray, shares: np.ndarray, coordinates: np.ndarray
) -> dict[str, float]:
    """Mean thickness of the Desikan-Killiany regions and of both sides' cortex, in mm.

    Parameters
    ----------
    thickness
        (X, Y, Z) of :func:`thickness_map`.
    shares
        (3, X, Y, Z) of :func:`intensity_shares`; voxels weigh by their grey matter.
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
    weight = shares[TISSUES.index("GM")][place]
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
