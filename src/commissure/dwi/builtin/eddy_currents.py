"""What follows the gradient from volume to volume, told from what the head does."""

from __future__ import annotations

import numpy as np

from commissure.dwi.gradients import quadratic
from commissure.images.rigid import sheared_matrix


def linear_in_gradient(values: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """The part of some parameters that is proportional to the gradient of each volume.

    Parameters
    ----------
    values
        ``(volumes, parameters)`` of one shell.
    directions
        ``(volumes, 3)`` unit vectors.

    Returns
    -------
    numpy.ndarray
        Like ``values``: a regression without intercept that outliers do not pull (iteratively
        reweighted, Huber).
    """
    return np.stack([directions @ _huber(directions, column) for column in values.T], axis=1)


def _huber(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    weight = np.ones(len(values))
    for _ in range(10):
        root = np.sqrt(weight)[:, None]
        slopes = np.linalg.lstsq(design * root, values * root[:, 0], rcond=None)[0]
        rest = np.abs(values - design @ slopes)
        cut = 1.345 * 1.4826 * np.median(rest) + 1e-12
        weight = np.minimum(1, cut / np.maximum(rest, 1e-12))
    return slopes


def split_head_and_eddy(
    poses: np.ndarray, directions: np.ndarray, centre: np.ndarray, phase: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Part where the head was from what eddy currents did.

    A displacement of the whole volume may be either; heads do not follow the gradient from volume
    to volume.

    Parameters
    ----------
    poses
        ``(volumes, 9)`` of one shell: mm, radians, and the stretch or shear of the phase encoding
        along each axis.
    directions
        ``(volumes, 3)`` unit vectors.
    centre
        ``(3,)`` mm, about which the poses turn.
    phase
        ``(3,)`` unit vector of the phase encoding.

    Returns
    -------
    poses : numpy.ndarray
        ``(volumes, 6)``: where the head was.
    eddies : numpy.ndarray
        ``(volumes, 4, 4)``: what eddy currents did.
    """
    shear = linear_in_gradient(poses[:, 6:], directions)
    place = poses[:, :3] @ phase
    offset = directions @ _huber(np.diff(directions, axis=0), np.diff(place))
    heads, eddies = [], []
    for pose, shear_terms, mm in zip(poses, shear, offset, strict=True):
        heads.append(np.append(pose[:3] - mm * phase, pose[3:6]))
        eddy = sheared_matrix(np.append(np.zeros(6), shear_terms), centre, phase)
        eddy[:3, 3] += mm * phase
        eddies.append(eddy)
    return np.stack(heads), np.stack(eddies)


def without_direction_bias(poses: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Take out of the poses what follows the gradient direction instead of time.

    Compared with a mean over directions, a volume seems displaced according to the fibres that its
    own direction darkens. This part is nearly a quadratic form of the direction and jumps with it
    from volume to volume, whereas heads drift. It is estimated from the volume-to-volume changes
    by regression that sudden true movements do not pull (iteratively reweighted, Huber).

    Parameters
    ----------
    poses
        ``(volumes, parameters)`` in the order of acquisition.
    directions
        ``(volumes, 3)`` unit vectors.

    Returns
    -------
    numpy.ndarray
        Like ``poses``, with a median of zero.
    """
    form = quadratic(directions)[:, 1:]
    steps = np.diff(form, axis=0)
    if len(poses) >= 3 * form.shape[1]:
        poses = poses.copy()
        for k in range(poses.shape[1]):
            poses[:, k] -= form @ _huber(steps, np.diff(poses[:, k]))
    return poses - np.median(poses, axis=0)
