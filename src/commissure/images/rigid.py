"""Rigid alignment of many like volumes to a reference: what BOLD and diffusion series share.

Six parameters describe where a head went: translations in mm, then rotations in radians about the
centre of the reference's mask, x, y, z of the world (RAS+). The matrix of a pose maps a point of
the reference to the place of the same tissue in the moved volume, so it is also the map that
resampling needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates
from scipy.optimize import minimize

from commissure.images.load import zooms_mm

#: Distance from the centre at which rotations are counted in mm.
ARM_MM = 50.0


def rigid_matrix(pose: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Turn six parameters into a 4x4 world-to-world matrix.

    Parameters
    ----------
    pose
        ``(6,)``: translations in mm and rotations in radians; the rotation is
        ``Rz @ Ry @ Rx``.
    centre
        ``(3,)``: the point that the rotation leaves where it is, in mm.
    """
    cx, cy, cz = np.cos(pose[3:])
    sx, sy, sz = np.sin(pose[3:])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y @ about_x
    matrix[:3, 3] = np.asarray(pose[:3]) + centre - matrix[:3, :3] @ centre
    return matrix


def rigid_pose(matrix: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Read the six parameters back from a rigid matrix (inverse of :func:`rigid_matrix`)."""
    rotation = matrix[:3, :3]
    return np.array(
        [
            *(matrix[:3, 3] - centre + rotation @ centre),
            np.arctan2(rotation[2, 1], rotation[2, 2]),
            -np.arcsin(np.clip(rotation[2, 0], -1, 1)),
            np.arctan2(rotation[1, 0], rotation[0, 0]),
        ]
    )


def searched_rigid(
    loss: Callable[[np.ndarray], float],
    start: np.ndarray,
    centre: np.ndarray,
    *,
    step_mm: float,
) -> tuple[np.ndarray, float]:
    """Look for the rigid map with the least loss near a start (Powell's method).

    Parameters
    ----------
    loss
        Of a 4x4 map, which it is given.
    start
        4x4; the movement that is looked for comes before it.
    centre
        ``(3,)``: the point that rotations leave where it is, in mm.
    step_mm
        First step along each of the six parameters; rotations count as arcs at :data:`ARM_MM`.

    Returns
    -------
    matrix : numpy.ndarray
        4x4.
    least : float
        Its loss.
    """

    def moved(parameters: np.ndarray) -> np.ndarray:
        pose = np.concatenate([parameters[:3], parameters[3:] / ARM_MM])
        return start @ rigid_matrix(pose, centre)

    result = minimize(
        lambda parameters: loss(moved(parameters)),
        np.zeros(6),
        method="Powell",
        options={"direc": np.eye(6) * step_mm, "xtol": 0.02, "ftol": 1e-4},
    )
    return moved(result.x), float(result.fun)


def sheared_matrix(pose: np.ndarray, centre: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Turn nine parameters into a 4x4 matrix: a rigid one, then displacement along one direction.

    Parameters
    ----------
    pose
        ``(9,)``: six as for :func:`rigid_matrix`, then the displacement in mm per mm from the
        centre along world x, y and z.
    centre
        ``(3,)``: the point that stays, in mm.
    along
        ``(3,)``: unit vector of the displacement, as the phase encoding.
    """
    shear = np.eye(4)
    shear[:3, :3] += np.outer(along, pose[6:])
    shear[:3, 3] = -along * (pose[6:] @ centre)
    return shear @ rigid_matrix(pose[:6], centre)


def sheared_pose(matrix: np.ndarray, centre: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Read the nine parameters back (inverse of :func:`sheared_matrix`).

    Of a matrix that is only nearly of that form, what lies across ``along`` is kept.
    """
    across = np.linalg.svd(along[None])[2][1:]
    if np.linalg.det(np.stack([*across, along])) < 0:
        across = across[::-1]
    first, second = across @ matrix[:3, :3]
    first = first / np.linalg.norm(first)
    second = second - (second @ first) * first
    second = second / np.linalg.norm(second)
    rigid = np.eye(4)
    rotation = np.stack([*across, along]).T @ np.stack([first, second, np.cross(first, second)])
    shear = along @ (matrix[:3, :3] - rotation) @ rotation.T
    moved = matrix[:3, :3] @ centre + matrix[:3, 3] - centre
    moved = moved - along * (shear @ moved) / (1 + shear @ along)
    rigid[:3, :3] = rotation
    rigid[:3, 3] = moved + centre - rotation @ centre
    return np.append(rigid_pose(rigid, centre), shear)


def framewise_displacement(poses: np.ndarray, *, radius_mm: float = 50.0) -> np.ndarray:
    """Sum of the absolute changes from volume to volume, rotations as arcs on a sphere.

    Parameters
    ----------
    poses
        ``(volumes, 6)``, mm and radians.
    radius_mm
        Radius of the sphere.

    Returns
    -------
    numpy.ndarray
        ``(volumes,)`` in mm; the first is 0.

    Notes
    -----
    Power JD et al., NeuroImage 59:2142-2154, 2012.
    """
    change = np.abs(np.diff(poses, axis=0, prepend=poses[:1]))
    return change[:, :3].sum(axis=1) + radius_mm * change[:, 3:].sum(axis=1)


class RigidTarget:
    """A reference volume made ready to find the pose of many volumes that look like it.

    Gauss-Newton on intensity differences, coarse to fine. The gradients are those of the
    reference and so are computed once; brightness and offset of a volume are fitted along with
    its pose.

    Parameters
    ----------
    reference
        3-D volume.
    affine
        Its 4x4 voxel-to-mm affine; the volumes lie on the same grid.
    mask
        Where the reference is compared, 3-D, nonzero inside.
    fwhm_mm
        Gaussian smoothing per level, coarse to fine; it sets how large a motion is caught
        (about the coarsest width) and how far noise is averaged.
    max_points
        At most about this many voxels are compared, picked evenly from the mask.
    shear_along
        ``(3,)`` unit vector. With it poses have nine parameters: volumes may also be displaced
        along it, linearly with place, as eddy currents do (:func:`sheared_matrix`).

    Notes
    -----
    The scheme is inverse-compositional: Baker S & Matthews I, Lucas-Kanade 20 years on, Int J
    Comput Vision 56:221-255, 2004.
    """

    def __init__(
        self,
        reference: np.ndarray,
        affine: np.ndarray,
        mask: np.ndarray,
        *,
        fwhm_mm: Sequence[float] = (12.0, 6.0),
        max_points: int = 8_000,
        shear_along: np.ndarray | None = None,
    ) -> None:
        self.along = shear_along
        self.affine = np.asarray(affine, dtype=float)
        self._inverse = np.linalg.inv(self.affine)
        voxels = np.argwhere(np.asarray(mask) > 0)
        if len(voxels) < 100:
            raise ValueError(f"{len(voxels)} voxels in the mask are too few to find six parameters")
        self.centre = self.affine[:3, :3] @ voxels.mean(axis=0) + self.affine[:3, 3]
        voxels = voxels[:: max(1, len(voxels) // max_points)]
        self._world = voxels @ self.affine[:3, :3].T + self.affine[:3, 3]
        self._levels = [self._level(reference, voxels, fwhm) for fwhm in fwhm_mm]

    def _level(
        self, reference: np.ndarray, voxels: np.ndarray, fwhm_mm: float
    ) -> tuple[float, np.ndarray, np.ndarray]:
        smooth = smoothed(reference, self.affine, fwhm_mm)
        index = tuple(voxels.T)
        slopes = np.stack([axis[index] for axis in np.gradient(smooth)], axis=1)
        gradient = slopes @ self._inverse[:3, :3]
        arm = self._world - self.centre
        values = smooth[index].astype(float)
        free = [gradient, np.cross(arm, gradient)]
        if self.along is not None:
            free.append((gradient @ self.along)[:, None] * arm)
        columns = np.column_stack([*free, values, np.ones(len(values))])
        return fwhm_mm, values, columns

    def matrix(self, pose: np.ndarray) -> np.ndarray:
        """4x4 from the reference's world to that of a volume with this pose."""
        if self.along is None:
            return rigid_matrix(pose, self.centre)
        return sheared_matrix(pose, self.centre, self.along)

    def pose(
        self,
        volume: np.ndarray,
        *,
        initial: np.ndarray | None = None,
        robust: bool = False,
        tolerance: float = 0.01,
        iterations: int = 30,
    ) -> np.ndarray:
        """Find where the head of ``volume`` lies relative to the reference.

        Parameters
        ----------
        volume
            3-D, on the reference's grid.
        initial
            Pose to start from.
        robust
            Weigh voxels down that differ by more than the rest do (Tukey's biweight), as in
            slices with signal dropout.
        tolerance
            Steps below this many mm (rotations as arcs at 50 mm) end a level.
        iterations
            Largest number of steps per level.

        Returns
        -------
        numpy.ndarray
            ``(6,)``: mm and radians; ``(9,)`` where volumes may be sheared.
        """
        count = 6 if self.along is None else 9
        matrix = self.matrix(np.zeros(count) if initial is None else initial)
        for fwhm_mm, values, columns in self._levels:
            smooth = smoothed(volume, self.affine, fwhm_mm)
            normal = columns.T @ columns
            brightness = columns[:, count:]
            solver = np.linalg.solve(normal[count:, count:], brightness.T)
            for _ in range(iterations):
                step = self._inverse @ matrix
                coordinates = step[:3, :3] @ self._world.T + step[:3, 3:]
                seen = map_coordinates(smooth, coordinates, order=1, mode="nearest")
                difference = seen - values
                if robust:
                    weight = _tukey(difference - brightness @ (solver @ difference))
                    weighted = columns * weight[:, None]
                    change = np.linalg.solve(columns.T @ weighted, weighted.T @ difference)
                else:
                    change = np.linalg.solve(normal, columns.T @ difference)
                matrix = matrix @ self.matrix(-change[:count])
                if np.abs(change[:3]).max() + 50 * np.abs(change[3:count]).max() < tolerance:
                    break
        if self.along is None:
            return rigid_pose(matrix, self.centre)
        return sheared_pose(matrix, self.centre, self.along)


def smoothed(volume: np.ndarray, affine: np.ndarray, fwhm_mm: float) -> np.ndarray:
    """Smooth a 3-D volume with a Gaussian of ``fwhm_mm`` (float32; 0 leaves it as it is)."""
    volume = np.asarray(volume, dtype=np.float32)
    if fwhm_mm <= 0:
        return volume
    sigma = fwhm_mm / 2.3548 / np.array(zooms_mm(affine))
    return gaussian_filter(volume, sigma, truncate=3.0)


def resample_pose(
    volume: np.ndarray,
    affine: np.ndarray,
    matrix: np.ndarray,
    shape: tuple[int, int, int],
    grid: np.ndarray,
    *,
    order: int = 3,
) -> np.ndarray:
    """Sample a moved volume on a grid of the reference's world, interpolating once.

    Parameters
    ----------
    volume, affine
        The volume as acquired, and its affine.
    matrix
        4x4, from the world of the grid to the world of the volume (chained as needed).
    shape, grid
        Shape and affine of the grid wanted.
    order
        Spline order.

    Returns
    -------
    numpy.ndarray
        float32; outside the field of view the nearest voxel is repeated.
    """
    step = np.linalg.inv(affine) @ matrix @ grid
    return affine_transform(
        np.asarray(volume, dtype=np.float32),
        step[:3, :3],
        step[:3, 3],
        output_shape=tuple(shape),
        order=order,
        mode="nearest",
    )


def moved_volume(volume: np.ndarray, affine: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Resample a volume (x, y, z) on its own grid (4x4 affine, mm), linearly.

    ``matrix`` (4x4, mm) leads from where a point is wanted to where the volume has it. What it
    stretches is thinned, so that the whole signal stays.
    """
    if np.array_equal(matrix, np.eye(4)):
        return volume
    moved = resample_pose(volume, affine, matrix, volume.shape, affine, order=1)
    return moved * np.float32(np.linalg.det(matrix[:3, :3]))


def _tukey(difference: np.ndarray, *, cut: float = 4.685) -> np.ndarray:
    spread = 1.4826 * np.median(np.abs(difference)) or 1.0
    return np.clip(1 - (difference / (cut * spread)) ** 2, 0, None) ** 2
