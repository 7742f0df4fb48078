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
from scipy.ndimage import affine_transform, correlate1d, map_coordinates, median_filter

from commissure.images.grid import block_affine, fast_block_means
from commissure.images.rigid import rigid_matrix, rigid_pose

_SMOOTH = np.array([1.0, 4.0, 1.0]) / 6.0
_SLOPE = np.array([-0.5, 0.0, 0.5])


#: A point is lost that differs by more than so many (robust) standard deviations; a volume with a
#: larger share of such points is laid on the reference once more without them.
LOST_DEVIATIONS, LOST_SHARE = 5.0, 0.01

#: A slice is lost whose signal differs from what the other slices tell by more than this share, and
#: by more than so many robust standard deviations of the slices.
SLICE_SHARE, SLICE_DEVIATIONS = 0.04, 5.0

#: A slice of fewer points than this says nothing of itself.
_SLICE_POINTS = 20

#: Where lost slices would leave a smaller share of the points, they all count.
LEAST_KEPT = 0.25

#: Volumes and slices over which medians tell what a slice's signal should be.
_TIME_WINDOW, _SLICE_WINDOW = 7, 9

#: So often the lost slices are looked for again, now that the volume lies better.
_SLICE_SEARCHES = 4

#: Cubic B-splines reach so many slices far.
_SPLINE_REACH = 2.0


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
    slice_axis: int = 2,
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
    slice_axis
        Axis of the grid along which slices were acquired: what is lost is lost by slices.
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
    lost = lost_slices(series, weight, slice_axis)
    whole = np.flatnonzero(~lost.any(axis=0))
    if len(whole) < (count - first) / 2:
        whole = np.arange(count)
    middle = int(whole[np.argmin(np.abs(whole - count // 2))])

    reference = _volume(series, middle)
    coarse = [
        _Level(reference, weight, affine, centre, block, max_points, slice_axis) for block in (4, 2)
    ]
    matrices = np.tile(np.eye(4), (count, 1, 1))
    for order in (range(middle, count), range(middle - 1, -1, -1)):
        start = np.eye(4)
        for t in order:
            volume = _volume(series, t)
            for level in coarse:
                start = level.aligned(volume, start, max_steps, tolerance_mm, lost[:, t])
            matrices[t] = start

    rough = Motion(np.stack([rigid_pose(m, centre) for m in matrices]), centre)
    chosen = whole[whole >= first]
    reference = mean_volume(series, affine, rough, volumes=16, among=chosen)
    fine = _Level(reference, weight, affine, centre, 1, max_points, slice_axis)
    parameters = np.empty((count, 6))
    for t in range(count):
        volume = _volume(series, t)
        matrix = fine.aligned(volume, matrices[t], max_steps, tolerance_mm, lost[:, t])
        parameters[t] = rigid_pose(matrix, centre)
    return Motion(parameters, centre)


def mean_volume(
    series: np.ndarray,
    affine: np.ndarray,
    motion: Motion,
    *,
    volumes: int = 32,
    among: np.ndarray | None = None,
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
    among
        Places of the volumes that may be among them, ascending; None: all.

    Returns
    -------
    numpy.ndarray
        float32, shape (X, Y, Z).
    """
    among = np.arange(series.shape[3]) if among is None else among
    spaced = np.linspace(0, len(among) - 1, min(volumes, len(among)))
    chosen = among[np.unique(spaced.round().astype(int))]
    inverse = np.linalg.inv(affine)
    total = np.zeros(series.shape[:3])
    for t in chosen:
        step = inverse @ rigid_matrix(motion.parameters[t], motion.centre_mm) @ affine
        total += affine_transform(
            _volume(series, t), step[:3, :3], step[:3, 3], order=3, mode="nearest"
        )
    return (total / len(chosen)).astype(np.float32)


def lost_slices(series: np.ndarray, weight: np.ndarray, slice_axis: int = 2) -> np.ndarray:
    """Slices that are darker or brighter than time and their neighbours tell.

    Parameters
    ----------
    series, weight
        Shape (X, Y, Z, T), and (X, Y, Z): nonzero where to look.
    slice_axis
        Axis of the grid along which slices were acquired.

    Returns
    -------
    numpy.ndarray
        Boolean, shape (S, T), S slices. Some of a volume in which the head jumps can pass for lost.
    """
    across = tuple(axis for axis in range(3) if axis != slice_axis)
    means = np.stack(
        [(_volume(series, t) * weight).sum(axis=across) for t in range(series.shape[3])], axis=1
    )
    bright = means.mean(axis=1) > 0.25 * means.mean(axis=1).max()
    course = np.log(np.maximum(means, 1e-6 * means.max()))[bright]
    course -= median_filter(course, size=(1, _TIME_WINDOW), mode="nearest")
    course -= median_filter(course, size=(_SLICE_WINDOW, 1), mode="nearest")
    size = np.abs(course)
    lost = np.zeros(means.shape, bool)
    lost[bright] = size > max(SLICE_SHARE, SLICE_DEVIATIONS * float(np.median(size.max(axis=0))))
    return lost


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
        slice_axis: int,
    ) -> None:
        self.slice_axis = slice_axis
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
        self,
        volume: np.ndarray,
        start: np.ndarray,
        max_steps: int,
        tolerance_mm: float,
        lost: np.ndarray,
    ) -> np.ndarray:
        """Matrix from reference to volume (4x4, mm) that makes the two most alike.

        Slices that are thought to be ``lost`` (boolean, one for each slice of the volume) are left
        out at first in a second attempt; the one counts after which less of the difference is left.
        """
        image = fast_block_means(volume, self.blocks)
        attempts = [np.empty(0, int), np.flatnonzero(lost)] if lost.any() else [np.empty(0, int)]
        results = [self._descended(image, start, max_steps, tolerance_mm, out) for out in attempts]
        return min(results, key=lambda result: result[1])[0]

    def _descended(
        self,
        image: np.ndarray,
        start: np.ndarray,
        max_steps: int,
        tolerance_mm: float,
        lost: np.ndarray,
    ) -> tuple[np.ndarray, float]:
        """The matrix where Gauss-Newton steps end, and the median of what is left there."""
        matrix, kept, searches, median = start, None, 0, np.inf
        for step in range(max_steps * _SLICE_SEARCHES):
            to_voxel = self.inverse @ matrix
            where = np.ascontiguousarray(to_voxel[:3, :3]) @ self.points + to_voxel[:3, 3:]
            moved = map_coordinates(
                image, where, order=3, prefilter=False, mode="nearest", output=float
            )
            if step == 0:
                kept = self._beside(lost, where)
            difference = moved / _gain(moved, self.values, kept) - self.values
            update = self._update(difference, kept)
            matrix = matrix @ np.linalg.inv(rigid_matrix(update[:6], self.centre))
            left = difference - self.jacobian @ update
            median = float(np.median(np.abs(left)))
            if np.abs(update[:3]).max() + 50 * np.abs(update[3:6]).max() >= tolerance_mm:
                if searches == 0 and step >= max_steps - 1:
                    break
                continue
            # A slice that lost its signal pulls the whole volume along.
            before, lost = lost, self._lost(left, where)
            searches += 1
            if searches == _SLICE_SEARCHES or (searches > 1 and np.array_equal(before, lost)):
                break
            kept = self._without_lost(left, median, where, lost)
            if kept is None and not len(before):
                break
        return matrix, median

    def _update(self, difference: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
        """The step that explains a difference, by all points or by those kept."""
        if kept is None:
            return self.step @ difference
        jacobian = self.jacobian[kept]
        return np.linalg.pinv(jacobian.T @ jacobian) @ (jacobian.T @ difference[kept])

    def _without_lost(
        self, left: np.ndarray, median: float, where: np.ndarray, lost: np.ndarray
    ) -> np.ndarray | None:
        """The points that are no outliers; None where there are no more than noise has."""
        kept = np.abs(left) < LOST_DEVIATIONS * 1.4826 * median
        beside = self._beside(lost, where)
        if beside is not None:
            kept &= beside
        return kept if kept.mean() < 1 - LOST_SHARE else None

    def _lost(self, left: np.ndarray, where: np.ndarray) -> np.ndarray:
        """Lost slices of the volume by what is left of the difference: their places."""
        if self.blocks[self.slice_axis] > 1:
            return np.empty(0, int)
        own = np.maximum(np.rint(where[self.slice_axis]).astype(int), 0)
        judged = np.flatnonzero(np.bincount(own) >= _SLICE_POINTS)
        if len(judged) < 4:
            return np.empty(0, int)
        power = np.bincount(own, self.values**2)[judged]
        share = np.bincount(own, left * self.values)[judged] / power
        share = np.abs(share - np.median(share))
        limit = max(SLICE_SHARE, SLICE_DEVIATIONS * 1.4826 * float(np.median(share)))
        return np.asarray(judged[share > limit])

    def _beside(self, lost: np.ndarray, where: np.ndarray) -> np.ndarray | None:
        """Points that no lost slice reaches; None where there are none, or too few are left."""
        if not len(lost):
            return None
        block = self.blocks[self.slice_axis]
        places = (lost + 0.5) / block - 0.5
        apart = np.abs(where[self.slice_axis][:, None] - places)
        kept = apart.min(axis=1) >= _SPLINE_REACH
        return kept if kept.mean() > LEAST_KEPT else None


def _gain(moved: np.ndarray, values: np.ndarray, kept: np.ndarray | None) -> float:
    """By how much the volume is brighter than the reference, by all points or by those kept."""
    if kept is not None:
        moved, values = moved[kept], values[kept]
    return float((moved @ values) / (values @ values))


def _quadratic_fields(places: np.ndarray) -> np.ndarray:
    x, y, z = places.T
    return np.column_stack([np.ones(len(x)), x, y, z, x * x, y * y, z * z, x * y, y * z, x * z])
