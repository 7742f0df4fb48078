"""The built-in engine for MEGA-PRESS: both conditions averaged and fitted, and their difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from commissure.errors import ConfigError, DatasetError
from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.basis.choice import sequence_of
from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.basis.simulated import Basis
from commissure.mrs.builtin.fit.edited import (
    EDITED,
    EditedBases,
    EditedMetabolite,
    difference_of,
    edited_bases,
    edited_metabolite,
    fit_difference,
    realigned_difference,
    with_creatine_left,
)
from commissure.mrs.builtin.fit.lipids import fit_with_lipids
from commissure.mrs.builtin.fit.sequence_evidence import FirstEcho, SequenceEvidence
from commissure.mrs.builtin.fit.spectrum import SpectralFit
from commissure.mrs.builtin.fit.tables import FitResult
from commissure.mrs.builtin.signal.average import AveragedSpectrum, averaged_spectrum
from commissure.mrs.builtin.signal.water_reference import read_water
from commissure.mrs.builtin.timed_fit import sequence_record
from commissure.mrs.chemical_shift import ppm_axis
from commissure.mrs.settings import MrsPreprocessSettings
from commissure.names import Scan

_TINY = float(np.finfo(float).tiny)

#: Stiffness of the baseline, and end of the range, that a difference is fitted with besides.
_FLEXIBLE, _NARROW_PPM = 4.0, 2.78

#: Least share of NAA that an editing pulse on glutathione leaves.
_LEAST_NAA_LEFT = 0.5


def fitted_difference(
    scan: Scan, conditions: Mapping[str, Svs], settings: MrsPreprocessSettings
) -> tuple[AveragedSpectrum, FitResult]:
    """What is edited from the difference, everything else from the unedited spectrum.

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
        What the editing pulse did to NAA is not what the settings say.
    """
    svs = conditions["OFF"]
    choice = sequence_of(svs, settings, who=scan.who)
    edited, bases = _bases(scan, svs, choice.sequence, settings)
    water = read_water(scan, svs)
    off, on = (
        averaged_spectrum(conditions[name], water.svs, shot_rejection_sd=settings.shot_rejection_sd)
        for name in ("OFF", "ON")
    )
    fit, basis = fit_with_lipids(off.svs, bases.off, settings)
    evidence = _evidence(off.svs, fit, basis, settings)
    echo: FirstEcho | None = None
    if choice.first_echo_from == "assumed":
        echo = evidence.first_echo(choice.sequence)
        if echo.clear:
            choice = choice.with_first_echo(echo.seconds)
            edited, bases = _bases(scan, svs, choice.sequence, settings)
            fit, basis = fit_with_lipids(off.svs, bases.off, settings)
            evidence = _evidence(off.svs, fit, basis, settings)
    edited_fit, _ = fit_with_lipids(on.svs, bases.on, settings)
    _check_naa(scan, off.svs, on.svs, edited)
    difference = difference_of(
        on.svs.averaged(),
        off.svs.averaged(),
        edited_fit,
        fit,
        dwell_s=svs.dwell_s,
        spared_ppm=edited.spared_ppm,
    )
    if edited.only:
        difference = realigned_difference(
            difference, on.svs.averaged(), off.svs.averaged(), bases.difference, fit,
            range_ppm=edited.range_ppm, dwell_s=svs.dwell_s,
        )  # fmt: skip

    def fitted(
        basis: Basis, *, low_ppm: float = edited.range_ppm[0], **options: Any
    ) -> SpectralFit:
        return fit_difference(
            difference.fid, basis, fit, range_ppm=(low_ppm, edited.range_ppm[1]),
            dwell_s=svs.dwell_s, frequency_mhz=svs.frequency_mhz, **options,
        )  # fmt: skip

    difference_fit = fitted(bases.difference)
    variants = {}
    if edited.only:
        left = with_creatine_left(bases.difference, bases.off)
        variants = {
            "creatine left": fitted(left),
            f"baseline {_FLEXIBLE:g} per ppm": fitted(bases.difference, freedom_per_ppm=_FLEXIBLE),
            f"from {_NARROW_PPM:g} ppm": fitted(bases.difference, low_ppm=_NARROW_PPM),
        }
    steps: list[Mapping[str, Any]] = [{**step, "spectrum": "unedited"} for step in off.steps]
    steps += [{**step, "spectrum": "edited"} for step in on.steps]
    if (doubt := _scale_of_edited_frames(svs, off)) is not None:
        steps.append(doubt)
    return replace(off, steps=[*water.steps, *steps, difference.step()]), FitResult(
        fit,
        basis.description,
        difference=difference_fit,
        difference_basis=bases.difference.description,
        edited=edited.name,
        edited_variants=variants,
        sequence=sequence_record(choice, echo, evidence),
    )


def _scale_of_edited_frames(svs: Svs, off: AveragedSpectrum) -> Mapping[str, Any] | None:
    """What conversion does to edited frames of GE and not to their water, as a step."""
    maker = str(svs.metadata.get("Manufacturer", "")).strip().upper()
    if off.water is None or not maker.startswith(("GE", "GENERAL ELECTRIC")):
        return None
    noise = next((s for s in off.steps if s.get("step") == "noise of the reference"), None)
    ratio = None if noise is None else float(noise["noise_ratio"])
    return {"step": "scale of edited frames", "applied": True, "noise_ratio": ratio}


def _evidence(
    svs: Svs, fit: SpectralFit, basis: Basis, settings: MrsPreprocessSettings
) -> SequenceEvidence:
    return SequenceEvidence(
        svs.averaged(), fit, basis, settings.metabolites,
        dwell_s=svs.dwell_s, frequency_mhz=svs.frequency_mhz,
    )  # fmt: skip


def _bases(
    scan: Scan, svs: Svs, sequence: PulseSequence, settings: MrsPreprocessSettings
) -> tuple[EditedMetabolite, EditedBases]:
    """Simulated bases of both conditions and their difference; ``svs`` is the unedited one."""
    if settings.basis or sequence.name != "mega-press":
        raise ConfigError(
            scan.who,
            found=f"{svs.name} holds edited sub-spectra, the sequence is {sequence.name} and "
            f"mrs.basis is '{settings.basis}'",
            wanted="mrs.sequence mega-press and no basis file: a difference needs both conditions",
            mend="Mend mrs.sequence and leave mrs.basis empty",
        )
    edited = edited_metabolite(settings.edit_on_ppm)
    if edited is None or edited.name not in settings.metabolites:
        raise ConfigError(
            scan.who,
            found=f"{svs.name} is edited, mrs.edit_on_ppm is {settings.edit_on_ppm:g} and "
            f"mrs.metabolites are {', '.join(settings.metabolites)}",
            wanted="4.56 ppm, which edits GSH, or 1.9 ppm, which edits GABA, and that metabolite",
            mend="Mend mrs.edit_on_ppm or mrs.metabolites",
        )
    bases = edited_bases(
        settings.metabolites,
        edited,
        replace(sequence, edit_ppm=settings.edit_on_ppm),
        sequence,
        points=svs.points,
        dwell_s=svs.dwell_s,
        frequency_mhz=svs.frequency_mhz,
    )
    if edited.name not in bases.difference.names:
        raise ConfigError(
            scan.who,
            found=f"editing at {settings.edit_on_ppm:g} ppm changes nothing of {edited.name}",
            wanted=f"mrs.edit_on_ppm near {edited.edit_ppm:g}",
            mend="Mend mrs.edit_on_ppm",
        )
    return edited, bases


def _check_naa(scan: Scan, off: Svs, on: Svs, edited: EditedMetabolite) -> None:
    """A pulse at 1.9 ppm takes NAA's singlet away, one at 4.56 ppm spares it."""
    share = naa_height(on) / max(naa_height(off), _TINY)
    spared = share >= _LEAST_NAA_LEFT
    if spared == (edited.name == "GSH"):
        return
    other = next(each for each in EDITED if each.name != edited.name)
    raise DatasetError(
        scan.who,
        found=f"NAA of the edited sub-spectrum of {off.name} has {share:.2f} of the height that it "
        f"has in the unedited one, as where {other.name} is edited at {other.edit_ppm:g} ppm",
        wanted=f"editing of {edited.name} at {edited.edit_ppm:g} ppm, which "
        f"{'spares NAA' if edited.name == 'GSH' else 'takes NAA away'}",
        mend=f"Set mrs.edit_on_ppm to {other.edit_ppm:g} for such a study, or look whether ON and "
        "OFF are named the right way round",
    )


def naa_height(svs: Svs) -> float:
    """Highest magnitude at 1.9 to 2.1 ppm above the line between its neighbours."""
    spectrum = np.abs(np.fft.fftshift(np.fft.fft(svs.averaged())))
    ppm = ppm_axis(svs.points, svs.dwell_s, svs.frequency_mhz)
    beside = (np.abs(ppm - 2.0) > 0.15) & (np.abs(ppm - 2.0) < 0.25)
    return float(spectrum[(ppm > 1.9) & (ppm < 2.1)].max() - np.median(spectrum[beside]))
