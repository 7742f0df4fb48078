"""The fit of a spectrum as the settings ask for it, with lipids of the scalp where they show."""

from __future__ import annotations

from typing import Any

from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.basis.simulated import Basis, with_lipids
from commissure.mrs.builtin.fit.spectrum import SpectralFit, fit_spectrum
from commissure.mrs.settings import MrsPreprocessSettings


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
    sampling: dict[str, Any] = {"dwell_s": svs.dwell_s, "frequency_mhz": svs.frequency_mhz}
    flexibility = settings.baseline_flexibility_per_ppm
    options: dict[str, Any] = {
        "low_ppm": settings.fit_low_ppm,
        "high_ppm": settings.fit_high_ppm,
        "shift_sd_ppm": settings.shift_sd_ppm,
        "width_sd_hz": settings.width_sd_hz,
        "freedom_per_ppm": None if isinstance(flexibility, str) else flexibility,
        **sampling,
    }
    if settings.lipids != "yes":
        fit = fit_spectrum(svs.averaged(), basis, **options)
        if settings.lipids == "no" or not shows_lipids(fit):
            return fit, basis
    basis = with_lipids(basis, **sampling)
    return fit_spectrum(svs.averaged(), basis, **options), basis


def shows_lipids(fit: SpectralFit) -> bool:
    """Whether a spectrum is much higher at 1.3 ppm than at 0.9 ppm, where macromolecules are."""
    above = fit.data - fit.baseline
    lipid = above[(fit.ppm > 1.2) & (fit.ppm < 1.4)]
    methyl = above[(fit.ppm > 0.85) & (fit.ppm < 0.97)]
    naa = above[(fit.ppm > 1.9) & (fit.ppm < 2.1)]
    if not len(lipid) or not len(methyl):
        return False
    return bool(lipid.max() > max(2.0 * methyl.max(), 0.15 * naa.max()))
