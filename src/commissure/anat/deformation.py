"""The smooth, invertible way from the template to a person, found on tissue maps.

Grey and white matter of the person are drawn onto the template's maps of the same tissues. The
deformation is the exponential of a stationary velocity field, so its inverse is the exponential of
the opposite field and nothing folds. Each step solves the linearised problem in a Gaussian window
around every point (Lucas and Kanade's normal equations), which takes a tenth of the steps that
smoothing pointwise demons forces takes.

References
----------
Vercauteren T et al., Symmetric log-domain diffeomorphic registration: a demons-based approach,
MICCAI 2008. Ashburner J, A fast diffeomorphic image registration algorithm, NeuroImage
38:95-113, 2007 (tissue maps as channels). Arsigny V et al., A log-Euclidean framework for
statistics on diffeomorphisms, MICCAI 2006 (scaling and squaring). Lucas BD, Kanade T, An iterative
image registration technique, IJCAI 1981.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np

#: How far beyond the template's brain the field reaches.
MARGIN_MM = 12.0

#: Variance that is added to the normal equations: where the maps are flat, nothing moves.
STIFFNESS = 2e-5

#: Longest step of one iteration.
STEP_MM = 3.0


@dataclass(frozen=True)
class Deformation:
    """A diffeomorphism of template space.

    Attributes
    ----------
    velocity
        (3, I, J, K) float32 mm (RAS+) on the grid of ``affine``.
    affine
        4x4, velocity voxel to template mm; no rotation.
    mismatch
        Mean squared difference of the tissue maps before each step.
    """

    velocity: np.ndarray
    affine: np.ndarray
    mismatch: tuple[float, ...]

    @property
    def spacing_mm(self) -> float:
        """Edge of the velocity voxels."""
        return float(self.affine[0, 0])

    def displacement(self) -> np.ndarray:
        """(3, I, J, K) mm: from a template point to the same tissue before the affine map."""
        return exponential(self.velocity, self.spacing_mm)

    def inverse_displacement(self) -> np.ndarray:
        """(3, I, J, K) mm: the way back."""
        return exponential(-self.velocity, self.spacing_mm)


def carried(
    maps: Sequence[nib.Nifti1Image],
    shape: tuple[int, int, int],
    affine: np.ndarray,
    deformation: Deformation,
    to_person: np.ndarray,
) -> np.ndarray:
    """Move maps of the template onto the grid of a person's image.

    Parameters
    ----------
    maps
        3-D, in template space, one grid.
    shape, affine
        The person's grid.
    deformation, to_person
        The way from the template to the person: first the deformation, then the 4x4 affine map.

    Returns
    -------
    numpy.ndarray
        (maps, X, Y, Z) float32, 0 outside of the maps.
    """
    from scipy.ndimage import map_coordinates

    inverse = deformation.inverse_displacement()
    to_template = (np.linalg.inv(to_person) @ affine).astype(np.float32)
    to_field = np.linalg.inv(deformation.affine).astype(np.float32)
    to_map = np.linalg.inv(maps[0].affine).astype(np.float32)
    sources = [np.asanyarray(m.dataobj, dtype=np.float32) for m in maps]
    result = np.empty((len(maps), *shape), np.float32)
    slab = max(1, 1_000_000 // (shape[1] * shape[2]))
    for first in range(0, shape[0], slab):
        voxel = np.indices((min(slab, shape[0] - first), *shape[1:]), dtype=np.float32)
        voxel[0] += first
        points = _mapped(to_template, voxel.reshape(3, -1))
        places = _mapped(to_field, points)
        points += [map_coordinates(f, places, order=1, mode="nearest") for f in inverse]
        places = _mapped(to_map, points)
        for source, moved in zip(sources, result, strict=True):
            part = map_coordinates(source, places, order=1)
            moved[first : first + slab] = part.reshape(voxel.shape[1:])
    return result


def _mapped(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return matrix[:3, :3] @ points + matrix[:3, 3:]


def still(resolution_mm: float, template_map: nib.Nifti1Image) -> Deformation:
    """The deformation that moves nothing, around the template's brain.

    Parameters
    ----------
    resolution_mm
        Voxel size of the maps that will be compared; the velocity grid has twice that spacing.
    template_map
        Gives the place of the brain (RAS+ without rotation).
    """
    inside = np.argwhere(np.asanyarray(template_map.dataobj) > 0)
    corners = nib.affines.apply_affine(template_map.affine, [inside.min(0), inside.max(0)])
    low, high = corners.min(axis=0) - MARGIN_MM, corners.max(axis=0) + MARGIN_MM
    spacing = 2 * resolution_mm
    shape = np.ceil((high - low) / spacing).astype(int) + 1
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = low
    return Deformation(np.zeros((3, *shape), np.float32), affine, ())


def straightened(
    fixed: Sequence[nib.Nifti1Image],
    moving: Sequence[nib.Nifti1Image],
    to_moving: np.ndarray,
    *,
    iterations: int = 12,
) -> np.ndarray:
    """Improve an affine map so that the person's tissue maps meet the template's.

    A head's affine map follows skull, neck and face as much as the brain; this one sees the brain.

    Parameters
    ----------
    fixed, moving
        Tissue maps of template and person, in the same order.
    to_moving
        4x4, template mm to person mm, to begin with.
    iterations
        Gauss-Newton steps.

    Returns
    -------
    numpy.ndarray
        4x4, template mm to person mm.
    """
    from scipy.ndimage import map_coordinates

    target = np.stack([np.asanyarray(m.dataobj, dtype=np.float32) for m in fixed])
    shape, grid = target.shape[1:], fixed[0].affine
    spacing = float(grid[0, 0])
    sources = [np.asanyarray(m.dataobj, dtype=np.float32) for m in moving]
    to_voxel = np.linalg.inv(moving[0].affine)
    points = _mapped(grid, np.indices(shape, dtype=float).reshape(3, -1))
    inside = target.reshape(len(target), -1).sum(axis=0) > 0.02
    centre = points[:, inside].mean(axis=1, keepdims=True)
    # Unknowns act on points scaled to about 1, so that one solve serves turns and shifts.
    arms = np.concatenate([(points - centre) / 50, np.ones((1, points.shape[1]))])
    slope_of_target = _gradients(target, spacing)
    matrix = np.asarray(to_moving, float)
    for _ in range(iterations):
        voxel = _mapped(to_voxel @ matrix, points)
        seen = np.stack([map_coordinates(s, voxel, order=1) for s in sources])
        warped = seen.reshape(target.shape).astype(np.float32)
        slope = 0.5 * (slope_of_target + _gradients(warped, spacing))
        used = (target.sum(axis=0) + warped.sum(axis=0) > 0.02).ravel()
        rows = np.einsum(
            "cip,jp->cijp", slope.reshape(len(target), 3, -1)[:, :, used], arms[:, used]
        ).reshape(len(target), 12, -1)
        difference = (target - warped).reshape(len(target), -1)[:, used]
        normal = np.einsum("cap,cbp->ab", rows, rows, optimize=True)
        right = np.einsum("cap,cp->a", rows, difference, optimize=True)
        step = np.linalg.solve(normal + 1e-6 * np.trace(normal) * np.eye(12), right).reshape(3, 4)
        change = np.eye(4)
        change[:3, :3] += step[:, :3] / 50
        change[:3, 3] = step[:, 3] - step[:, :3] / 50 @ centre[:, 0]
        matrix = matrix @ change
        if np.abs(step).max() < 0.02:
            break
    return matrix


def refined(
    start: Deformation,
    fixed: Sequence[nib.Nifti1Image],
    moving: Sequence[nib.Nifti1Image],
    to_moving: np.ndarray,
    *,
    factor: int,
    iterations: int,
    window_mm: float,
    field_sigma_mm: float,
) -> Deformation:
    """Improve a deformation so that the person's tissue maps meet the template's.

    Parameters
    ----------
    start
        Where to begin.
    fixed
        The template's tissue maps, 3-D.
    moving
        The person's, in the same order, one grid, about as coarse as the comparison will be.
    to_moving
        4x4, template mm to person mm.
    factor
        Points of comparison per velocity voxel and axis: 1 or 2.
    iterations
        How many steps.
    window_mm
        SD of the window in which a step is found.
    field_sigma_mm
        SD of the Gaussian that smooths the whole field after each step.
    """
    from scipy.ndimage import binary_dilation, gaussian_filter, map_coordinates

    from commissure.images.grid import resample_to

    spacing = start.spacing_mm / factor
    coarse = start.velocity.shape[1:]
    shape = tuple(n * factor for n in coarse)
    grid = np.diag([spacing, spacing, spacing, 1.0])
    grid[:3, 3] = start.affine[:3, 3] - (factor - 1) / 2 * spacing
    target = np.stack([resample_to(m, shape, grid) for m in fixed])
    compared = np.flatnonzero(binary_dilation(target.sum(axis=0) > 0.02, iterations=3))
    sources = [np.asanyarray(m.dataobj, dtype=np.float32) for m in moving]
    voxel_mm = (np.linalg.inv(moving[0].affine) @ to_moving).astype(np.float32)
    points = np.stack(np.unravel_index(compared, shape)).astype(np.float32) * np.float32(spacing)
    points += grid[:3, 3:].astype(np.float32)
    slope_of_target = _gradients(target, spacing)
    known = target.reshape(len(target), -1)[:, compared]
    refine = [_doubling(n) if factor == 2 else None for n in coarse]

    velocity, mismatch = start.velocity, []
    warped = np.zeros_like(target)
    difference = np.zeros_like(target)
    for _ in range(iterations):
        flow = exponential(velocity, start.spacing_mm)
        flow = np.stack([_upsampled(f, refine) for f in flow]).reshape(3, -1)[:, compared]
        voxel = voxel_mm[:3, :3] @ (points + flow) + voxel_mm[:3, 3:]
        seen = np.stack([map_coordinates(s, voxel, order=1) for s in sources])
        warped.reshape(len(target), -1)[:, compared] = seen
        difference.reshape(len(target), -1)[:, compared] = known - seen
        mismatch.append(float(((known - seen) ** 2).mean()))
        slope = 0.5 * (slope_of_target + _gradients(warped, spacing))
        step = _window_step(difference, slope, factor, window_mm / start.spacing_mm)
        velocity = velocity + step
        if field_sigma_mm:
            sigma = field_sigma_mm / start.spacing_mm
            velocity = np.stack([gaussian_filter(v, sigma) for v in velocity])
    return Deformation(velocity, start.affine, (*start.mismatch, *mismatch))


def exponential(velocity: np.ndarray, spacing_mm: float, *, squarings: int = 4) -> np.ndarray:
    """Displacement (3, I, J, K), mm, of the flow of a stationary velocity field after unit time."""
    from scipy.ndimage import map_coordinates

    flow = velocity / np.float32(2**squarings)
    place = np.indices(velocity.shape[1:], dtype=np.float32)
    for _ in range(squarings):
        there = place + flow / np.float32(spacing_mm)
        flow = flow + np.stack([map_coordinates(f, there, order=1, mode="nearest") for f in flow])
    return flow


def jacobian_determinant(displacement: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Local volume change (I, J, K) of a displacement (3, I, J, K) in mm."""
    rows = [np.gradient(part, spacing_mm) for part in displacement]
    matrix = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2) + np.eye(3)
    return np.linalg.det(matrix)


