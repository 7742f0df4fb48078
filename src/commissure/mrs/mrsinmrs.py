"""What a spectrum says towards MRSinMRS, the minimum reporting standard of spectroscopy.

Items after Lin A et al., NMR Biomed 34:e4484, 2021, table 1; the wording here is our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from commissure.mrs.metabolites import REPORTED
from commissure.mrs.quantification.relaxation import RELAXATION_SETS
from commissure.mrs.settings import MrsMeasureSettings

#: An item of the table with its value and unit; None is what only the authors know.
Item = tuple[str, Any, str]


def mrs_in_mrs(
    acquisition: Mapping[str, Any],
    record: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
    crlb_percent: Mapping[str, float],
    *,
    region: str,
    settings: MrsMeasureSettings,
    water_scaled: bool,
    version: str,
) -> list[dict[str, Any]]:
    """Rows of the table for one spectrum.

    Parameters
    ----------
    acquisition
        Of :func:`commissure.mrs.acquisition.description.acquisition_description`; empty where
        another engine wrote the derivatives.
    record, steps, crlb_percent
        Of the fit and of preprocessing.
    region
        Name of the voxel.
    settings
        Of the study.
    water_scaled
        Whether there are concentrations.
    version
        Of this software.

    Returns
    -------
    list
        ``section``, ``item``, ``value`` (text, number or None for what only the authors know) and
        ``unit``.
    """
    by_name = {str(step.get("step")): step for step in steps}
    sections = {
        "1. Hardware": _hardware(acquisition),
        "2. Acquisition": _acquisition(acquisition, region),
        "3. Analysis": _analysis(
            record, by_name, settings=settings, water_scaled=water_scaled, version=version
        ),
        "4. Quality": _quality(record, by_name, crlb_percent, settings),
    }
    return [
        {"section": section, "item": item, "value": _joined(value), "unit": unit}
        for section, items in sections.items()
        for item, value, unit in items
    ]


def _joined(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return " x ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)


def _hardware(acquisition: Mapping[str, Any]) -> list[Item]:
    field_t = acquisition.get("FieldT")
    return [
        ("Field strength", field_t and f"{field_t:g} T", ""),
        ("Manufacturer", acquisition.get("Manufacturer"), ""),
        ("Scanner model", acquisition.get("Model"), ""),
        ("Scanner software", acquisition.get("Software"), ""),
        ("Receive coil", acquisition.get("Coil"), ""),
    ]


def _acquisition(acquisition: Mapping[str, Any], region: str) -> list[Item]:
    te, tr = acquisition.get("EchoTimeS"), acquisition.get("RepetitionTimeS")
    width, points = acquisition.get("SpectralWidthHz"), acquisition.get("Points")
    timing = f"TR {1e3 * tr:g} ms, TE {1e3 * te:g} ms" if te and tr else None
    return [
        ("Pulse sequence", acquisition.get("Sequence"), ""),
        ("Volume of interest", region, ""),
        ("Nominal size", acquisition.get("VoxelMm"), "mm"),
        ("Repetition and echo time", timing, ""),
        ("Averages", acquisition.get("Averages"), ""),
        ("Shots stored", acquisition.get("StoredShots"), ""),
        ("Coils stored", acquisition.get("StoredCoils"), ""),
        ("Sampling", width and f"{width:g} Hz, {points} points", ""),
        ("Water suppression", acquisition.get("WaterSuppression"), ""),
        ("Shimming", acquisition.get("Shimming"), ""),
        ("Triggering or motion correction", None, ""),
    ]


def _analysis(
    record: Mapping[str, Any],
    by_name: Mapping[str, Mapping[str, Any]],
    *,
    settings: MrsMeasureSettings,
    water_scaled: bool,
    version: str,
) -> list[Item]:
    applied = [name for name, step in by_name.items() if step.get("applied")]
    source = RELAXATION_SETS[settings.relaxation].source
    reference = (
        f"unsuppressed water; {settings.relaxation}: {source}" if water_scaled else "total creatine"
    )
    return [
        ("Software", f"Commissure {version}", ""),
        ("Steps applied", ", ".join(applied) or None, ""),
        ("Basis", record.get("Basis"), ""),
        ("Model of the fit", record.get("Model"), ""),
        ("Output", "mmol/kg and ratios to tCr" if water_scaled else "ratios to tCr", ""),
        ("Reference and assumptions", reference, ""),
    ]


def _quality(
    record: Mapping[str, Any],
    by_name: Mapping[str, Mapping[str, Any]],
    crlb_percent: Mapping[str, float],
    settings: MrsMeasureSettings,
) -> list[Item]:
    rejection = by_name.get("shot rejection", {})
    share = rejection["kept"] / rejection["of"] if rejection.get("applied") else None
    rule = (
        f"flagged, not deleted: linewidth above {settings.max_fwhm_ppm:g} ppm, SNR below "
        f"{settings.min_snr:g}, CSF above {settings.max_csf_fraction:g}"
    )
    return [
        ("Linewidth of creatine", record.get("FWHMppm"), "ppm"),
        ("SNR of the fit", record.get("SNR"), ""),
        ("Share of shots kept", share, ""),
        ("Residual over noise", record.get("ResidualOverNoise"), ""),
        *(
            (f"Cramér-Rao bound of {reported.name}", crlb_percent.get(reported.name), "%")
            for reported in REPORTED
            if reported.drawn
        ),
        ("Rule for exclusion", rule, ""),
    ]
