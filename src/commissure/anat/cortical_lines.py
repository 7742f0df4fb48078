"""Lines through the cortex and its thickness along them, from a T1w and any engine's tissues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, map_coordinates
from scipy.spatial import cKDTree

from commissure.images.atlas import NEAR_CORTEX, structures
from commissure.images.load import zooms_mm

#: Cortex is nowhere thicker (FreeSurfer's limit as well); where it seems so, a blade of white
#: matter was not seen.
THICKEST_MM = 5.0

#: Deep structures: part of what the cortex lies on, like white matter.
CLOSED = (
    "Thalamus", "Caudate", "Putamen", "Pallidum", "Accumbens", "Hippocampus", "Amygdala",
    "LateralVentricle",
)  # fmt: skip

#: What a tissue looks like is learnt from so many of its voxels, those with the highest share:
#: engines differ in how high that is.
PUREST = 0.3

#: Above this a voxel is surely fluid; below the lower limit it has no white matter.
SURE = 0.95
NO_PART = 0.02

#: SD of the neighbourhood in which tissues are learnt: shading that is left of the coil's
#: brightness, and myelin within the cortex, shift the border of white matter.
NEIGHBOURHOOD_MM = 10.0

#: Brightness is cut off beyond these: fat and vessels above, air below.
RANGE = (-1.0, 1.6)

#: A piece of white matter that has less than this share of the largest is dura, a vessel or noise;
#: a smaller hole is noise.
LEAST_PIECE = 0.1
LEAST_HOLE_MM3 = 20.0

#: SD of the smoothing before the direction of the border is read.
DIRECTION_MM = 0.8

#: Step along a line through the cortex, in mm; how far it starts inside white matter.
STEP_MM = 0.25
INSIDE_MM = 1.5

#: A line ends at most of the fluid, once less of it by so much follows; likewise where it is
#: farthest from white matter, in mm.
FLUID_FALLS = 0.1
RIDGE_FALLS_MM = 0.1

#: Brightness may fall by so much on the way into white matter before that is another bank.
WHITE_FALLS = 0.05

#: A line without a place of so much grey matter goes through no cortex.
LEAST_GREY = 0.4

#: Lines whose brightness is averaged: at most so many, so near, so alike in direction.
BESIDE = 16
BESIDE_MM = 2.0
BESIDE_COSINE = 0.7

#: Lines that are followed at a time.
LINES = 20_000


@dataclass(frozen=True)
class CorticalLines:
    """Lines through the cortex, each from a point of the border of white matter outwards.

    Attributes
    ----------
    start
        (N, 3) in mm from the centre of the first voxel along the image's axes.
    outwards
        (N, 3) directions of length 1.
    area_mm2
        (N,) how much of the border each stands for.
    thickness_mm
        (N,) NaN where there is no cortex.
    voxel_mm
        Size of the image's voxels.
    """

    start: np.ndarray
    outwards: np.ndarray
    area_mm2: np.ndarray
    thickness_mm: np.ndarray
    voxel_mm: np.ndarray

    def middle(self) -> np.ndarray:
        """(N, 3) voxels half way through the cortex; 0.5 mm out where there is none."""
        half = np.where(np.isfinite(self.thickness_mm), self.thickness_mm / 2, 0.5)
        return (self.start + half[:, None] * self.outwards) / self.voxel_mm


def relative_brightness(
    t1w: np.ndarray, posterior: np.ndarray, aseg: np.ndarray | None, affine: np.ndarray
) -> np.ndarray:
    """Brightness between the tissues of a place: 1 white matter, 0 cortex, -1 fluid.

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
        cortex, and fluid in the lateral ventricles. Cerebellum and brain stem are left out, deep
        grey matter and ventricles closed. Without it all of the brain is taken.
    affine
        4x4 of the grid.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z), -1 outside. All -1 where fluid, grey and white matter are not ever
        brighter: no thickness can be read then, and its regions are n/a.
    """
    near = posterior.sum(axis=0) > 0
    closed = np.zeros(near.shape, bool)
    if aseg is not None:
        groups = structures().groups("structure")
        near &= np.isin(aseg, NEAR_CORTEX)
        closed = np.isin(aseg, [n for name in CLOSED for s in "LR" for n in groups[f"{name}_{s}"]])
    grey_at, white_at, fluid_at = _purest(posterior, near)
    if aseg is not None:
        # At the edge of the mask what passes for fluid is air, bone or dura.
        ventricles = [n for side in "LR" for n in groups[f"LateralVentricle_{side}"]]
        fluid_at = np.isin(aseg, ventricles)
    grey, white, fluid = (
        float(np.median(t1w[part])) if part.any() else np.nan
        for part in (grey_at, white_at, fluid_at)
    )
    if not fluid < grey < white:
        return np.full(t1w.shape, -1, np.float32)
    voxel_mm = np.array(zooms_mm(affine))
    white_here = _nearby(t1w, white_at, white, voxel_mm)
    # Where cortex is hardly seen it keeps half of its usual contrast.
    grey_here = np.minimum(
        _nearby(t1w, grey_at, grey, voxel_mm), white_here * (1 - (white - grey) / white / 2)
    )
    fluid_here = np.minimum(fluid * white_here / white, 0.9 * grey_here)
    above = t1w - grey_here
    level = np.where(above > 0, above / (white_here - grey_here), above / (grey_here - fluid_here))
    level = np.where(posterior[1] < NO_PART, np.minimum(level, 0), level)
    # Dura is as bright as cortex: what is surely fluid stays fluid.
    level = np.where(near & (posterior[2] <= SURE), np.clip(level, *RANGE), -1)
    return np.where(closed, 1, level).astype(np.float32)


def _purest(posterior: np.ndarray, within: np.ndarray) -> list[np.ndarray]:
    """Voxels of each tissue that have most of it, among those in which it is the largest part."""
    largest = posterior.argmax(axis=0)
    chosen = []
    for tissue, share in enumerate(posterior):
        mine = within & (largest == tissue)
        least = np.quantile(share[mine], 1 - PUREST) if mine.any() else np.inf
        chosen.append(mine & (share >= least))
    return chosen


def _nearby(t1w: np.ndarray, where: np.ndarray, usual: float, voxel_mm: np.ndarray) -> np.ndarray:
    """Mean brightness of a tissue around every voxel; as usual where none of it is near."""
    sd = NEIGHBOURHOOD_MM / voxel_mm
    amount = gaussian_filter(where.astype(np.float32), sd, truncate=2.5)
    excess = gaussian_filter(np.where(where, t1w - usual, 0).astype(np.float32), sd, truncate=2.5)
    return usual + excess / (amount + 1e-3)


def cortical_lines(level: np.ndarray, affine: np.ndarray) -> CorticalLines:
    """Thickness of the cortex over every point of the border of white matter.

    Parameters
    ----------
    level
        (X, Y, Z) of :func:`relative_brightness`.
    affine
        4x4 of the grid.

    Notes
    -----
    Along a line across the border, grey matter is summed from white matter on: where a voxel is
    half fluid, half of it counts (Aganj I et al., Measurement of cortical thickness from MRI by
    minimum line integrals on soft-classified tissue, Hum Brain Mapp 30:3188-3199, 2009). The line
    ends where most fluid is seen, and, where the banks of a sulcus touch, on the ridge between
    them, as far from white matter as the line comes (Dahnke R, Yotter RA, Gaser C, Cortical
    thickness and central surface estimation, NeuroImage 65:336-348, 2013).

    Brightness is averaged over neighbouring lines at equal depth before, and white matter and
    fluid are subtracted without cutting off what noise adds: so noise does not thin the cortex.
    """
    voxel_mm = np.array(zooms_mm(affine))
    white = _white_matter(level, voxel_mm)
    points, outwards, area = _border(white, voxel_mm)
    thickness = np.full(len(points), np.nan, np.float32)
    if not len(points):
        return CorticalLines(points, outwards, area, thickness, voxel_mm)
    tree = cKDTree(points)
    reach = THICKEST_MM + INSIDE_MM
    inside = white > 0.5
    near = ~inside & (distance_transform_edt(~inside, sampling=voxel_mm) < reach + 1)
    to_white = np.where(inside, 0, reach + 1).astype(np.float32)
    to_white[near] = tree.query(np.argwhere(near) * voxel_mm)[0]
    along = STEP_MM * np.arange(-round(INSIDE_MM / STEP_MM), round(reach / STEP_MM))
    parts = [slice(i, i + LINES) for i in range(0, len(points), LINES)]
    brightness, away = (np.empty((len(points), len(along)), np.float32) for _ in range(2))
    for part in parts:
        at = (points[part, None] + outwards[part, None] * along[:, None]) / voxel_mm
        at = np.moveaxis(at, -1, 0).astype(np.float32)
        for image, rows in ((level, brightness), (to_white, away)):
            map_coordinates(image, at, order=1, output=rows[part], mode="nearest")
    for part in parts:
        averaged = _averaged(brightness, points, outwards, tree, part)
        thickness[part] = _grey_along(averaged, away[part])
    return CorticalLines(points, outwards, area, thickness, voxel_mm)


def _white_matter(level: np.ndarray, voxel_mm: np.ndarray) -> np.ndarray:
    """Share of white matter, 0 to 1, without small pieces and without small holes."""
    white = np.clip(level, 0, 1)
    pieces, size = _pieces(white > 0.5)
    white[(pieces > 0) & (size < LEAST_PIECE * size.max())[pieces]] = 0.49
    holes, size = _pieces(white <= 0.5)
    white[(holes > 0) & (size * np.prod(voxel_mm) < LEAST_HOLE_MM3)[holes]] = 0.51
    return white


def _pieces(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the connected piece of each voxel, 0 outside, and voxels by number."""
    pieces, _ = label(where)
    size = np.bincount(pieces.ravel())
    size[0] = 0
    return pieces, size