def _window_step(
    difference: np.ndarray, slope: np.ndarray, factor: int, sigma: float
) -> np.ndarray:
    """Solve the 3x3 normal equations of each velocity voxel in a Gaussian window."""
    from scipy.ndimage import gaussian_filter

    def pooled(product: np.ndarray) -> np.ndarray:
        return gaussian_filter(_block_means(product, factor), sigma, mode="constant")

    right = [pooled((difference * slope[:, i]).sum(axis=0)) for i in range(3)]
    pairs = {
        (i, j): pooled((slope[:, i] * slope[:, j]).sum(axis=0))
        for i in range(3)
        for j in range(i, 3)
    }
    trace = pairs[0, 0] + pairs[1, 1] + pairs[2, 2]
    for i in range(3):
        pairs[i, i] = pairs[i, i] + STIFFNESS + 0.05 * trace
    a, b, c = pairs[0, 0], pairs[0, 1], pairs[0, 2]
    d, e, f = pairs[1, 1], pairs[1, 2], pairs[2, 2]
    adjugate = (
        (d * f - e * e, c * e - b * f, b * e - c * d),
        (c * e - b * f, a * f - c * c, b * c - a * e),
        (b * e - c * d, b * c - a * e, a * d - b * b),
    )
    determinant = a * adjugate[0][0] + b * adjugate[0][1] + c * adjugate[0][2]
    step = np.stack([sum(row[k] * right[k] for k in range(3)) / determinant for row in adjugate])
    length = np.sqrt((step**2).sum(axis=0))
    return step * np.minimum(1, STEP_MM / np.maximum(length, 1e-6)).astype(np.float32)


