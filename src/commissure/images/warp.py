"""Diffeomorphic registration of images whose contrast agrees locally, within seconds.

Both images are normalised within a small window, so that shading and the scaling of grey values do
not matter; half of the squared difference that is left is one minus the local correlation. It is
lowered by Lucas-Kanade steps in their inverse compositional form: gradients and the 3 x 3 systems
are those of the fixed image and are solved once per level, so that a step costs four interpolations
and a few filters. Each step is a smooth map whose displacements stay below half a voxel, and steps
are composed, never added: what comes out is a diffeomorphism.

Notes
-----
Baker S, Matthews I, Lucas-Kanade 20 years on, Int J Comput Vis 56:221-255, 2004.
Lorenzi M et al., LCC-Demons, NeuroImage 81:470-483, 2013 (local correlation, composed steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates, uniform_filter

from commissure.images.grid import bounding_box, coarser
from commissure.images.load import zooms_mm

#: Edge of the window that images are normalised in, in voxels.
WINDOW = 5

#: Variance that the window's is raised by, for images whose brightest tissue is 1: below it is
#: noise.
NOISE_VARIANCE = 2e-3

#: Gaussian that the equations of neighbouring voxels are joined with (SD in voxels).
NEIGHBOURHOOD_SD = 1.7

#: Longest displacement of a step, in voxels.
LONGEST_STEP = 0.5

#: Room around the fixed image's brain at which the map is looked for.
ROOM_MM = 8.0

#: Outside the brain the map goes on smoothly and fades (SD of the Gaussian).
FADING_MM = 8.0


@dataclass(frozen=True)
class Level:
    """A level of the search.

    Attributes
    ----------
    iterations
        Steps.
    stiffness
        Resistance against displacement, in units of the median strength of the image's gradients.
    window
        Edge of the window that images are normalised in, in voxels. A wide one leaves the contrast
        of a whole structure as it is, where both images have the same.
    """

    iterations: int
    stiffness: float
    window: int = WINDOW


#: Coarse to fine, each level's voxels half as large as those of the one before.
LEVELS = (Level(10, 0.3), Level(15, 0.3), Level(12, 1.0))


@dataclass(frozen=True)
class Warp:
    """A map from the space of a fixed image to that of a moving one: displacement, then affine.

    Attributes
    ----------
    displacement
        (3, X, Y, Z) float32, RAS+ mm in the fixed space, zero outside its grid.
    affine
        4x4, voxel of ``displacement`` to mm of the fixed space.
    to_moving
        4x4, mm of the fixed space to mm of the moving one, applied to displaced points.
    """

    displacement: np.ndarray
    affine: np.ndarray
    to_moving: np.ndarray

    def inverse_displacement(self) -> np.ndarray:
        """(3, X, Y, Z) float32, mm: what brings displaced points of the fixed space back."""
        axes = self.affine[:3, :3]
        back = _inverse(_turned(np.linalg.inv(axes), self.displacement))
        return _turned(axes, back)

    def jacobian_determinants(self) -> np.ndarray:
        """(X, Y, Z) volume of the affine's image of a fixed voxel over what the warp gives it."""
        return jacobian_determinants(_turned(np.linalg.inv(self.affine[:3, :3]), self.displacement))