def _border(white: np.ndarray, voxel_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points in mm where a share passes one half, directions outwards, and areas in mm².

    Lines along the three axes cross a piece of border in proportion to its area seen along each:
    all crossings together count area times the sum of the direction's parts (Cauchy, Crofton).
    """
    points, faces = [], []
    for axis, mm in enumerate(voxel_mm):
        lower, upper = (np.moveaxis(white, axis, 0)[part] for part in (np.s_[:-1], np.s_[1:]))
        crossed = np.argwhere((lower > 0.5) != (upper > 0.5))
        before, after = lower[tuple(crossed.T)], upper[tuple(crossed.T)]
        place = crossed.astype(float)
        place[:, 0] += (0.5 - before) / (after - before)
        order = [*range(1, axis + 1), 0, *range(axis + 1, 3)]
        points.append(place[:, order])
        faces.append(np.full(len(place), np.prod(voxel_mm) / mm))
    at = np.concatenate(points)
    smooth = gaussian_filter(white, DIRECTION_MM / voxel_mm)
    slope = [
        map_coordinates(np.gradient(smooth, mm, axis=axis), at.T, order=1)
        for axis, mm in enumerate(voxel_mm)
    ]
    outwards = -np.stack(slope, axis=1)
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-9)
    area = np.concatenate(faces) / np.maximum(np.abs(outwards).sum(axis=1), 1)
    return at * voxel_mm, outwards, area


def _averaged(
    brightness: np.ndarray,
    points: np.ndarray,
    outwards: np.ndarray,
    tree: cKDTree,
    part: slice,
) -> np.ndarray:
    """Brightness along some lines, averaged with that along the lines beside them."""
    beside = min(BESIDE, len(points))
    away, others = tree.query(points[part], k=[*range(1, beside + 1)])
    weight = np.exp(-2 * (away / BESIDE_MM) ** 2) * (away < BESIDE_MM)
    weight *= (outwards[others] * outwards[part, None]).sum(axis=-1) > BESIDE_COSINE
    weight[:, 0] = 1
    weight /= weight.sum(axis=1, keepdims=True)
    return np.einsum("ij,ijk->ik", weight.astype(np.float32), brightness[others])


def _grey_along(brightness: np.ndarray, to_white: np.ndarray) -> np.ndarray:
    """Grey matter in mm along lines, (N,), from brightness and distance to white matter."""
    border = round(INSIDE_MM / STEP_MM)
    back, ahead = brightness[:, border::-1], brightness[:, border:]
    rising = back >= np.maximum.accumulate(back, axis=1) - WHITE_FALLS
    inwards = ((1 - back) * np.logical_and.accumulate(rising, axis=1)).sum(axis=1)
    inwards -= (1 - back[:, 0]) / 2
    fluid_ends, most_fluid = _peak(np.clip(-ahead, 0, 1), FLUID_FALLS)
    ridge_ends, farthest = _peak(to_white[:, border:], RIDGE_FALLS_MM)
    end = np.where(fluid_ends <= ridge_ends, most_fluid, farthest)
    step = np.arange(ahead.shape[1])
    # White matter counts against grey up to the first place as dark as cortex, fluid from there on.
    dark = ahead <= 0
    turn = np.where(dark.any(axis=1), dark.argmax(axis=1), len(step))
    grey = np.maximum(np.where(step < turn[:, None], 1 - ahead, 1 + ahead), 0)
    outside = (grey * (step < end[:, None])).sum(axis=1)
    outside += (grey[np.arange(len(end)), end] - grey[:, 0]) / 2
    value = np.clip(STEP_MM * (inwards + outside), STEP_MM, THICKEST_MM)
    most = ((1 - np.abs(ahead)) * (step <= end[:, None])).max(axis=1)
    return np.where(most > LEAST_GREY, value, np.nan)


def _peak(values: np.ndarray, fall: float) -> tuple[np.ndarray, np.ndarray]:
    """Where each row (N, T) has fallen below its highest so far, and where that highest is."""
    count = values.shape[1]
    fallen = values < np.maximum.accumulate(values, axis=1) - fall
    ends = np.where(fallen.any(axis=1), fallen.argmax(axis=1), count)
    before = np.arange(count) < ends[:, None]
    return ends, np.where(before, values, -np.inf).argmax(axis=1)
