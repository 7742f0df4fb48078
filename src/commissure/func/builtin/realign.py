"""Rigid realignment of a 4-D series: inverse-compositional Gauss-Newton on intensity differences.

The derivatives of the reference and the inverse of its normal matrix are computed once per level;
each step of each volume then costs one interpolation and one small matrix product (Baker S,
Matthews I, Lucas-Kanade 20 years on, Int J Comput Vis 56:221-255, 2004).

Raw voxels are used as cubic B-spline coefficients. What is compared is thus the image smoothed by
the B-spline kernel (FWHM 1.4 voxels), which is known exactly between voxels: no prefilter is
needed, and no preference for whole-voxel shifts remains, the usual bias of linear interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import affine_transform, correlate1d, map_coordinates

from commissure.images.grid import block_affine, fast_block_means
from commissure.images.rigid import rigid_matrix, rigid_pose

_SMOOTH = np.array([1.0, 4.0, 1.0]) / 6.0
_SLOPE = np.array([-0.5, 0.0, 0.5])


#: A point is lost that differs by more than so many (robust) standard deviations; a volume with a
#: larger share of such points is laid on the reference once more without them.
LOST_DEVIATIONS, LOST_SHARE = 5.0, 0.01


@dataclass(frozen=True)
class Motion:
    """Rigid movement of the head in every volume of a series.

    Attributes
    ----------
    parameters
        Shape (T, 6): translations along x, y, z in mm, then rotations about x, y, z in radians,
        in the axes of the scanner (RAS+).
    centre_mm
        Point about which is rotated, shape (3,), in mm.

    Notes
    -----
    A point of the head that lies at ``x`` in the reference lies at ``R (x - c) + c + d`` in volume
    t, with ``d`` the translations, ``c`` the centre and ``R = Rz Ry Rx``.
    """

    parameters: np.ndarray
    centre_mm: np.ndarray

    def matrices(self) -> np.ndarray:
        """4x4 matrices from reference to volume, in mm, shape (T, 4, 4)."""
        return np.stack([rigid_matrix(row, self.centre_mm) for row in self.parameters])


def realign(
    series: np.ndarray,
    affine: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    first: int = 0,
    max_points: int = 16_000,
    max_steps: int = 12,
    tolerance_mm: float = 1e-3,
) -> Motion:
    """Estimate the rigid movement of every volume.

    First every volume is laid on the middle one at coarse resolution, each starting from its
    neighbour's answer; then on the mean of the realigned volumes at full resolution.

    Parameters
    ----------
    series
        Shape (X, Y, Z, T), any intensity unit; a gain that varies smoothly over space (second
        order) is fitted along with every volume.
    affine
        4x4, voxel to mm.
    mask
        Shape (X, Y, Z); the comparison looks only where it is nonzero. Without it, everywhere.
    first
        Volumes before this one are realigned and are not in the mean.
    max_points
        At full resolution at most so many voxels are compared: those of the strongest edges.
    max_steps
        Gauss-Newton steps per level at most.
    tolerance_mm
        A volume is done when a step moves no point 50 mm from the centre by more than this.

    Returns
    -------
    Motion
        Relative to the middle volume's head position, up to the small shift of the mean image.

    Notes
    -----
    Deterministic. Memory beyond the series itself: a few volumes.
    """
    affine = np.asarray(affine, dtype=float)
    shape, count = series.shape[:3], series.shape[3]
    centre = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    weight = np.ones(shape, np.float32) if mask is None else np.asarray(mask, np.float32)
    middle = count // 2

    reference = _volume(series, middle)
    coarse = [_Level(reference, weight, affine, centre, block, max_points) for block in (4, 2)]
    matrices = np.tile(np.eye(4), (count, 1, 1))
    for order in (range(middle, count), range(middle - 1, -1, -1)):
        start = np.eye(4)
        for t in order:
            volume = _volume(series, t)
            for level in coarse:
                start = level.aligned(volume, start, max_steps, tolerance_mm)
            matrices[t] = start

    rough = Motion(np.stack([rigid_pose(m, centre) for m in matrices]), centre)
    reference = mean_volume(series, affine, rough, volumes=16, first=first)
    fine = _Level(reference, weight, affine, centre, 1, max_points)
    parameters = np.empty((count, 6))
    for t in range(count):
        matrix = fine.aligned(_volume(series, t), matrices[t], max_steps, tolerance_mm)
        parameters[t] = rigid_pose(matrix, centre)
    return Motion(parameters, centre)


def mean_volume(
    series: np.ndarray,
    affine: np.ndarray,
    motion: Motion,
    *,
    volumes: int = 32,
    first: int = 0,
) -> np.ndarray:
    """Mean of realigned volumes on the series' own grid.

    Parameters
    ----------
    series, affine
        Shape (X, Y, Z, T) and its voxel-to-mm matrix.
    motion
        Movement of every volume.
    volumes
        At most so many volumes, evenly spaced in time, are averaged (cubic spline).
    first
        The first that may be among them.

    Returns
    -------
    numpy.ndarray
        float32, shape (X, Y, Z).
    """
    count = series.shape[3]
    spaced = np.linspace(first, count - 1, min(volumes, count - first))
    chosen = np.unique(spaced.round().astype(int))
    inverse = np.linalg.inv(affine)
    total = np.zeros(series.shape[:3])
    for t in chosen:
        step = inverse @ rigid_matrix(motion.parameters[t], motion.centre_mm) @ affine
        total += affine_transform(
            _volume(series, t), step[:3, :3], step[:3, 3], order=3, mode="nearest"
        )
    return (total / len(chosen)).astype(np.float32)


def _volume(series: np.ndarray, t: int) -> np.ndarray:
    return np.ascontiguousarray(series[..., t], dtype=np.float32)


class _Level:
    """The reference at one resolution, with all that can be computed before a volume is seen."""

    def __init__(
        self,
        reference: np.ndarray,
        weight: np.ndarray,
        affine: np.ndarray,
        centre: np.ndarray,
        block: int,
        max_points: int,
    ) -> None:
        # A thin axis is left as it is: four slices of blocks hold no edge to align to.
        self.blocks = tuple(block if n >= 8 * block else 1 for n in reference.shape)
        image = fast_block_means(reference, self.blocks)
        self.affine = affine @ block_affine(self.blocks)
        self.inverse = np.linalg.inv(self.affine)
        self.centre = centre

        def filtered(kernels: tuple[np.ndarray, ...]) -> np.ndarray:
            result = image
            for axis, kernel in enumerate(kernels):
                result = correlate1d(result, kernel, axis=axis, mode="nearest")
            return result

        smooth = filtered((_SMOOTH, _SMOOTH, _SMOOTH))
        slopes = np.stack(
            [
                filtered(tuple(_SLOPE if along == axis else _SMOOTH for along in range(3)))
                for axis in range(3)
            ],
            axis=-1,
        )
        inside = fast_block_means(weight, self.blocks) > 0.5
        for axis in range(3):
            # What leaves the field of view with a movement has no partner in the volume.
            edge = [slice(None)] * 3
            for end in (slice(0, 1), slice(-1, None)):
                edge[axis] = end
                inside[tuple(edge)] = False
        if not inside.any():  # A mask of less than a block: everything is compared.
            inside[1:-1, 1:-1, 1:-1] = True
        index = np.argwhere(inside)
        gradient = slopes[inside] @ np.linalg.inv(self.affine[:3, :3])
        if len(index) > max_points:
            strength = (gradient**2).sum(axis=1)
            keep = np.sort(np.argpartition(-strength, max_points)[:max_points])
            index, gradient = index[keep], gradient[keep]
        points = index @ self.affine[:3, :3].T + self.affine[:3, 3]
        self.points = np.ascontiguousarray(points.T)
        self.values = smooth[tuple(index.T)].astype(float)
        arm = points - centre
        # Coil sensitivity and breathing change brightness smoothly over space; where that is not
        # fitted along, it passes for movement.
        fields = _quadratic_fields(arm / np.abs(arm).max())
        jacobian = np.column_stack(
            [gradient, np.cross(arm, gradient), self.values[:, None] * fields]
        )
        self.jacobian = jacobian
        self.step = np.linalg.pinv(jacobian.T @ jacobian) @ jacobian.T

    def aligned(
        self, volume: np.ndarray, start: np.ndarray, max_steps: int, tolerance_mm: float
    ) -> np.ndarray:
        """Matrix from reference to volume (4x4, mm) that makes the two most alike."""
        image = fast_block_means(volume, self.blocks)
        matrix, kept = start, None
        for _ in range(max_steps):
            to_voxel = self.inverse @ matrix
            where = np.ascontiguousarray(to_voxel[:3, :3]) @ self.points + to_voxel[:3, 3:]
            moved = map_coordinates(
                image, where, order=3, prefilter=False, mode="nearest", output=float
            )
            gain = (moved @ self.values) / (self.values @ self.values)
            difference = moved / gain - self.values
            update = self._update(difference, kept)
            matrix = matrix @ np.linalg.inv(rigid_matrix(update[:6], self.centre))
            if np.abs(update[:3]).max() + 50 * np.abs(update[3:6]).max() >= tolerance_mm:
                continue
            # A slice that lost its signal pulls the whole volume along.
            if kept is not None or (kept := self._without_lost(difference, update)) is None:
                break
        return matrix

    def _update(self, difference: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
        """The step that explains a difference, by all points or by those kept."""
        if kept is None:
            return self.step @ difference
        return np.linalg.lstsq(self.jacobian[kept], difference[kept], rcond=None)[0]

    def _without_lost(self, difference: np.ndarray, update: np.ndarray) -> np.ndarray | None:
        """The points that are no outliers; None where there are no more than noise has."""
        left = np.abs(difference - self.jacobian @ update)
        kept = left < LOST_DEVIATIONS * 1.4826 * np.median(left)
        return kept if kept.mean() < 1 - LOST_SHARE else None


def _quadratic_fields(places: np.ndarray) -> np.ndarray:
    x, y, z = places.T
    return np.column_stack([np.ones(len(x)), x, y, z, x * x, y * y, z * z, x * y, y * z, x * z])