def find_warp(
    fixed: Sequence[nib.Nifti1Image],
    moving: nib.Nifti1Image,
    *,
    initial: np.ndarray,
    levels: Sequence[Level] = LEVELS,
    masks: Sequence[np.ndarray] | None = None,
    start: np.ndarray | None = None,
) -> Warp:
    """Register a brain to another one whose contrast agrees locally.

    Parameters
    ----------
    fixed
        One 3-D image at the voxel size of each level, coarse to fine; zero outside the brain.
    moving
        3-D, zero outside the brain.
    initial
        4x4, mm of the fixed image to mm of the moving one, near enough for the coarsest level.
    levels
        One for each image.
    masks
        Where to look, bool on the grid of each fixed image. Without them both images are brains
        alone, and zero is outside.
    start
        (3, X, Y, Z) mm, a displacement on the grid of the last fixed image to go on from.

    Returns
    -------
    Warp
        On the grid of the last fixed image.
    """
    shift: np.ndarray | None = None
    grid = np.eye(4)
    if start is not None:
        grid = fixed[-1].affine
        shift = _turned(np.linalg.inv(grid[:3, :3]), start)
    moving = moving.slicer[bounding_box(np.asanyarray(moving.dataobj) > 0, pad=1)]
    wheres = masks or [np.asanyarray(target.dataobj) > 0 for target in fixed]
    for target, level, brain in zip(fixed, levels, wheres, strict=True):
        voxel_mm = min(zooms_mm(target.affine))
        source = _no_finer(moving, voxel_mm)
        box = bounding_box(brain, pad=round(ROOM_MM / voxel_mm) + 1)
        part = target.slicer[box]
        if shift is None:
            shift = np.zeros((3, *part.shape), np.float32)
        else:
            shift = _on_grid(shift, grid, part.shape, part.affine)
        grid = part.affine
        to_voxel = np.linalg.inv(source.affine) @ initial @ grid
        cover = _smooth(brain[box].astype(np.float32), 1.0)
        shift = _refined(_scaled(part), _scaled(source), cover, to_voxel, shift, level)
    assert shift is not None, "at least one level is expected"
    whole = _on_grid(shift, grid, target.shape, target.affine)
    whole = _continued(whole, brain, FADING_MM / voxel_mm)
    return Warp(_turned(target.affine[:3, :3], whole), target.affine, np.asarray(initial, float))


