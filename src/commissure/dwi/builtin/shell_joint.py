"""How a shell is joined to the volumes already placed."""

from __future__ import annotations

import numpy as np

from commissure.images.rigid import rigid_pose


def joint_pose(
    matrices: np.ndarray,
    placed: np.ndarray,
    members: np.ndarray,
    by_contrast: np.ndarray,
    centre: np.ndarray,
    *,
    contrast_error_mm: float,
) -> np.ndarray:
    """Pose that joins a shell to the placed volumes, by what contrasts say and by continuity.

    Continuity is as precise as the head was still: the median step within the shell. But heads
    jump, and then one joint is far off: the likelihood is Gaussian for the contrasts and Cauchy's
    for the joints, and the best of the maxima found from each of them is taken.

    Parameters
    ----------
    matrices
        ``(volumes, 4, 4)``: where the head was.
    placed, members
        Indices of the volumes already placed, and of those of the shell.
    by_contrast
        ``(6,)``: the pose that registration of the shell's mean found.
    centre
        ``(3,)`` mm, about which poses turn.
    contrast_error_mm
        Error of ``by_contrast``.

    Returns
    -------
    numpy.ndarray
        ``(6,)``; ``by_contrast`` where no volume of the shell follows another.
    """
    joints = _steps(matrices, placed, members, centre)
    inside = _steps(matrices, members, members, centre)
    if not len(joints) or not len(inside):
        return by_contrast
    restless_mm = max(float(np.median(pose_size_mm(inside))), 1e-3)
    best, lowest = by_contrast, np.inf
    for pose in (by_contrast, *joints):
        for _ in range(30):
            weight = 2 / (restless_mm**2 + pose_size_mm(joints - pose) ** 2)
            total = weight @ joints + by_contrast / contrast_error_mm**2
            pose = total / (weight.sum() + 1 / contrast_error_mm**2)
        cost = float((pose_size_mm(by_contrast - pose) / contrast_error_mm) ** 2 / 2)
        cost += float(np.log1p((pose_size_mm(joints - pose) / restless_mm) ** 2).sum())
        if cost < lowest:
            best, lowest = pose, cost
    return best


def _steps(
    matrices: np.ndarray, these: np.ndarray, those: np.ndarray, centre: np.ndarray
) -> np.ndarray:
    """Poses between volumes of two sets that follow each other, ``(pairs, 6)``."""
    pairs = [(i, j) for i in these for j in those if abs(int(i) - int(j)) == 1]
    steps = [rigid_pose(np.linalg.inv(matrices[j]) @ matrices[i], centre) for i, j in pairs]
    return np.array(steps).reshape(-1, 6)


def pose_size_mm(poses: np.ndarray) -> np.ndarray:
    """Size of poses ``(..., 6)``: absolute translations, and rotations as arcs at 50 mm, added."""
    return np.abs(poses[..., :3]).sum(axis=-1) + 50 * np.abs(poses[..., 3:]).sum(axis=-1)
