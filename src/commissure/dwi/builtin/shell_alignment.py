"""Aligning the volumes of one shell to what the others predict for their direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commissure.dwi.builtin.eddy_currents import (
    linear_in_gradient,
    split_head_and_eddy,
    without_direction_bias,
)
from commissure.dwi.builtin.shell_joint import pose_size_mm
from commissure.dwi.builtin.slice_outliers import dark_slices
from commissure.dwi.builtin.volume_prediction import predicted_volumes
from commissure.dwi.gradients import Gradients
from commissure.images.rigid import RigidTarget, moved_volume, rigid_matrix, sheared_matrix

#: Fewest volumes of a shell from which eddy currents are found.
_EDDY_VOLUMES_MIN = 12

#: A round that moves volumes by less than this is the last; one that moves a volume by more than
#: that has lost it (sizes of poses, :func:`~commissure.dwi.builtin.shell_joint.pose_size_mm`).
_SETTLED_MM, _LOST_MM = 0.1, 25.0


@dataclass(frozen=True)
class ShellOptions:
    """How the volumes of a shell are aligned, as :mod:`~commissure.dwi.builtin.realign` says."""

    outlier_z: float
    passes: int
    move: bool
    phase: np.ndarray | None
    excitations: np.ndarray | None = None


@dataclass(frozen=True)
class AlignedShell:
    """The volumes of one shell, aligned among themselves.

    Attributes
    ----------
    series
        ``(x, y, z, volumes)`` as acquired, dark slices replaced by their prediction.
    poses
        ``(volumes, 6)``: where the head was, mm and radians.
    eddies
        ``(volumes, 4, 4)``: how eddy currents displaced each volume besides.
    dark
        ``(volumes, slices)`` of bool: dropouts.
    """

    series: np.ndarray
    poses: np.ndarray
    eddies: np.ndarray
    dark: np.ndarray


def aligned_shell(
    acquired: np.ndarray,
    affine: np.ndarray,
    gradients: Gradients,
    mask: np.ndarray,
    centre: np.ndarray,
    options: ShellOptions,
) -> AlignedShell:
    """Align the volumes of one shell, and find their dropouts.

    Parameters
    ----------
    acquired
        ``(x, y, z, volumes)`` of the shell.
    affine
        4x4, voxel to mm.
    gradients
        Of these volumes, in the world of the scanner.
    mask
        3-D brain mask.
    centre
        ``(3,)`` mm, about which poses turn.
    options
        How.
    """
    count = acquired.shape[3]
    phase = options.phase if count >= _EDDY_VOLUMES_MIN else None
    poses = np.zeros((count, 6 if phase is None else 9))
    if options.move:
        poses = _first_poses(acquired, affine, gradients, mask, phase)
    dark = np.zeros((count, acquired.shape[2]), bool)
    stack = acquired
    for _ in range(options.passes):
        heads = np.stack([rigid_matrix(pose[:6], centre) for pose in poses])
        matrices = heads
        if phase is not None:
            poses[:, 6:] = linear_in_gradient(poses[:, 6:], gradients.directions)
            matrices = np.stack([sheared_matrix(pose, centre, phase) for pose in poses])
        turned = gradients.turned(heads[:, :3, :3])
        predicted = predicted_volumes(stack, affine, turned, matrices)
        expected = _as_acquired(predicted, affine, matrices)
        # Looked for again in each round: dropouts darken the first predictions of their neighbours.
        dark = dark_slices(
            acquired,
            expected,
            mask,
            limit_z=options.outlier_z,
            together=options.excitations,
        )
        stack = acquired.copy()
        for i, k in np.argwhere(dark):
            stack[:, :, k, i] = expected[:, :, k, i]
        if not options.move:
            continue
        before = poses.copy()
        for i in range(count):
            target = RigidTarget(predicted[..., i], affine, mask, fwhm_mm=(6.0,), shear_along=phase)
            pose = target.pose(stack[..., i], initial=poses[i], robust=True)
            # A volume of little signal may send the search out of the image.
            if np.isfinite(pose).all() and pose_size_mm((pose - before[i])[:6]) < _LOST_MM:
                poses[i] = pose
        if np.median(pose_size_mm((poses - before)[:, :6])) < _SETTLED_MM:
            break
    if phase is None:
        return AlignedShell(stack, poses, np.tile(np.eye(4), (count, 1, 1)), dark)
    heads, eddies = split_head_and_eddy(poses, gradients.directions, centre, phase)
    return AlignedShell(stack, heads, eddies, dark)


def _first_poses(
    acquired: np.ndarray,
    affine: np.ndarray,
    gradients: Gradients,
    mask: np.ndarray,
    phase: np.ndarray | None,
) -> np.ndarray:
    """Poses against the median volume of the shell."""
    target = RigidTarget(np.median(acquired, axis=3), affine, mask, shear_along=phase)
    volumes = range(acquired.shape[3])
    poses = np.stack([target.pose(acquired[..., i], robust=True) for i in volumes])
    return without_direction_bias(poses, gradients.directions)


def _as_acquired(predicted: np.ndarray, affine: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Predictions on the reference grid, taken to where each volume was acquired."""
    return np.stack(
        [
            moved_volume(predicted[..., i], affine, np.linalg.inv(matrix))
            for i, matrix in enumerate(matrices)
        ],
        axis=3,
    )
