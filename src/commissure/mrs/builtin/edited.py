"""The built-in engine for MEGA-PRESS: both conditions averaged and fitted, and their difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from commissure.errors import ConfigError, DatasetError
from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.basis.choice import sequence_of
from commissure.mrs.builtin.fit.edited import (
    EditedBases,
    difference_of,
    edited_bases,
    fit_difference,
)
from commissure.mrs.builtin.fit.lipids import fit_with_lipids
from commissure.mrs.builtin.fit.spectrum import SpectralFit
from commissure.mrs.builtin.fit.tables import EDITED, FitResult
from commissure.mrs.builtin.signal.average import AveragedSpectrum, averaged_spectrum
from commissure.mrs.builtin.signal.water_reference import read_water
from commissure.mrs.metabolites import PARTS
from commissure.mrs.settings import MrsPreprocessSettings
from commissure.names import Scan

_TINY = float(np.finfo(float).tiny)

#: Least share of NAA that an editing pulse on glutathione leaves.
_LEAST_NAA_LEFT = 0.5


def fitted_difference(
    scan: Scan, conditions: Mapping[str, Svs], settings: MrsPreprocessSettings
) -> tuple[AveragedSpectrum, FitResult]:
    """Glutathione from the difference, everything else from the unedited spectrum.

    Parameters
    ----------
    scan
        The edited acquisition.
    conditions
        Its shots by the names ``OFF`` and ``ON``.
    settings
        See :class:`MrsPreprocessSettings`.

    Returns
    -------
    spectrum, result
        The unedited spectrum with the steps of both conditions, and the fits.

    Raises
    ------
    ConfigError
        The settings name another sequence, a basis file, or an editing pulse that does not edit.
    DatasetError
        The editing pulse took NAA away.
    """
    bases = _bases(scan, conditions["OFF"], settings)
    svs = conditions["OFF"]
    water = read_water(scan, svs)
    off, on = (
        averaged_spectrum(conditions[name], water, shot_rejection_sd=settings.shot_rejection_sd)
        for name in ("OFF", "ON")
    )
    fit, basis = fit_with_lipids(off.svs, bases.off, settings)
    edited_fit, _ = fit_with_lipids(on.svs, bases.on, settings)
    _check_naa_is_spared(scan, svs, fit, edited_fit, settings)
    difference = difference_of(
        on.svs.averaged(), off.svs.averaged(), edited_fit, fit, dwell_s=svs.dwell_s
    )
    difference_fit = fit_difference(
        difference.fid,
        bases.difference,
        fit,
        dwell_s=svs.dwell_s,
        frequency_mhz=svs.frequency_mhz,
    )
    steps: list[Mapping[str, Any]] = [{**step, "spectrum": "unedited"} for step in off.steps]
    steps += [{**step, "spectrum": "edited"} for step in on.steps]
    return replace(off, steps=[*steps, difference.step()]), FitResult(
        fit,
        basis.description,
        difference=difference_fit,
        difference_basis=bases.difference.description,
    )


def _bases(scan: Scan, svs: Svs, settings: MrsPreprocessSettings) -> EditedBases:
    """Simulated bases of both conditions and their difference; ``svs`` is the unedited one."""
    sequence = sequence_of(svs, settings, who=scan.who).sequence
    if settings.basis or sequence.name != "mega-press":
        raise ConfigError(
            scan.who,
            found=f"{svs.name} holds edited sub-spectra, the sequence is {sequence.name} and "
            f"mrs.basis is '{settings.basis}'",
            wanted="mrs.sequence mega-press and no basis file: a difference needs both conditions",
            mend="Mend mrs.sequence and leave mrs.basis empty",
        )
    if EDITED not in settings.metabolites:
        raise ConfigError(
            scan.who,
            found=f"{svs.name} is edited and mrs.metabolites has no {EDITED}",
            wanted=f"{EDITED}, which the difference is fitted for",
            mend="Mend mrs.metabolites",
        )
    bases = edited_bases(
        settings.metabolites,
        replace(sequence, edit_ppm=settings.edit_on_ppm),
        sequence,
        points=svs.points,
        dwell_s=svs.dwell_s,
        frequency_mhz=svs.frequency_mhz,
    )
    if EDITED not in bases.difference.names:
        raise ConfigError(
            scan.who,
            found=f"editing at {settings.edit_on_ppm:g} ppm changes nothing of {EDITED}",
            wanted="mrs.edit_on_ppm near 4.56",
            mend="Mend mrs.edit_on_ppm; other edited metabolites are not read",
        )
    return bases


def _check_naa_is_spared(
    scan: Scan, svs: Svs, fit: SpectralFit, edited_fit: SpectralFit, settings: MrsPreprocessSettings
) -> None:
    share = edited_fit.total(PARTS["tNAA"])[0] / max(fit.total(PARTS["tNAA"])[0], _TINY)
    if share < _LEAST_NAA_LEFT:
        raise DatasetError(
            scan.who,
            found=f"NAA of the edited sub-spectrum of {svs.name} is {share:.2f} of that of the "
            "unedited one, as where GABA is edited at 1.9 ppm",
            wanted=f"editing of {EDITED} at {settings.edit_on_ppm:g} ppm, which spares NAA",
            mend="Leave the file out, or look whether ON and OFF are named the right way round",
        )