def refined_affine(
    fixed: Sequence[nib.Nifti1Image],
    moving: nib.Nifti1Image,
    *,
    initial: np.ndarray,
    iterations: int = 12,
    masks: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Refine an affine map between two brains whose contrast agrees locally.

    Parameters
    ----------
    fixed
        The 3-D image at one or several voxel sizes, coarse to fine; zero outside the brain.
    moving
        3-D, zero outside the brain.
    initial
        4x4, mm of the fixed image to mm of the moving one.
    iterations
        Steps at each voxel size.
    masks
        Where to look, as in :func:`find_warp`.

    Returns
    -------
    numpy.ndarray
        4x4 like ``initial``.
    """
    matrix = np.asarray(initial, float)
    wheres = masks or [np.asanyarray(target.dataobj) > 0 for target in fixed]
    for target, inside in zip(fixed, wheres, strict=True):
        source = _no_finer(moving, min(zooms_mm(target.affine)))
        values, data = _scaled(target), _scaled(source)
        wanted, scale = _normalised(values)
        voxel = np.stack(np.nonzero(inside)).astype(float)
        mm = target.affine[:3, :3] @ voxel + target.affine[:3, 3:]
        centre, radius = mm.mean(axis=1, keepdims=True), mm.std()
        basis = np.vstack([(mm - centre) / radius, np.ones(mm.shape[1])])
        to_mm = np.linalg.inv(target.affine[:3, :3]).T
        gradient = to_mm @ np.stack([part[inside] for part in np.gradient(values)])
        gradient *= scale[inside]
        design = (gradient[:, None] * basis[None]).reshape(12, -1)
        inverse = np.linalg.inv(design @ design.T)
        # A window around the mask is needed to normalise; farther out nothing is looked at.
        places = np.indices(values.shape, dtype=np.float32)
        for _ in range(iterations):
            step = np.linalg.inv(source.affine) @ matrix @ target.affine
            here = _turned(step[:3, :3], places) + step[:3, 3, None, None, None].astype(np.float32)
            warped, _ = _normalised(_sampled(data, here, mode="constant"))
            change = (inverse @ (design @ (warped - wanted)[inside])).reshape(3, 4)
            move = np.eye(4)
            move[:3, :3] += change[:, :3] / radius
            move[:3, 3:] = change[:, 3:] - change[:, :3] @ centre / radius
            matrix = matrix @ np.linalg.inv(move)
    return matrix


def jacobian_determinants(shift: np.ndarray) -> np.ndarray:
    """(X, Y, Z) Jacobian determinants of x + shift(x); ``shift`` is (3, X, Y, Z) in voxels."""
    (a, b, c), (d, e, f), (g, h, i) = (np.gradient(part) for part in shift)
    a, e, i = a + 1, e + 1, i + 1
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def local_correlation(
    image: np.ndarray, other: np.ndarray, mask: np.ndarray, *, window: int = WINDOW
) -> float:
    """Mean correlation of two images within a window around each voxel of a mask.

    Parameters
    ----------
    image, other
        (X, Y, Z) on one grid.
    mask
        Where windows are centred. Windows reach beyond it.
    window
        Edge of the window in voxels.

    Notes
    -----
    A window in which either image is flat counts as 0.
    """
    box = bounding_box(mask, pad=window)
    one, two = (np.asarray(part[box], np.float32) for part in (image, other))
    mean_one, mean_two, square_one, square_two, product = (
        uniform_filter(part, window) for part in (one, two, one * one, two * two, one * two)
    )
    least = [1e-6 * float(np.var(part[mask[box]])) for part in (one, two)]
    spread_one, spread_two = square_one - mean_one**2, square_two - mean_two**2
    varied = (spread_one > least[0]) & (spread_two > least[1])
    scale = np.sqrt(np.where(varied, spread_one * spread_two, 1))
    correlation = np.where(varied, (product - mean_one * mean_two) / scale, 0)
    return float(correlation[mask[box]].mean())


def _no_finer(image: nib.Nifti1Image, voxel_mm: float) -> nib.Nifti1Image:
    return coarser(image, voxel_mm) if min(zooms_mm(image.affine)) < 0.95 * voxel_mm else image


def _scaled(image: nib.Nifti1Image) -> np.ndarray:
    """Grey values over those of the brightest tissue."""
    data = np.asanyarray(image.dataobj).astype(np.float32)
    return data / np.percentile(data[data > 0], 90)


def _normalised(image: np.ndarray, window: int = WINDOW) -> tuple[np.ndarray, np.ndarray]:
    """An image less its window's mean, over its window's SD; and one over that SD."""
    mean = uniform_filter(image, window, mode="nearest")
    variance = uniform_filter(image * image, window, mode="nearest") - mean * mean
    scale = 1 / np.sqrt(np.maximum(variance, 0) + np.float32(NOISE_VARIANCE))
    return (image - mean) * scale, scale


def _smooth(image: np.ndarray, sd: float) -> np.ndarray:
    return gaussian_filter(image, sd, truncate=2.5, mode="nearest")


def _sampled(image: np.ndarray, places: np.ndarray, *, mode: str = "nearest") -> np.ndarray:
    return map_coordinates(image, places, order=1, mode=mode, prefilter=False, output=np.float32)


def _turned(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.tensordot(np.asarray(matrix, np.float32), vectors, axes=1)


def _refined(
    fixed: np.ndarray,
    moving: np.ndarray,
    cover: np.ndarray,
    to_voxel: np.ndarray,
    shift: np.ndarray,
    level: Level,
) -> np.ndarray:
    """Go on with a level's steps; ``shift`` is (3, X, Y, Z) in voxels of ``fixed``."""
    wanted, scale = _normalised(fixed, level.window)
    gradient = np.stack(np.gradient(fixed)) * (scale * cover)
    inverse = _inverse_systems(gradient, cover, level.stiffness)
    places = np.indices(fixed.shape, dtype=np.float32)
    turn, origin = to_voxel[:3, :3].astype(np.float32), to_voxel[:3, 3].astype(np.float32)
    for _ in range(level.iterations):
        source = _turned(turn, places + shift) + origin[:, None, None, None]
        warped, _ = _normalised(_sampled(moving, source, mode="constant"), level.window)
        left = (warped - wanted) * cover
        pull = [_smooth(part * left, NEIGHBOURHOOD_SD) for part in gradient]
        step = np.stack([sum(m * p for m, p in zip(row, pull, strict=True)) for row in inverse])
        length = np.sqrt((step * step).sum(axis=0))
        step *= LONGEST_STEP / np.maximum(length, LONGEST_STEP)
        step = np.stack([_smooth(part, 1.0) for part in step])
        before = places - step
        shift = np.stack([_sampled(part, before) for part in shift]) - step
    return shift


def _inverse_systems(
    gradient: np.ndarray, cover: np.ndarray, stiffness: float
) -> list[list[np.ndarray]]:
    """Rows of the inverse of each voxel's symmetric 3 x 3 system."""
    xx, yy, zz, xy, xz, yz = (
        _smooth(gradient[i] * gradient[j], NEIGHBOURHOOD_SD)
        for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    )
    least = np.float32(stiffness * np.median((xx + yy + zz)[cover > 0.5]))
    xx, yy, zz = xx + least, yy + least, zz + least
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    whole = 1 / (xx * a + xy * b + xz * c)
    a, b, c, d, e, f = (part * whole for part in (a, b, c, d, e, f))
    return [[a, b, c], [b, d, e], [c, e, f]]


def _on_grid(
    shift: np.ndarray, old: np.ndarray, shape: tuple[int, ...], new: np.ndarray
) -> np.ndarray:
    """A shift in voxels of a grid, on a parallel grid and in its voxels."""
    step = np.linalg.inv(old) @ new
    moved = [
        affine_transform(
            part, step[:3, :3], step[:3, 3], output_shape=shape, order=1, mode="nearest"
        )
        for part in shift
    ]
    return _turned(np.linalg.inv(step[:3, :3]), np.stack(moved))


def _continued(shift: np.ndarray, inside: np.ndarray, sd: float) -> np.ndarray:
    """A shift that is known inside a mask, smoothly going on and fading outside."""
    cover = _smooth(inside.astype(np.float32), 1.0)
    spread = _smooth(cover, sd) + 0.05
    return np.stack(
        [part * cover + (1 - cover) * _smooth(part * cover, sd) / spread for part in shift]
    )


def _inverse(shift: np.ndarray) -> np.ndarray:
    """The shift that leads back from x + shift(x) to x, both in voxels.

    Points are first thrown to where they go; from what arrives near a voxel Newton's steps start.
    """
    shape = shift.shape[1:]
    places = np.indices(shape, dtype=np.float32)
    target = np.rint(places + shift).astype(np.int32)
    within = np.all([(t >= 0) & (t < n) for t, n in zip(target, shape, strict=True)], axis=0)
    voxel = np.ravel_multi_index(tuple(target[:, within]), shape)

    def thrown(values: np.ndarray | None) -> np.ndarray:
        total = np.bincount(voxel, values, minlength=places[0].size).reshape(shape)
        return _smooth(total.astype(np.float32), 0.7)

    count = thrown(None)
    weight = count + np.float32(1e-3)
    back = np.stack(
        [np.where(count > 1e-3, thrown(-part[within]) / weight, -part) for part in shift]
    )
    matrices = _inverse_jacobian(shift)
    start = places + back
    matrices = [[_sampled(part, start) for part in row] for row in matrices]
    for _ in range(5):
        here = places + back
        left = back + np.stack([_sampled(part, here) for part in shift])
        step = np.stack([sum(m * p for m, p in zip(row, left, strict=True)) for row in matrices])
        length = np.sqrt((step * step).sum(axis=0))
        back = back - step * (1 / np.maximum(length, 1))
    return back


def _inverse_jacobian(shift: np.ndarray) -> list[list[np.ndarray]]:
    """Rows of the inverse of the Jacobian of x + shift(x)."""
    (a, b, c), (d, e, f), (g, h, i) = (np.gradient(part) for part in shift)
    a, e, i = a + 1, e + 1, i + 1
    first = [e * i - f * h, c * h - b * i, b * f - c * e]
    second = [f * g - d * i, a * i - c * g, c * d - a * f]
    third = [d * h - e * g, b * g - a * h, a * e - b * d]
    whole = a * first[0] + b * second[0] + c * third[0]
    scale = 1 / np.maximum(whole, 0.05)
    return [[part * scale for part in row] for row in (first, second, third)]
