"""The axis of chemical shifts, and the convention of every FID in this package.

Frequencies count upwards in ppm from the carrier: a line at ``ppm`` turns as
``exp(2 pi i (ppm - 4.65) f0 t)`` with the spectrometer frequency ``f0`` in MHz. This is the
convention of the ``nifti-mrs`` package, the complex conjugate of what a NIfTI-MRS file stores.
"""

from __future__ import annotations

import numpy as np

#: Chemical shift of water at body temperature: where the carrier lies unless a header says else.
WATER_PPM = 4.65

#: Protons, MHz per tesla (CODATA, shielded proton).
GYROMAGNETIC_MHZ_PER_T = 42.576


def ppm_axis(points: int, dwell_s: float, frequency_mhz: float) -> np.ndarray:
    """Chemical shift of each point of ``fftshift(fft(fid))``, ascending."""
    return np.fft.fftshift(np.fft.fftfreq(points, dwell_s)) / frequency_mhz + WATER_PPM
