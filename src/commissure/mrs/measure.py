"""From a fitted spectrum of any engine to marker rows, a quality record and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from commissure import __version__
from commissure.checks import Check, write_quality
from commissure.files import write_json
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import regions
from commissure.images.figures import save_figure
from commissure.images.load import load_image
from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.chemical_shift import GYROMAGNETIC_MHZ_PER_T
from commissure.mrs.derivatives import (
    MrsFiles,
    MrsMeasured,
    PreprocessedSpectrum,
    read_averaged_water,
    read_preprocessed,
)
from commissure.mrs.figures import fit_figure, voxel_figure
from commissure.mrs.mrsinmrs import mrs_in_mrs
from commissure.mrs.quality import (
    SpectralQuality,
    basis_check,
    is_flagged,
    session_check,
    spectral_checks,
    voxel_checks,
)
from commissure.mrs.quantification.concentrations import (
    Estimate,
    at_zero,
    concentrations,
    creatine_amplitude,
    crlb_percent,
    ratios,
    read_fit,
)
from commissure.mrs.quantification.relaxation import (
    RELAXATION_SETS,
    Timing,
    TissueFractions,
    concentration_factor,
    molar_factor,
)
from commissure.mrs.quantification.tissue import (
    VoxelPlace,
    brain_maps,
    tissue_fractions,
    voxel_place,
    voxel_share,
)
from commissure.mrs.quantification.water import water_signal
from commissure.mrs.scale_checks import WaterScaling, scale_check, scale_record
from commissure.mrs.sequence_checks import sequence_checks
from commissure.mrs.settings import MrsMeasureSettings
from commissure.mrs.spread_checks import edited_checks, spread_checks, weak_check
from commissure.names import Scan
from commissure.rows import Marker, write_markers

#: Markers that the fit's record holds, with their key there and their unit.
_RECORDED = (("fwhm", "FWHMppm", "ppm"), ("snr", "SNR", "1"))


@dataclass
class Findings:
    """What has been measured of one spectrum so far.

    Attributes
    ----------
    values
        Number and unit by marker.
    checks
        Quality checks, in the order in which they were made.
    missing
        Products that could not be computed, each with its cause.
    molar
        Millimoles per litre of tissue, by marker.
    scale
        How total creatine comes from its amplitude, factor by factor.
    """

    values: dict[str, tuple[float, str]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    molar: Mapping[str, float] = field(default_factory=dict)
    scale: Mapping[str, Any] = field(default_factory=dict)

    def add(self, values: Mapping[str, float], unit: str) -> None:
        """Take in numbers of one unit."""
        self.values.update({name: (value, unit) for name, value in values.items()})


def measure(
    scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: MrsMeasureSettings
) -> None:
    """Write marker rows, quality record, tissue fractions and figures of one spectrum.

    Parameters
    ----------
    scan
        The raw ``svs`` file, for its names.
    folder
        Holds the derivatives of an engine; written to.
    anat
        Anatomical derivatives of the same session; without them there are ratios only.
    settings
        See :class:`MrsMeasureSettings`.

    Raises
    ------
    DatasetError
        A derivative is missing or unreadable.
    QualityError
        The voxel lies outside the brain of the T1w image.
    """
    files = MrsFiles.of(scan, folder, voi=settings.voi)
    measured = MrsMeasured.of(scan, folder, voi=settings.voi)
    preprocessed = read_preprocessed(files, who=scan.who)
    fit = read_fit(files.fit, who=scan.who)

    findings = _spectral_findings(preprocessed, fit, settings)
    if anat is None:
        findings.missing["concentrations"] = (
            f"{scan.who} has no T1w image, so the tissue of the voxel is not known; "
            "ratios to creatine are given"
        )
    elif preprocessed.acquisition.get("PlaceKnown") is False:
        findings.missing["concentrations"] = (
            f"the header of {scan.path.name} does not say where the voxel lies (sform_code and "
            "qform_code are 0), so its tissue is not known; ratios to creatine are given"
        )
    else:
        fractions = _measure_voxel(scan, preprocessed.svs, anat, measured, findings, settings)
        _measure_concentrations(scan, files, preprocessed.svs, fit, fractions, findings, settings)
    _draw_fits(scan, preprocessed, measured, findings.checks)

    write_markers(
        (
            Marker.of(
                scan, "mrs", region=measured.region, marker=name, value=value, unit=unit,
                flagged=is_flagged(name, findings.checks),
            )
            for name, (value, unit) in findings.values.items()
        ),
        measured.markers,
    )  # fmt: skip
    _write_quality(preprocessed, fit, measured, findings, settings)


def _spectral_findings(
    preprocessed: PreprocessedSpectrum, fit: Mapping[str, Estimate], settings: MrsMeasureSettings
) -> Findings:
    """Ratios, linewidth and signal-to-noise, with the checks of the spectrum itself."""
    findings, record = Findings(), preprocessed.record
    findings.add(ratios(fit), "1")
    if not findings.values:
        findings.missing["ratios"] = (
            "the fit gave total creatine no amplitude, so there is nothing to divide by"
        )
    spectral = SpectralQuality.of(preprocessed.svs, record, preprocessed.curves)
    findings.checks += spectral_checks(spectral, settings=settings, steps=preprocessed.steps)
    if record.get("BasisFlag"):
        findings.checks.append(basis_check(str(record["BasisFlag"])))
    if record.get("Sequence"):
        findings.checks += sequence_checks(record["Sequence"])
    if record.get("Spread"):
        findings.checks += spread_checks(record["Spread"])
    if record.get("Edited"):
        findings.checks += edited_checks(record["Edited"])
    findings.checks.append(weak_check(fit))
    for name, key, unit in _RECORDED:
        if key in record:
            findings.add({name: float(record[key])}, unit)
    return findings


def _measure_voxel(
    scan: Scan,
    svs: Svs,
    anat: AnatFiles,
    measured: MrsMeasured,
    findings: Findings,
    settings: MrsMeasureSettings,
) -> TissueFractions:
    """Tissue and place of the voxel: its record, its checks and its figure."""
    maps = brain_maps(anat, who=scan.who)
    fractions, inside = tissue_fractions(svs.affine, *maps, who=scan.who)
    place = voxel_place(svs.affine, anat, who=scan.who)
    findings.add({"f_csf": fractions.csf}, "1")
    write_json(_tissue_record(fractions, inside, place, anat), measured.tissue)
    findings.checks += voxel_checks(fractions, inside, place, measured.region, settings=settings)
    findings.checks.append(session_check(scan.entities.get("ses", ""), anat.preproc.name))
    _draw_voxel(scan, svs, anat, measured, fractions, place)
    return fractions


def _measure_concentrations(
    scan: Scan,
    files: MrsFiles,
    svs: Svs,
    fit: Mapping[str, Estimate],
    fractions: TissueFractions,
    findings: Findings,
    settings: MrsMeasureSettings,
) -> None:
    """Molal and molar concentrations, or the cause of their absence."""
    times = RELAXATION_SETS[settings.relaxation]
    field_t = svs.frequency_mhz / GYROMAGNETIC_MHZ_PER_T
    water = read_averaged_water(files, who=scan.who)
    if water is None:
        findings.missing["concentrations"] = (
            f"{scan.who} has no water reference; ratios to creatine are given"
        )
        return
    if not (np.isfinite(svs.tr_s) and np.isfinite(water.tr_s)):
        which = "the spectrum" if not np.isfinite(svs.tr_s) else "the water reference"
        findings.missing["concentrations"] = (
            f"nothing gives the RepetitionTime of {which} of {scan.who}, so its saturation is not "
            "known; ratios to creatine are given"
        )
        return
    if abs(field_t / times.field_t - 1) > 0.15:
        findings.missing["concentrations"] = (
            f"the spectrum was taken at {field_t:.1f} T and mrs.relaxation {settings.relaxation} "
            f"holds at {times.field_t:g} T; choose a set for this field"
        )
        return
    signal = water_signal(
        water.averaged(), dwell_s=water.dwell_s, frequency_mhz=water.frequency_mhz
    )
    timing, water_timing = Timing(svs.te_s, svs.tr_s), Timing(water.te_s, water.tr_s)
    molal, findings.molar = (
        concentrations(
            fit,
            signal.amplitude,
            fractions,
            timing=timing,
            water_timing=water_timing,
            times=times,
            factor_of=factor,
        )
        for factor in (concentration_factor, molar_factor)
    )
    findings.add(molal, "mmol/kg")
    if "tcr" in molal:
        scaling = WaterScaling(fractions, timing, water_timing, times)
        findings.checks.append(scale_check(molal, scaling))
        findings.scale = scale_record(creatine_amplitude(fit) / signal.amplitude, molal, scaling)


def _write_quality(
    preprocessed: PreprocessedSpectrum,
    fit: Mapping[str, Estimate],
    measured: MrsMeasured,
    findings: Findings,
    settings: MrsMeasureSettings,
) -> None:
    bounds = crlb_percent(fit)
    write_quality(
        findings.checks,
        measured.quality,
        notes=[
            *(str(step["note"]) for step in preprocessed.steps if step.get("note")),
            *(f"{name} was fitted at zero and is left out." for name in at_zero(fit)),
        ],
        missing=findings.missing,
        region=measured.region,
        relaxation={
            "set": settings.relaxation,
            "source": RELAXATION_SETS[settings.relaxation].source,
            "denominator": "(1 - molal CSF fraction) x metabolite relaxation",
        },
        molar_mmol_per_l=findings.molar,
        scale=findings.scale,
        crlb_percent=bounds,
        fit=preprocessed.record,
        steps=preprocessed.steps,
        mrsinmrs=mrs_in_mrs(
            preprocessed.acquisition,
            preprocessed.record,
            preprocessed.steps,
            bounds,
            region=measured.region,
            settings=settings,
            water_scaled="concentrations" not in findings.missing,
            version=__version__,
        ),
    )


def _tissue_record(
    fractions: TissueFractions, inside: float, place: VoxelPlace, anat: AnatFiles
) -> dict[str, Any]:
    molal = fractions.molal()
    return {
        "GM": fractions.gm,
        "WM": fractions.wm,
        "CSF": fractions.csf,
        "MolalGM": molal[0],
        "MolalWM": molal[1],
        "MolalCSF": molal[2],
        "InBrain": inside,
        "CentreMm": place.centre_mm,
        "Space": anat.template,
        "Structures": dict(place.structures),
        "AtCentre": place.at_centre,
        "Atlas": regions().name,
        "Sources": [anat.gm.name, anat.wm.name, anat.csf.name],
        "SpatialReference": "T1w",
    }


def _draw_fits(
    scan: Scan, preprocessed: PreprocessedSpectrum, measured: MrsMeasured, checks: list[Check]
) -> None:
    """Draw the fit, and that of the edited difference, where the engine left curves."""
    title = f"{scan.who}, voxel {measured.region}: fit"
    if preprocessed.curves is not None:
        caption = ", ".join(
            f"{check.name} {check.value:.3g}" for check in checks[:3] if check.value is not None
        )
        figure = fit_figure(preprocessed.curves, title=title, caption=caption)
        save_figure(figure, measured.fit_figure)
    if preprocessed.difference is not None:
        figure = fit_figure(
            preprocessed.difference,
            title=f"{title} of the edited difference",
            caption="edited minus unedited spectrum",
        )
        save_figure(figure, measured.difference_figure)


def _draw_voxel(
    scan: Scan,
    svs: Svs,
    anat: AnatFiles,
    measured: MrsMeasured,
    fractions: TissueFractions,
    place: VoxelPlace,
) -> None:
    t1w = load_image(anat.preproc, who=scan.who, ndim=3)
    mask = np.asanyarray(load_image(anat.mask, who=scan.who, ndim=3).dataobj)
    share, _ = voxel_share(svs.affine, t1w)
    edges = " x ".join(f"{v:.0f}" for v in np.linalg.norm(svs.affine[:3, :3], axis=0))
    where = ", ".join(f"{name} {100 * v:.0f} %" for name, v in list(place.structures.items())[:4])
    figure = voxel_figure(
        t1w, mask, share,
        title=f"{scan.who}, voxel {measured.region}: {edges} mm on the T1w image",
        caption=f"GM {fractions.gm:.2f}, WM {fractions.wm:.2f}, CSF {fractions.csf:.2f}; "
        f"template centre ({', '.join(f'{v:.0f}' for v in place.centre_mm)}) mm; {where}",
    )  # fmt: skip
    save_figure(figure, measured.voxel_figure)
