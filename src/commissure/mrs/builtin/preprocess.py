"""The built-in engine: one raw acquisition to an averaged spectrum and its fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import ConfigError, DatasetError
from commissure.files import write_json
from commissure.images.anat_files import AnatFiles
from commissure.mrs.acquisition.nifti_mrs import Svs, read_conditions, write_svs
from commissure.mrs.basis.choice import basis_for, sequence_of
from commissure.mrs.basis.simulated import Basis, with_lipids
from commissure.mrs.basis.spin_systems import SUMS
from commissure.mrs.derivatives import EDITED, write_fit
from commissure.mrs.fit.edited import difference_of, edited_bases, fit_difference
from commissure.mrs.fit.spectrum import Fit, fit_spectrum
from commissure.mrs.settings import MrsPreprocessSettings
from commissure.mrs.signal.average import Spectrum, averaged_spectrum
from commissure.mrs.signal.water_reference import read_water
from commissure.names import Scan

_TINY = float(np.finfo(float).tiny)


def preprocess(
    scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: MrsPreprocessSettings
) -> None:
    """Combine, align, clean and fit one spectrum, and write the derivatives.

    Parameters
    ----------
    scan
        A ``svs`` file; its companion ``mrsref`` is the water reference, if there is one.
    folder
        Where to write: ``<output_dir>/sub-XX[/ses-YY]/mrs``.
    anat
        Not used; every room's engine is called alike.
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
    region = scan.entities.get("voi") or settings.voi
    conditions = read_conditions(scan.path, tuple(scan.sidecars), who=scan.who)
    if len(conditions) > 1:
        _preprocess_edited(scan, folder, region, conditions, settings)
        return
    svs = conditions[""]
    basis, flag = basis_for(svs, settings, who=scan.who)
    water = read_water(scan, svs)
    spectrum = averaged_spectrum(svs, water, shot_rejection_sd=settings.shot_rejection_sd)
    fit, basis = _fitted(spectrum, basis, settings)
    _write(scan, folder, region, spectrum)
    write_fit(fit, folder, scan, region, basis=basis.description, basis_flag=flag)


def _fitted(spectrum: Spectrum, basis: Basis, settings: MrsPreprocessSettings) -> tuple[Fit, Basis]:
    """The fit, and the basis it was made with: lipids are added where they show."""
    flexibility = settings.baseline_flexibility_per_ppm
    sampling: dict[str, Any] = {
        "dwell_s": spectrum.svs.dwell_s, "frequency_mhz": spectrum.svs.frequency_mhz,
    }  # fmt: skip

    def fitted(columns: Basis) -> Fit:
        return fit_spectrum(
            spectrum.svs.averaged(),
            columns,
            low_ppm=settings.fit_low_ppm,
            high_ppm=settings.fit_high_ppm,
            shift_sd_ppm=settings.shift_sd_ppm,
            width_sd_hz=settings.width_sd_hz,
            freedom_per_ppm=None if isinstance(flexibility, str) else flexibility,
            **sampling,
        )

    if settings.lipids != "yes":
        fit = fitted(basis)
        if settings.lipids == "no" or not shows_lipids(fit):
            return fit, basis
    basis = with_lipids(basis, **sampling)
    return fitted(basis), basis


def shows_lipids(fit: Fit) -> bool:
    """Whether a spectrum is much higher at 1.3 ppm than at 0.9 ppm, where macromolecules are."""
    above = fit.data - fit.baseline
    lipid = above[(fit.ppm > 1.2) & (fit.ppm < 1.4)]
    methyl = above[(fit.ppm > 0.85) & (fit.ppm < 0.97)]
    naa = above[(fit.ppm > 1.9) & (fit.ppm < 2.1)]
    if not len(lipid) or not len(methyl):
        return False
    return bool(lipid.max() > max(2.0 * methyl.max(), 0.15 * naa.max()))


