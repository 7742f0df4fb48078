"""Each volume of a shell as the others predict it."""

from __future__ import annotations

import numpy as np

from commissure.dwi.gradients import Gradients, quadratic
from commissure.images.rigid import moved_volume

#: Largest influence of a volume on its own prediction up to which leaving it out is stable.
_LEVERAGE_MAX = 0.8


def predicted_volumes(
    stack: np.ndarray, affine: np.ndarray, gradients: Gradients, matrices: np.ndarray
) -> np.ndarray:
    """Predict each volume of a shell, on the reference grid, from the others.

    The logarithm of the signal is fitted by a quadratic form of the direction. Leaving a volume
    out of its own prediction has a closed form in the hat matrix, ``(Hy - hy) / (1 - h)``, so the
    whole shell is one matrix product. Shells with too few directions are predicted by the mean of
    the other volumes.

    Parameters
    ----------
    stack
        ``(x, y, z, volumes)`` of one shell, as acquired.
    affine
        4x4, voxel to mm.
    gradients
        Of these volumes, in the frame of the head.
    matrices
        ``(volumes, 4, 4)``: from the reference's world to that of each volume.

    Returns
    -------
    numpy.ndarray
        float32, like ``stack``.
    """
    count = stack.shape[3]
    aligned = np.stack(
        [moved_volume(stack[..., i], affine, matrices[i]) for i in range(count)], axis=3
    )
    design = quadratic(gradients.directions)
    hat = design @ np.linalg.pinv(design)
    leverage = np.diag(hat)
    if np.linalg.matrix_rank(design, tol=0.05) < 6 or leverage.max() > _LEVERAGE_MAX:
        others = (1 - np.eye(count)) / max(count - 1, 1)
        return aligned @ others.T.astype(np.float32)
    leave_out = (hat - np.diag(leverage)) / (1 - leverage)[:, None]
    # A dropout of nearly no signal would be minus infinity to the logarithm.
    # Interpolation leaves a few negative values in the air.
    floor = np.maximum(0.05 * aligned.mean(axis=3, keepdims=True), 1e-6)
    logs = np.log(np.maximum(aligned, floor))
    return np.exp(logs @ leave_out.T.astype(np.float32))
