"""What noise and coils do to the brightness of a series: the Rician bias, and shading."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy.special import i0e, i1e

from commissure.images.grid import resample_to

#: Signal over noise from which the bias is less than 0.02 of the noise and left alone.
_UNBIASED_SNR = 25.0


def without_rician_bias(series: np.ndarray, noise: np.ndarray, volumes: np.ndarray) -> np.ndarray:
    """Give signals near the noise the size that they have without it.

    The mean of a magnitude is larger than the signal, the more the weaker this is. The mean that
    denoising leaves is taken for the expectation and inverted.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``, denoised.
    noise
        3-D standard deviation of the noise; voxels of 0 are left as they are.
    volumes
        ``(volumes,)`` of bool: which to correct.

    Notes
    -----
    Koay CG & Basser PJ, J Magn Reson 179:317-322, 2006; one coil's noise (Rice) is assumed.
    """
    snr = np.linspace(0, _UNBIASED_SNR, 2000)
    known = noise > 0
    corrected = np.array(series, np.float32)
    spread = noise[known]
    for i in np.flatnonzero(volumes):
        ratio = corrected[known, i] / spread
        true = np.where(ratio < _UNBIASED_SNR, np.interp(ratio, _rician_mean(snr), snr), ratio)
        corrected[known, i] = true * spread
    return corrected


def _rician_mean(snr: np.ndarray) -> np.ndarray:
    """Expectation of a magnitude in units of the noise."""
    half = snr**2 / 4
    laguerre = (1 + 2 * half) * i0e(half) + 2 * half * i1e(half)
    return np.sqrt(np.pi / 2) * laguerre


def evened(
    series: np.ndarray, grid_affine: np.ndarray, field: np.ndarray, field_affine: np.ndarray
) -> np.ndarray:
    """Divide a series in place by a field given on another grid of the same world."""
    image = nib.Nifti1Image(field, field_affine)
    series /= resample_to(image, series.shape[:3], grid_affine, outside="edge")[..., None]
    return series