def _preprocess_edited(
    scan: Scan,
    folder: Path,
    region: str,
    conditions: Mapping[str, Svs],
    settings: MrsPreprocessSettings,
) -> None:
    """MEGA-PRESS: glutathione from the difference, everything else from the unedited spectrum."""
    off_svs = conditions["OFF"]
    sequence = sequence_of(off_svs, settings, who=scan.who)
    if settings.basis or sequence.name != "mega-press":
        raise ConfigError(
            scan.who,
            found=f"{off_svs.name} holds edited sub-spectra, the sequence is {sequence.name} and "
            f"mrs.basis is '{settings.basis}'",
            wanted="mrs.sequence mega-press and no basis file: a difference needs both conditions",
            mend="Mend mrs.sequence and leave mrs.basis empty",
        )
    if EDITED not in settings.metabolites:
        raise ConfigError(
            scan.who,
            found=f"{off_svs.name} is edited and mrs.metabolites has no {EDITED}",
            wanted=f"{EDITED}, which the difference is fitted for",
            mend="Mend mrs.metabolites",
        )
    sampling: dict[str, Any] = {
        "dwell_s": off_svs.dwell_s, "frequency_mhz": off_svs.frequency_mhz,
    }  # fmt: skip
    bases = edited_bases(
        settings.metabolites, replace(sequence, edit_ppm=settings.edit_on_ppm), sequence,
        points=off_svs.points, **sampling,
    )  # fmt: skip
    if EDITED not in bases.difference.names:
        raise ConfigError(
            scan.who,
            found=f"editing at {settings.edit_on_ppm:g} ppm changes nothing of {EDITED}",
            wanted="mrs.edit_on_ppm near 4.56",
            mend="Mend mrs.edit_on_ppm; other edited metabolites are not read",
        )
    water = read_water(scan, off_svs)
    off, on = (
        averaged_spectrum(conditions[name], water, shot_rejection_sd=settings.shot_rejection_sd)
        for name in ("OFF", "ON")
    )
    fit, basis = _fitted(off, bases.off, settings)
    edited_fit, _ = _fitted(on, bases.on, settings)
    left = edited_fit.total(SUMS["tNAA"])[0] / max(fit.total(SUMS["tNAA"])[0], _TINY)
    if left < 0.5:
        raise DatasetError(
            scan.who,
            found=f"NAA of the edited sub-spectrum of {off_svs.name} is {left:.2f} of that of the "
            "unedited one, as where GABA is edited at 1.9 ppm",
            wanted=f"editing of {EDITED} at {settings.edit_on_ppm:g} ppm, which spares NAA",
            mend="Leave the file out, or look whether ON and OFF are named the right way round",
        )
    difference = difference_of(
        on.svs.averaged(), off.svs.averaged(), edited_fit, fit, dwell_s=off_svs.dwell_s
    )
    found = fit_difference(difference.fid, bases.difference, fit, **sampling)
    steps = [{**step, "spectrum": "unedited"} for step in off.steps]
    steps += [{**step, "spectrum": "edited"} for step in on.steps]
    _write(scan, folder, region, replace(off, steps=[*steps, difference.step()]))
    write_fit(
        fit, folder, scan, region, basis=basis.description, difference=found,
        difference_basis=bases.difference.description,
    )  # fmt: skip


def _write(scan: Scan, folder: Path, region: str, spectrum: Spectrum) -> None:
    from commissure.mrs.figures import shots_figure, write_figure

    def path(suffix: str, extension: str, desc: str = "") -> Path:
        return folder / scan.derivative(suffix, extension, voi=region, desc=desc)

    for suffix, svs in (("svs", spectrum.svs), ("mrsref", spectrum.water)):
        if svs is None:
            continue
        write_svs(svs, path(suffix, ".nii.gz", "preproc"))
        source = scan.path if suffix == "svs" else scan.associated["mrsref"]
        write_json(
            {
                "Sources": [source.name],
                "SpatialReference": "scanner",
                "EchoTime": svs.te_s,
                "RepetitionTime": svs.tr_s,
                "Acquisition": spectrum.raw if suffix == "svs" else {},
                "Steps": spectrum.steps,
            },
            path(suffix, ".json", "preproc"),
        )
    if len(spectrum.before) > 1:
        figure = shots_figure(
            spectrum.before,
            spectrum.after,
            spectrum.kept,
            dwell_s=spectrum.svs.dwell_s,
            frequency_mhz=spectrum.svs.frequency_mhz,
            title=f"{scan.who}, voxel {region}: shots before and after alignment",
        )
        write_figure(figure, folder / "figures" / scan.derivative("svs", ".svg", desc="shots"))
