"""Gibbs ringing, removed by subvoxel shifts, and the series that this cannot be asked of.

DIPY's ``gibbs_removal`` does the same for whole volumes. Here lines outside the brain are left out
and all shifts of a slab are computed at once, which costs a fifth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.fft import fft2, ifft2, irfft, rfft

from commissure.images.grid import bounding_box

#: Shifts tried to either side, up to half a voxel.
_SHIFTS = 20

#: The variation beside a voxel is taken over these steps away from it.
_WINDOW = (1, 2, 3)

#: Values of a slab of shifted lines that are held at a time.
_VALUES = 6_000_000


def not_fit_for_unringing(metadata: Mapping[str, Any]) -> str:
    """Why subvoxel shifts cannot mend the ringing of a series; empty where nothing speaks against.

    Rings follow the sampling of k-space: where the scanner filled it with zeros (interpolation) or
    left part of it out (partial Fourier), they no longer are one voxel wide.

    Parameters
    ----------
    metadata
        Sidecar of the series.
    """
    acquired, stored = metadata.get("AcquisitionMatrixPE"), metadata.get("ReconMatrixPE")
    if acquired and stored and float(acquired) != float(stored):
        return f"the scanner interpolated {acquired:g} lines to {stored:g}"
    partial = metadata.get("PartialFourier")
    if partial and float(partial) < 1:
        return f"{100 * float(partial):.3g} % of k-space were acquired (partial Fourier)"
    return ""


def without_ringing(series: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Remove Gibbs ringing from the slices (first two axes) of a series.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``.
    mask
        3-D: only voxels in the box around it are changed.

    Returns
    -------
    numpy.ndarray
        float32, like ``series``.

    Notes
    -----
    Kellner E et al., Gibbs-ringing artifact removal based on local subvoxel-shifts, Magn Reson Med
    76:1574-1581, 2016.
    """
    box = bounding_box(mask, pad=2)
    clean = np.array(series, dtype=np.float32)
    share = _share_of_axis(clean.shape[:2])
    for volume in range(clean.shape[3]):
        slices = np.moveaxis(clean[:, :, box[2], volume], 2, 0)
        spectrum = fft2(slices, axes=(1, 2))
        first = ifft2(spectrum * share, axes=(1, 2)).real.astype(np.float32)
        second = slices - first
        # The first part rings along the first axis only, the second along the second.
        along_first = _unrung(np.swapaxes(first, 1, 2)[:, box[1]], box[0])
        along_second = _unrung(second[:, box[0]], box[1])
        clean[*box, volume] = np.moveaxis(np.swapaxes(along_first, 1, 2) + along_second, 0, 2)
    return np.clip(clean, 0, None, out=clean)


def _share_of_axis(shape: tuple[int, int]) -> np.ndarray:
    """How much of each frequency of a slice is to be mended along the first axis."""
    first, second = (1 + np.cos(2 * np.pi * np.fft.fftfreq(n)) for n in shape)
    total = first[:, None] + second[None]
    share = np.where(total > 1e-9, second[None] / np.maximum(total, 1e-9), 0.5)
    return share.astype(np.float32)


def _unrung(lines: np.ndarray, part: slice) -> np.ndarray:
    """Mend lines ``(slices, lines, n)`` along the last axis; only ``part`` of it is returned."""
    n = lines.shape[2]
    shifts = np.arange(-_SHIFTS, _SHIFTS + 1, dtype=np.float32) / (2 * _SHIFTS)
    phases = np.exp(2j * np.pi * np.outer(shifts, np.arange(n // 2 + 1)) / n).astype(np.complex64)
    spectrum = rfft(lines.reshape(-1, n), axis=1)
    mended = np.empty((len(spectrum), part.stop - part.start), np.float32)
    reach = max(_WINDOW) + 1
    places = np.arange(part.start - reach, part.stop + reach) % n
    batch = max(1, _VALUES // (len(shifts) * n))
    for start in range(0, len(spectrum), batch):
        chunk = spectrum[start : start + batch]
        shifted = irfft(chunk[None] * phases[:, None], n, axis=2)[:, :, places]
        mended[start : start + batch] = _smoothest(shifted, shifts, reach)
    return mended.reshape(*lines.shape[:2], -1)


def _smoothest(shifted: np.ndarray, shifts: np.ndarray, reach: int) -> np.ndarray:
    """Of lines ``(shifts, lines, places)`` the value, back in place, where they vary least."""
    wanted = shifted.shape[2] - 2 * reach
    steps = np.abs(np.diff(shifted, axis=2))
    # Step j leads from place j to j + 1.
    before = sum(steps[:, :, reach - 1 - t : reach - 1 - t + wanted] for t in _WINDOW)
    after = sum(steps[:, :, reach + t : reach + t + wanted] for t in _WINDOW)
    best = np.minimum(before, after).argmin(axis=0)[None]
    here, left, right = (
        np.take_along_axis(shifted[:, :, reach + by : reach + by + wanted], best, 0)[0]
        for by in (0, -1, 1)
    )
    shift = shifts[best[0]]
    back = np.where(shift > 0, left, right)
    return here + np.abs(shift) * (back - here)
