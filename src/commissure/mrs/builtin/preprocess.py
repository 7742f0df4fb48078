"""The built-in engine: one raw acquisition to an averaged spectrum and its fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.files import write_json
from commissure.images.anat_files import AnatFiles
from commissure.images.figures import save_figure
from commissure.mrs.acquisition.nifti_mrs import Svs, read_conditions, write_svs
from commissure.mrs.builtin.basis.choice import basis_for
from commissure.mrs.builtin.eddy_evidence import with_suiting_phase
from commissure.mrs.builtin.edited import fitted_difference
from commissure.mrs.builtin.fit.lipids import fit_with_lipids
from commissure.mrs.builtin.fit.tables import FitResult, write_fit
from commissure.mrs.builtin.signal.average import AveragedSpectrum, averaged_spectrum
from commissure.mrs.builtin.signal.kinds import change_between_halves, two_kinds
from commissure.mrs.builtin.signal.water_reference import read_water
from commissure.mrs.builtin.timed_fit import timed_fit
from commissure.mrs.derivatives import MrsFiles
from commissure.mrs.figures import shots_figure
from commissure.mrs.settings import MrsPreprocessSettings
from commissure.names import Scan


def preprocess(
    scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: MrsPreprocessSettings
) -> None:
    """Combine, align, clean and fit one spectrum, and write the derivatives.

    Parameters
    ----------
    scan
        A ``svs`` file; its associated ``mrsref`` is the water reference, if there is one.
    folder
        Where to write: ``<output_dir>/sub-XX[/ses-YY]/mrs``.
    anat
        Not used; every modality's engine is called alike.
    settings
        See :class:`MrsPreprocessSettings`.

    Raises
    ------
    ConfigError
        The basis that the settings name does not suit the spectrum.
    DatasetError
        A file is missing, unreadable, or contradicts physics (see :func:`read_conditions`).
    QualityError
        The spectrum holds no creatine.
    """
    conditions = read_conditions(scan.path, tuple(scan.sidecars), who=scan.who)
    if len(conditions) > 1:
        spectrum, result = fitted_difference(scan, conditions, settings)
    else:
        spectrum, result = _fitted_spectrum(scan, conditions[""], settings)
    files = MrsFiles.of(scan, folder, voi=settings.voi)
    _write_averaged(scan, spectrum, files)
    write_fit(result, files)
    if len(spectrum.before) > 1:
        figure = shots_figure(
            spectrum.before,
            spectrum.after,
            spectrum.kept,
            dwell_s=spectrum.svs.dwell_s,
            frequency_mhz=spectrum.svs.frequency_mhz,
            title=f"{scan.who}, voxel {files.region}: shots before and after alignment",
        )
        save_figure(figure, files.shots_figure)


def _fitted_spectrum(
    scan: Scan, svs: Svs, settings: MrsPreprocessSettings
) -> tuple[AveragedSpectrum, FitResult]:
    basis, choice, flag = basis_for(svs, settings, who=scan.who)
    water = read_water(scan, svs)
    spectrum = averaged_spectrum(svs, water.svs, shot_rejection_sd=settings.shot_rejection_sd)
    spectrum = replace(spectrum, steps=[*water.steps, *spectrum.steps])
    _refuse_two_kinds(scan, spectrum)
    spectrum = _with_change(spectrum)
    if choice is None:
        fit, basis = fit_with_lipids(spectrum.svs, basis, settings)
        return spectrum, FitResult(fit, basis.description, flag)
    timed = timed_fit(spectrum.svs, choice, settings)
    suiting = with_suiting_phase(spectrum, timed.fit, timed.basis, settings)
    if suiting is not spectrum:
        spectrum, timed = suiting, timed_fit(suiting.svs, choice, settings)
    return spectrum, FitResult(
        timed.fit, timed.basis.description, flag, sequence=timed.record, spread=timed.spread
    )


def _with_change(spectrum: AveragedSpectrum) -> AveragedSpectrum:
    """With the step that says how far shots changed in the middle."""
    svs = spectrum.svs
    change = change_between_halves(
        spectrum.after[spectrum.kept], dwell_s=svs.dwell_s, frequency_mhz=svs.frequency_mhz
    )
    if change is None:
        return spectrum
    step = {"step": "halves of the shots", "applied": True, "change": change}
    return replace(spectrum, steps=[*spectrum.steps, step])


def _refuse_two_kinds(scan: Scan, spectrum: AveragedSpectrum) -> None:
    """Edited sub-spectra whose file does not name them would be averaged into one spectrum."""
    svs = spectrum.svs
    usable = spectrum.after[np.abs(spectrum.after).sum(axis=1) > 0]
    kinds = two_kinds(usable, dwell_s=svs.dwell_s, frequency_mhz=svs.frequency_mhz)
    if kinds is not None:
        turn = "every other one" if kinds.in_turn == 1 else "two and two"
        raise DatasetError(
            scan.who,
            found=f"the {len(usable)} shots of {scan.path.name} are of two kinds, {turn}: they "
            f"differ by {100 * kinds.difference:.0f} % of the spectrum, {kinds.over_noise:.0f} "
            "times what noise makes",
            wanted="shots of one kind, or edited ones in a dimension DIM_EDIT that names ON and "
            "OFF under EditCondition",
            mend="Convert the file so that edited sub-spectra have a dimension of their own",
        )


def _write_averaged(scan: Scan, spectrum: AveragedSpectrum, files: MrsFiles) -> None:
    """Write the averaged spectrum and its water reference, each with its sidecar."""
    write_svs(spectrum.svs, files.spectrum)
    write_json(
        {**_sidecar(scan.path.name, spectrum.svs, spectrum), "Acquisition": spectrum.acquisition},
        files.sidecar,
    )
    if spectrum.water is not None:
        write_svs(spectrum.water, files.water)
        write_json(_sidecar(spectrum.water.name, spectrum.water, spectrum), files.water_sidecar)


def _sidecar(source: str, svs: Svs, spectrum: AveragedSpectrum) -> Mapping[str, Any]:
    return {
        "Sources": [source],
        "SpatialReference": "scanner",
        "EchoTime": svs.te_s,
        **({"RepetitionTime": svs.tr_s} if np.isfinite(svs.tr_s) else {}),
        "Steps": spectrum.steps,
    }
