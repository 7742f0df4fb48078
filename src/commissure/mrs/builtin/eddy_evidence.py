"""Whether the phase of the water reference belonged to the spectrum, by what a fit leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.basis.simulated import Basis
from commissure.mrs.builtin.fit.lipids import fit_with_lipids
from commissure.mrs.builtin.fit.spectrum import SpectralFit
from commissure.mrs.builtin.signal.average import AveragedSpectrum
from commissure.mrs.builtin.signal.correction import creatine_referenced
from commissure.mrs.settings import MrsPreprocessSettings

#: Smaller phases of eddy currents, in radians, change no metabolite by a percent.
_SMALLEST_RAD = 0.07

#: How much less a fit must leave without the phase. At .5 rad and a signal-to-noise ratio of 80 a
#: spectrum that was corrected before leaves 1.8 (SD .4) % less, one that was not 1.1 (.3) % more.
_CLEARLY_LESS = 1.01


def with_suiting_phase(
    spectrum: AveragedSpectrum, fit: SpectralFit, basis: Basis, settings: MrsPreprocessSettings
) -> AveragedSpectrum:
    """The spectrum with the phase of the reference as it suits it best.

    Parameters
    ----------
    spectrum
        From :func:`commissure.mrs.builtin.signal.average.averaged_spectrum`; what is sharper by
        much has been put right there.
    fit, basis
        Of this spectrum.
    settings
        See :class:`MrsPreprocessSettings`.

    Returns
    -------
    AveragedSpectrum
        As it was; or without the phase, where a fit leaves clearly less then, or with that phase
        turned round, and the step ``eddy currents`` says so under ``reference_suits``.
    """
    phase = spectrum.eddy_rad
    if phase is None:
        return spectrum
    early = phase[: max(1, round(0.1 / spectrum.svs.dwell_s))]
    if np.abs(early).max() < _SMALLEST_RAD:
        return spectrum
    left_alone = _turned(spectrum.svs, phase)
    left = fit_with_lipids(left_alone, basis, settings)[0].residual_sd
    if fit.residual_sd < _CLEARLY_LESS * left:
        return spectrum
    turned_round = _turned(spectrum.svs, 2 * phase)
    left_turned = fit_with_lipids(turned_round, basis, settings)[0].residual_sd
    if left_turned < left:
        return _changed(spectrum, turned_round, "conjugate", fit.residual_sd / left_turned)
    return _changed(spectrum, left_alone, "uncorrected", fit.residual_sd / left)


def _turned(svs: Svs, phase_rad: np.ndarray) -> Svs:
    fid = svs.averaged() * np.exp(1j * phase_rad)
    return svs.with_fid(
        creatine_referenced(fid, dwell_s=svs.dwell_s, frequency_mhz=svs.frequency_mhz)[0]
    )


def _changed(
    spectrum: AveragedSpectrum, svs: Svs, suits: str, residual_ratio: float
) -> AveragedSpectrum:
    more = {"reference_suits": suits, "residual_ratio": residual_ratio}
    steps: list[Mapping[str, Any]] = [
        {**step, **more} if step["step"] == "eddy currents" else step for step in spectrum.steps
    ]
    return replace(spectrum, svs=svs, steps=steps, eddy_rad=None)
