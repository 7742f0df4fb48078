"""Slices that are darker than the other volumes of their shell predict."""

from __future__ import annotations

import numpy as np

#: Robust standard deviation of a normal sample over its median absolute deviation.
_SD_PER_MAD = 1.4826

#: Least share of its signal that a dark slice has lost.
_LOSS_MIN = 0.1


def dark_slices(
    stack: np.ndarray, predicted: np.ndarray, mask: np.ndarray, *, limit_z: float
) -> np.ndarray:
    """Find slices whose signal is far below its prediction.

    Parameters
    ----------
    stack, predicted
        ``(x, y, z, volumes)`` of one shell, as acquired and as predicted in the same place.
    mask
        3-D brain mask.
    limit_z
        A slice is dark whose relative loss of signal is more than this many robust standard
        deviations (from the median absolute deviation over all slices of all volumes) and at
        least a tenth.

    Returns
    -------
    numpy.ndarray
        ``(volumes, slices)`` of bool.
    """
    inside = (np.asarray(mask) > 0)[..., None]
    area = inside.sum(axis=(0, 1))[:, 0]
    # The ends of the brain leave the field of view or the mask with the slightest nod.
    enough = area >= max(40, 0.25 * area.max())
    measured = np.sum(stack, axis=(0, 1), where=inside, dtype=float)
    expected = np.sum(predicted, axis=(0, 1), where=inside, dtype=float)
    loss = (measured - expected) / np.maximum(expected, 1e-6)
    loss = loss - np.median(loss, axis=1, keepdims=True)
    loss[~enough] = 0
    if not enough.any():
        return np.zeros(loss.T.shape, bool)
    spread = _SD_PER_MAD * np.median(np.abs(loss[enough]))
    return ((loss < -limit_z * spread) & (loss < -_LOSS_MIN)).T
