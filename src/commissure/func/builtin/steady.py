"""Volumes at the start of a series that were taken before the magnetisation was steady."""

from __future__ import annotations

import numpy as np

#: So many volumes, or so many seconds, may pass before the steady state, whichever is more; what
#: takes longer is no approach to it.
MOST_VOLUMES = 8
MOST_S = 12.0

#: Volumes at the start that are looked at, and the modified z-score that is bright.
WINDOW = 60
BRIGHT_Z = 3.5


def non_steady_volumes(series: np.ndarray, *, tr_s: float) -> int:
    """How many volumes at the start are brighter because the magnetisation was not yet steady.

    Parameters
    ----------
    series
        Shape (V, T): brain voxels.
    tr_s
        Repetition time.

    Returns
    -------
    int
        Length of the unbroken run of bright volumes at the start.

    Notes
    -----
    The first volume must be brighter than its successors in the mean over the brain: a modified
    z-score above 3.5 (Iglewicz B, Hoaglin DC, How to detect and handle outliers, 1993). The mean
    alone then misses the last of them, a few tenths of a per cent that the brain's own slow waves
    hide. But what is left of the excess has the pattern of the first volume's excess, strong in
    fluid and weak in white matter, and waves have another. So each volume is projected on that
    pattern, freed of its mean, of the straight line through the later volumes; as long as that
    is above 3.5 robust spreads of the later ones, or the mean itself is bright, it goes on.
    """
    series = np.asarray(series[:, :WINDOW], float)
    volumes = series.shape[1]
    most = min(max(MOST_VOLUMES, round(MOST_S / tr_s)), volumes // 3)
    if most < 1:
        return 0
    mean_bright = _bright(series.mean(axis=0), most)
    if not mean_bright[0]:
        return 0
    steady = np.median(series[:, most:], axis=1)
    excess = series[:, 0] - steady
    pattern = excess - steady * (excess @ steady) / (steady @ steady)
    bright = mean_bright | _bright(pattern @ (series - steady[:, None]), most)
    count = int(np.argmin(bright)) if not bright.all() else volumes
    return count if count <= most else 0


def _bright(signal: np.ndarray, most: int) -> np.ndarray:
    """Which values lie above the straight line through the later ones by many spreads."""
    frames = np.arange(len(signal))
    line = np.polynomial.Polynomial.fit(frames[most:], signal[most:], 1)
    rest = signal - line(frames)
    rest -= np.median(rest[most:])
    spread = np.median(np.abs(rest[most:]))
    return (
        np.asarray(0.6745 * rest > BRIGHT_Z * spread) if spread > 0 else np.zeros(len(rest), bool)
    )
