"""From a fitted spectrum of any engine to marker rows, a quality record and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from commissure import __version__
from commissure.checks import write_quality
from commissure.errors import DatasetError
from commissure.files import write_json
from commissure.images.anat_files import AnatFiles
from commissure.images.load import load_image
from commissure.mrs.acquisition.nifti_mrs import GYROMAGNETIC_MHZ_PER_T, Svs, read_svs
from commissure.mrs.derivatives import read_curves, read_record
from commissure.mrs.figures import fit_figure, voxel_figure, write_figure
from commissure.mrs.mrsinmrs import mrs_in_mrs
from commissure.mrs.quality import (
    ON_CONCENTRATIONS,
    Spectral,
    basis_check,
    scale_check,
    session_check,
    spectral_checks,
    voxel_checks,
)
from commissure.mrs.quantification.concentrations import MARKERS, concentrations, ratios, read_fit
from commissure.mrs.quantification.relaxation import (
    RELAXATION_SETS,
    Fractions,
    Timing,
    concentration_factor,
    molar_factor,
)
from commissure.mrs.quantification.tissue import (
    Place,
    brain_maps,
    tissue_fractions,
    voxel_place,
    voxel_share,
)
from commissure.mrs.settings import MrsMeasureSettings
from commissure.mrs.signal.correction import water_signal
from commissure.names import Scan
from commissure.rows import Marker, write_markers


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
    region = scan.entities.get("voi") or settings.voi

    def path(suffix: str, extension: str, desc: str = "") -> Path:
        return folder / scan.derivative(suffix, extension, voi=region, desc=desc)

    svs = _derivative(path("svs", ".nii.gz", "preproc"), scan.who)
    fit = read_fit(_there(path("fit", ".tsv"), scan.who), who=scan.who)
    record = read_record(path("fit", ".json"), who=scan.who)
    curves = read_curves(path("svs", ".tsv", "fit"))

    missing: dict[str, str] = {}
    values: dict[str, tuple[float, str]] = {
        name: (value, "1") for name, value in ratios(fit).items()
    }
    if not values:
        missing["ratios"] = (
            "the fit gave total creatine no amplitude, so there is nothing to divide by"
        )
    checks = spectral_checks(
        Spectral.of(svs, record, curves), settings=settings, steps=_steps(path, scan.who)
    )
    if record.get("BasisFlag"):
        checks.append(basis_check(str(record["BasisFlag"])))
    for name, key in (("fwhm", "FWHMppm"), ("snr", "SNR")):
        if key in record:
            values[name] = (float(record[key]), "ppm" if name == "fwhm" else "1")

    fractions = place = None
    notes = [f"{name} was fitted at zero and is left out." for name in _at_zero(fit)]
    if anat is None:
        missing["concentrations"] = (
            f"{scan.who} has no T1w image, so the tissue of the voxel is not known; "
            "ratios to creatine are given"
        )
    else:
        fractions, inside = tissue_fractions(
            svs.affine, *brain_maps(anat, who=scan.who), who=scan.who
        )
        place = voxel_place(svs.affine, anat, who=scan.who)
        values["f_csf"] = (fractions.csf, "1")
        write_json(_tissue_record(fractions, inside, place, anat), path("tissue", ".json"))
        checks += voxel_checks(fractions, inside, place, region, settings=settings)
        checks.append(session_check(scan.entities.get("ses", ""), anat.preproc.name))
        _draw_voxel(scan, folder, svs, anat, fractions, place, region)

    molar: Mapping[str, float] = {}
    if fractions is not None:
        found, molar, cause = _concentrations(path("mrsref", ".nii.gz", "preproc"), scan, svs, fit,
                                              fractions, settings)  # fmt: skip
        values.update({name: (value, "mmol/kg") for name, value in found.items()})
        if "tcr" in found:
            checks.append(scale_check(found["tcr"]))
        if cause:
            missing["concentrations"] = cause
    if curves is not None:
        caption = ", ".join(
            f"{check.name} {check.value:.3g}" for check in checks[:3] if check.value is not None
        )
        figure = fit_figure(curves, title=f"{scan.who}, voxel {region}: fit", caption=caption)
        write_figure(figure, folder / "figures" / scan.derivative("svs", ".svg", desc="fit"))
    edited = read_curves(path("svs", ".tsv", "difference"))
    if edited is not None:
        figure = fit_figure(
            edited,
            title=f"{scan.who}, voxel {region}: fit of the edited difference",
            caption="edited minus unedited spectrum",
        )
        where = scan.derivative("svs", ".svg", desc="difference")
        write_figure(figure, folder / "figures" / where)

    failed = {check.name for check in checks if check.passed is False}
    write_markers(
        (
            Marker(
                participant_id=f"sub-{scan.entities['sub']}",
                session=f"ses-{scan.entities['ses']}" if scan.entities.get("ses") else "",
                modality="mrs",
                region=region,
                marker=name,
                value=value,
                unit=unit,
                quality="flag"
                if (failed if name in MARKERS else failed - ON_CONCENTRATIONS)
                else "ok",
            )
            for name, (value, unit) in values.items()
        ),
        folder / scan.derivative("markers", ".tsv"),
    )
    write_quality(
        checks,
        folder / scan.derivative("qc", ".json"),
        notes=notes,
        missing=missing,
        region=region,
        relaxation={
            "set": settings.relaxation,
            "source": RELAXATION_SETS[settings.relaxation].source,
            "denominator": "(1 - molal CSF fraction) x metabolite relaxation",
        },
        molar_mmol_per_l=molar,
        crlb_percent=_crlb_percent(fit),
        fit=record,
        steps=_steps(path, scan.who),
        mrsinmrs=mrs_in_mrs(
            _sidecar(path, scan.who).get("Acquisition", {}),
            record,
            _steps(path, scan.who),
            _crlb_percent(fit),
            region=region,
            settings=settings,
            water_scaled="concentrations" not in missing,
            version=__version__,
        ),
    )


def _there(path: Path, who: str) -> Path:
    if not path.exists():
        raise DatasetError(
            who, found=f"{path.name} is not there", mend="Run the preprocessing of mrs first"
        )
    return path


def _derivative(path: Path, who: str) -> Svs:
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    return read_svs(_there(path, who), (sidecar,) if sidecar.exists() else (), who=who)


def _sidecar(path: Any, who: str) -> dict[str, Any]:
    return read_record(path("svs", ".json", "preproc"), who=who)


def _steps(path: Any, who: str) -> list[Mapping[str, Any]]:
    return list(_sidecar(path, who).get("Steps", []))


def _at_zero(fit: Mapping[str, Any]) -> list[str]:
    """Markers whose every part the fit holds at zero."""
    return [
        marker
        for marker, (total, parts) in MARKERS.items()
        if all(fit[name].amplitude <= 0 for name in (*parts, total) if name in fit)
    ]


def _crlb_percent(fit: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: round(100 * e.crlb / e.amplitude, 2) for name, e in fit.items() if e.amplitude > 0
    }


def _concentrations(
    water_path: Path,
    scan: Scan,
    svs: Svs,
    fit: Mapping[str, Any],
    fractions: Fractions,
    settings: MrsMeasureSettings,
) -> tuple[dict[str, float], dict[str, float], str]:
    """Molal and molar concentrations, or the cause of their absence."""
    if not water_path.exists():
        return {}, {}, f"{scan.who} has no water reference; ratios to creatine are given"
    times = RELAXATION_SETS[settings.relaxation]
    field_t = svs.frequency_mhz / GYROMAGNETIC_MHZ_PER_T
    if abs(field_t / times.field_t - 1) > 0.15:
        cause = (
            f"the spectrum was taken at {field_t:.1f} T and mrs.relaxation {settings.relaxation} "
            f"holds at {times.field_t:g} T; choose a set for this field"
        )
        return {}, {}, cause
    water = _derivative(water_path, scan.who)
    signal = water_signal(
        water.averaged(), dwell_s=water.dwell_s, frequency_mhz=water.frequency_mhz
    )
    molal, molar = (
        concentrations(
            fit,
            signal.amplitude,
            fractions,
            timing=Timing(svs.te_s, svs.tr_s),
            water_timing=Timing(water.te_s, water.tr_s),
            times=times,
            factor_of=factor,
        )
        for factor in (concentration_factor, molar_factor)
    )
    return molal, molar, ""


def _tissue_record(
    fractions: Fractions, inside: float, place: Place, anat: AnatFiles
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
        "Atlas": "JHU189, by millimetres of an MNI template it does not name: approximate",
        "Sources": [anat.gm.name, anat.wm.name, anat.csf.name],
        "SpatialReference": "T1w",
    }


def _draw_voxel(
    scan: Scan,
    folder: Path,
    svs: Svs,
    anat: AnatFiles,
    fractions: Fractions,
    place: Place,
    region: str,
) -> None:
    t1w = load_image(anat.preproc, who=scan.who, ndim=3)
    mask = np.asanyarray(load_image(anat.mask, who=scan.who, ndim=3).dataobj)
    share, _ = voxel_share(svs.affine, t1w)
    edges = " x ".join(f"{v:.0f}" for v in np.linalg.norm(svs.affine[:3, :3], axis=0))
    where = ", ".join(f"{name} {100 * v:.0f} %" for name, v in list(place.structures.items())[:4])
    figure = voxel_figure(
        t1w, mask, share,
        title=f"{scan.who}, voxel {region}: {edges} mm on the T1w image",
        caption=f"GM {fractions.gm:.2f}, WM {fractions.wm:.2f}, CSF {fractions.csf:.2f}; "
        f"template centre ({', '.join(f'{v:.0f}' for v in place.centre_mm)}) mm; {where}",
    )  # fmt: skip
    write_figure(figure, folder / "figures" / scan.derivative("svs", ".svg", desc="voxel"))
