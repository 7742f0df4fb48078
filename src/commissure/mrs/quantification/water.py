"""The unsuppressed water signal, which concentrations are scaled by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class WaterSignal:
    """The unsuppressed water signal.

    Attributes
    ----------
    amplitude
        At time 0, in the FID's units.
    fwhm_hz
        Width of its line.
    offset_ppm
        Where it lies, relative to its nominal shift.
    """

    amplitude: float
    fwhm_hz: float
    offset_ppm: float


def water_signal(fid: np.ndarray, *, dwell_s: float, frequency_mhz: float) -> WaterSignal:
    """Amplitude of water at time 0, from the magnitude of its FID.

    A Voigt line decays as log|s| = log A - a t - b t². It is fitted from 1 ms, clear of the
    receiver's filter, to where the signal has fallen to 40 %, weighted by the signal: phase,
    eddy currents and the exact frequency do not matter to a magnitude.
    """
    size = np.abs(fid)
    first = max(1, round(1e-3 / dwell_s))
    low = size[first:] < 0.4 * size[first : first + 4].mean()
    last = first + (int(low.argmax()) if low.any() else len(size) - first - 1)
    last = max(last, first + 12)
    t = np.arange(first, last) * dwell_s
    design = np.stack([np.ones_like(t), -t, -(t**2)], axis=1)
    weight = size[first:last]
    level, a, b = np.linalg.lstsq(design * weight[:, None], np.log(weight) * weight, rcond=None)[0]
    spectrum = np.fft.fft(fid, 8 * len(fid))
    peak = np.fft.fftfreq(len(spectrum), dwell_s)[np.abs(spectrum).argmax()]
    lorentz = max(a, 0.0) / np.pi
    gauss = 2 * np.sqrt(max(b, 0.0) * np.log(2)) / np.pi
    return WaterSignal(
        amplitude=float(np.exp(level)),
        fwhm_hz=float(voigt_fwhm(lorentz, gauss)),
        offset_ppm=float(peak / frequency_mhz),
    )


def voigt_fwhm(lorentz: float, gauss: float) -> float:
    """Width of a Voigt line from the widths of its parts (Olivero JJ, Longbothum RL, 1977)."""
    return 0.5346 * lorentz + float(np.sqrt(0.2166 * lorentz**2 + gauss**2))
