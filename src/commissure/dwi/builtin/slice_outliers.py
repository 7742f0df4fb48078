"""Slices that are darker than the other volumes of their shell predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

#: Robust standard deviation of a normal sample over its median absolute deviation.
_SD_PER_MAD = 1.4826

#: Least share of its signal that a dark slice has lost.
_LOSS_MIN = 0.1


def excitations(metadata: Mapping[str, Any], slices: int) -> np.ndarray:
    """Which excitation each slice of a volume is from, ``(slices,)`` of int.

    With multiband several slices are excited together, and lost together. Taken from
    ``SliceTiming``, else from ``MultibandAccelerationFactor``; where neither is there, or they do
    not fit, every slice is its own.

    Parameters
    ----------
    metadata
        Sidecar of the series.
    slices
        Number of slices (third voxel axis).
    """
    times = metadata.get("SliceTiming")
    if isinstance(times, list) and len(times) == slices:
        return np.unique(np.round(np.array(times, float), 4), return_inverse=True)[1]
    factor = metadata.get("MultibandAccelerationFactor")
    if isinstance(factor, int | float) and factor > 1 and slices % int(factor) == 0:
        return np.arange(slices) % (slices // int(factor))
    return np.arange(slices)


def dark_slices(
    stack: np.ndarray,
    predicted: np.ndarray,
    mask: np.ndarray,
    *,
    limit_z: float,
    together: np.ndarray | None = None,
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
    together
        ``(slices,)``: the excitation of each slice. Slices of one are also judged by their joint
        signal, and are lost together.

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
    dark = _dark(measured, expected, enough, limit_z)
    if together is None or len(np.unique(together)) == len(together):
        return dark.T
    number = np.unique(together, return_inverse=True)[1]
    member = number == np.arange(number.max() + 1)[:, None]
    joint = _dark(
        (member * enough) @ measured, (member * enough) @ expected, (member @ enough) > 0, limit_z
    )
    return (dark | (joint[number] & enough[:, None])).T


def _dark(
    measured: np.ndarray, expected: np.ndarray, enough: np.ndarray, limit_z: float
) -> np.ndarray:
    """Which signals ``(slices, volumes)`` are far below what is expected."""
    if not enough.any():
        return np.zeros(measured.shape, bool)
    loss = (measured - expected) / np.maximum(expected, 1e-6)
    loss = loss - np.median(loss, axis=1, keepdims=True)
    loss[~enough] = 0
    spread = _SD_PER_MAD * np.median(np.abs(loss[enough]))
    return (loss < -limit_z * spread) & (loss < -_LOSS_MIN)
