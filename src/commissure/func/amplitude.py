"""Amplitude of low-frequency fluctuations, absolute and as a share of all frequencies.

Zang YF et al., Brain Dev 2007;29:83-91 (ALFF); Zou QH et al., J Neurosci Methods 2008;172:137-141
(fALFF). Censored volumes leave gaps, so the spectrum is Lomb's and Scargle's (Scargle JD,
Astrophys J 1982;263:835-853), as in XCP-D; without a gap it is the periodogram.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Series whose spectra are computed at a time: bounds the memory.
_AT_A_TIME = 8192


@dataclass(frozen=True)
class Amplitude:
    """Amplitude of every series in a band.

    Attributes
    ----------
    alff
        Shape (N,): twice the mean amplitude over the frequencies of the band, in units of the
        series.
    falff
        Shape (N,): sum of the amplitudes in the band over the sum at all frequencies above 0;
        NaN for a series that does not vary.
    """

    alff: np.ndarray
    falff: np.ndarray


def frequencies_hz(volumes: int, *, tr_s: float) -> np.ndarray:
    """Frequencies that a run resolves: above 0, up to half the sampling rate."""
    return np.arange(1, volumes // 2 + 1) / (volumes * tr_s)


def spectral_basis(times_s: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """Cosines and sines whose products with a series are its amplitudes.

    Parameters
    ----------
    times_s
        Shape (T,): when the volumes that count were taken, seconds.
    hz
        Shape (F,), above 0.

    Returns
    -------
    numpy.ndarray
        Shape (2, F, T). For a series ``x`` of mean 0, the root of the summed squares of both
        products is the root of its power: a sine of amplitude ``a`` at one of the frequencies of
        a run without gaps has ``a / sqrt(2)`` there, and the squares sum to the variance.
    """
    turns = 2 * np.pi * hz[:, None] * times_s[None, :]
    # Scargle's shift in time makes cosine and sine orthogonal on these times.
    shift = np.arctan2(np.sin(2 * turns).sum(axis=1), np.cos(2 * turns).sum(axis=1)) / 2
    turns -= shift[:, None]
    basis = np.stack([np.cos(turns), np.sin(turns)])
    squares = (basis**2).sum(axis=2, keepdims=True)
    # Half the sampling rate has a cosine alone.
    there = squares > 1e-6 * len(times_s)
    scale = np.sqrt(1 / (len(times_s) * np.where(there, squares, 1.0)))
    return basis * np.where(there, scale, 0.0)


def amplitude(
    series: np.ndarray, good: np.ndarray, *, tr_s: float, low_hz: float, high_hz: float
) -> Amplitude:
    """ALFF and fALFF of series that were not filtered.

    Parameters
    ----------
    series
        Shape (N, G): the G volumes that count, of mean 0.
    good
        Boolean, shape (T,): which volumes of the run count.
    tr_s
        Repetition time, seconds.
    low_hz, high_hz
        Ends of the band, both inside.
    """
    hz = frequencies_hz(len(good), tr_s=tr_s)
    times_s = np.flatnonzero(good) * tr_s
    basis = spectral_basis(times_s, hz).astype(np.float32)
    inside = (hz >= low_hz * (1 - 1e-9)) & (hz <= high_hz * (1 + 1e-9))
    alff, falff = np.full((2, len(series)), np.nan)
    for start in range(0, len(series), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        kept = np.ascontiguousarray(series[part], np.float32)
        root = np.hypot(kept @ basis[0].T, kept @ basis[1].T).astype(float)
        band, whole = root[:, inside].sum(axis=1), root.sum(axis=1)
        if inside.any():
            alff[part] = 2 * band / inside.sum()
            np.divide(band, whole, out=falff[part], where=whole > 0)
    return Amplitude(alff, falff)