def _block_means(values: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return values
    x, y, z = (n // factor for n in values.shape)
    return values.reshape(x, factor, y, factor, z, factor).mean(axis=(1, 3, 5))


def _doubling(n: int) -> np.ndarray:
    """(2n, n) matrix of linear interpolation from n voxel centres to 2n in the same space."""
    place = np.clip((np.arange(2 * n) - 0.5) / 2, 0, n - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(n))).astype(np.float32)


def _upsampled(values: np.ndarray, matrices: Sequence[np.ndarray | None]) -> np.ndarray:
    for axis, matrix in enumerate(matrices):
        if matrix is not None:
            values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return values


def _gradients(maps: np.ndarray, spacing_mm: float) -> np.ndarray:
    """(channels, 3, X, Y, Z): derivative of each map along each axis, per mm."""
    result = np.zeros((len(maps), 3, *maps.shape[1:]), np.float32)
    scale = np.float32(0.5 / spacing_mm)
    result[:, 0, 1:-1] = (maps[:, 2:] - maps[:, :-2]) * scale
    result[:, 1, :, 1:-1] = (maps[:, :, 2:] - maps[:, :, :-2]) * scale
    result[:, 2, :, :, 1:-1] = (maps[:, :, :, 2:] - maps[:, :, :, :-2]) * scale
    return result
