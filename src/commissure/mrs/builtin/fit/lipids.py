"""The fit of a spectrum as the settings ask for it, with lipids of the scalp where they show."""

from __future__ import annotations

from typing import Any

import numpy as np

from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.basis.simulated import Basis, with_lipids
from commissure.mrs.builtin.fit.spectrum import SpectralFit, fit_spectrum, observations
from commissure.mrs.settings import MrsPreprocessSettings

#: Residual at 0.7 to 1.8 ppm over the residual elsewhere, bend of the baseline there over NAA, and
#: stiffness of the baseline, from which on lipids of another phase are tried.
_LEFT_OVER, _BENT, _LOOSE = 1.3, 0.15, 5.5

#: What a column of lipids must lower the residual by, in units of chi squared.
_PER_COLUMN = 4.0


def fit_with_lipids(
    svs: Svs, basis: Basis, settings: MrsPreprocessSettings
) -> tuple[SpectralFit, Basis]:
    """Fit an averaged spectrum, once more with lipids where the settings or the fit ask for them.

    Returns
    -------
    fit, basis
        The fit, and the basis that it was made with.

    Raises
    ------
    QualityError
        Creatine cannot be told from noise.
    """
    options = fit_options(svs, settings)
    sampling: dict[str, Any] = {"dwell_s": svs.dwell_s, "frequency_mhz": svs.frequency_mhz}
    if settings.lipids == "yes":
        basis = with_lipids(basis, **sampling)
        return fit_spectrum(svs.averaged(), basis, **options), basis
    fit = fit_spectrum(svs.averaged(), basis, **options)
    if settings.lipids == "no" or not (shows_lipids(fit) or leaves_lipids(fit)):
        return fit, basis
    lipids = with_lipids(basis, **sampling)
    with_them = fit_spectrum(svs.averaged(), lipids, **options)
    if shows_lipids(fit) or explains_more(with_them, fit):
        return with_them, lipids
    return fit, basis


def fit_options(svs: Svs, settings: MrsPreprocessSettings) -> dict[str, Any]:
    """What :func:`fit_spectrum` is called with, by the settings."""
    flexibility = settings.baseline_flexibility_per_ppm
    return {
        "low_ppm": settings.fit_low_ppm,
        "high_ppm": settings.fit_high_ppm,
        "shift_sd_ppm": settings.shift_sd_ppm,
        "width_sd_hz": settings.width_sd_hz,
        "freedom_per_ppm": None if isinstance(flexibility, str) else flexibility,
        "dwell_s": svs.dwell_s,
        "frequency_mhz": svs.frequency_mhz,
    }


def shows_lipids(fit: SpectralFit) -> bool:
    """Whether a spectrum is much higher at 1.3 ppm than at 0.9 ppm, where macromolecules are."""
    above = fit.data - fit.baseline
    lipid = above[(fit.ppm > 1.2) & (fit.ppm < 1.4)]
    methyl = above[(fit.ppm > 0.85) & (fit.ppm < 0.97)]
    naa = above[(fit.ppm > 1.9) & (fit.ppm < 2.1)]
    if not len(lipid) or not len(methyl):
        return False
    return bool(lipid.max() > max(2.0 * methyl.max(), 0.15 * naa.max()))


def leaves_lipids(fit: SpectralFit) -> bool:
    """Whether the residual or the baseline bends at 0.7 to 1.8 ppm as for lipids out of phase."""
    residual = fit.data - fit.model
    near = (fit.ppm > 0.7) & (fit.ppm < 1.8)
    inside, outside = (float(np.sqrt((residual[where] ** 2).mean())) for where in (near, ~near))
    bend = np.ptp(fit.baseline[near]) if near.any() else 0.0
    naa = float((fit.data - fit.baseline)[(fit.ppm > 1.9) & (fit.ppm < 2.1)].max())
    return inside > _LEFT_OVER * outside or bend > _BENT * naa or fit.freedom_per_ppm >= _LOOSE


def explains_more(with_lipids_fit: SpectralFit, fit: SpectralFit) -> bool:
    """Whether lipids lower the residual by more than their columns would by chance."""
    worth = observations(with_lipids_fit.data - with_lipids_fit.model)
    columns = len(with_lipids_fit.names) - len(fit.names)
    gain = 2 * worth * np.log(fit.residual_sd / with_lipids_fit.residual_sd)
    return bool(gain > _PER_COLUMN * columns)
