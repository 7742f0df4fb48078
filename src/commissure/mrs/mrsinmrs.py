"""What a spectrum says towards MRSinMRS, the minimum reporting standard of spectroscopy.

Items after Lin A et al., NMR Biomed 34:e4484, 2021, table 1; the wording here is our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.mrs.acquisition.nifti_mrs import GYROMAGNETIC_MHZ_PER_T, Svs
from commissure.mrs.quantification.relaxation import RELAXATION_SETS
from commissure.mrs.settings import MrsMeasureSettings

#: Metabolites whose bounds are reported.
_BOUNDS = ("Glu", "Gln", "GSH", "tNAA", "tCr", "tCho", "Ins")


def acquisition(svs: Svs) -> dict[str, Any]:
    """What the raw file says of itself, for the sidecar of its derivative; unknown is None."""

    def field(*keys: str) -> Any:
        for key in keys:
            value = svs.metadata.get(key)
            if value not in (None, "", "n/a", []):
                return value
        return None

    shots, coils, points = svs.fids.shape
    averages = field("NumberOfTransients", "NumberOfAverages")
    return {
        "FieldT": round(svs.frequency_mhz / GYROMAGNETIC_MHZ_PER_T, 2),
        "Manufacturer": field("Manufacturer"),
        "Model": field("ManufacturersModelName"),
        "Software": field("SoftwareVersions"),
        "Coil": field("ReceiveCoilName", "RxCoil"),
        "Nucleus": "1H",
        "Sequence": field("PulseSequenceType", "SequenceName", "ProtocolName"),
        "VoxelMm": [round(float(v), 2) for v in np.linalg.norm(svs.affine[:3, :3], axis=0)],
        "RepetitionTimeS": svs.tr_s,
        "EchoTimeS": svs.te_s,
        "StoredShots": shots,
        "StoredCoils": coils,
        "Averages": averages if isinstance(averages, int | float) else None,
        "SpectralWidthHz": round(1 / svs.dwell_s, 2),
        "Points": points,
        "WaterSuppression": field("WaterSuppressionType", "WaterSuppressionTechnique"),
        "Shimming": field("ShimmingTechnique", "B0ShimmingTechnique"),
    }


def mrs_in_mrs(
    raw: Mapping[str, Any],
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
    raw
        Of :func:`acquisition`; empty where another engine wrote the derivatives.
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
    rows: list[dict[str, Any]] = []

    def add(section: str, item: str, value: Any, unit: str = "") -> None:
        if isinstance(value, list):
            value = " x ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
        rows.append({"section": section, "item": item, "value": value, "unit": unit})

    done = {step.get("step"): step for step in steps}
    field_t = raw.get("FieldT")
    add("1. Hardware", "Field strength", field_t and f"{field_t:g} T")
    for item, key in (
        ("Manufacturer", "Manufacturer"), ("Scanner model", "Model"),
        ("Scanner software", "Software"), ("Receive coil", "Coil"),
    ):  # fmt: skip
        add("1. Hardware", item, raw.get(key))
    te, tr, width = (raw.get(key) for key in ("EchoTimeS", "RepetitionTimeS", "SpectralWidthHz"))
    timing = f"TR {1e3 * tr:g} ms, TE {1e3 * te:g} ms" if te and tr else None
    two = "2. Acquisition"
    add(two, "Pulse sequence", raw.get("Sequence"))
    add(two, "Volume of interest", region)
    add(two, "Nominal size", raw.get("VoxelMm"), "mm")
    add(two, "Repetition and echo time", timing)
    add(two, "Averages", raw.get("Averages"))
    add(two, "Shots stored", raw.get("StoredShots"))
    add(two, "Coils stored", raw.get("StoredCoils"))
    add(two, "Sampling", width and f"{width:g} Hz, {raw.get('Points')} points")
    add(two, "Water suppression", raw.get("WaterSuppression"))
    add(two, "Shimming", raw.get("Shimming"))
    add(two, "Triggering or motion correction", None)
    three = "3. Analysis"
    add(three, "Software", f"Commissure {version}")
    applied = [str(name) for name, step in done.items() if step.get("applied")]
    add(three, "Steps applied", ", ".join(applied) or None)
    add(three, "Basis", record.get("Basis"))
    add(three, "Model of the fit", record.get("Model"))
    add(three, "Output", "mmol/kg and ratios to tCr" if water_scaled else "ratios to tCr")
    relaxation = RELAXATION_SETS[settings.relaxation]
    add(three, "Reference and assumptions",
        f"unsuppressed water; {settings.relaxation}: {relaxation.source}" if water_scaled
        else "total creatine")  # fmt: skip
    four = "4. Quality"
    add(four, "Linewidth of creatine", record.get("FWHMppm"), "ppm")
    add(four, "SNR of the fit", record.get("SNR"))
    rejection = done.get("shot rejection", {})
    share = rejection["kept"] / rejection["of"] if rejection.get("applied") else None
    add(four, "Share of shots kept", share)
    add(four, "Residual over noise", record.get("ResidualOverNoise"))
    for name in _BOUNDS:
        add(four, f"Cramér-Rao bound of {name}", crlb_percent.get(name), "%")
    add(four, "Rule for exclusion",
        f"flagged, not deleted: linewidth above {settings.max_fwhm_ppm:g} ppm, SNR below "
        f"{settings.min_snr:g}, CSF above {settings.max_csf_fraction:g}")  # fmt: skip
    return rows
