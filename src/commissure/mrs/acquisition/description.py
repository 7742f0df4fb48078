"""What a raw acquisition says of itself, for sidecars and the MRSinMRS table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.chemical_shift import GYROMAGNETIC_MHZ_PER_T


def acquisition_description(svs: Svs) -> dict[str, Any]:
    """What the raw file says of itself, for the sidecar of its derivative; unknown is None."""

    def field(*keys: str) -> Any:
        for key in keys:
            value = svs.metadata.get(key)
            if value not in (None, "", "n/a", []):
                return value
        return None

    shots, coils, points = svs.fids.shape
    return {
        "FieldT": round(svs.frequency_mhz / GYROMAGNETIC_MHZ_PER_T, 2),
        "Manufacturer": field("Manufacturer"),
        "Model": field("ManufacturersModelName"),
        "Software": field("SoftwareVersions"),
        "Coil": field("ReceiveCoilName", "RxCoil"),
        "Nucleus": "1H",
        "Sequence": field("PulseSequenceType", "SequenceName", "ProtocolName"),
        "VoxelMm": [round(float(v), 2) for v in np.linalg.norm(svs.affine[:3, :3], axis=0)],
        "RepetitionTimeS": svs.tr_s if np.isfinite(svs.tr_s) else None,
        "EchoTimeS": svs.te_s,
        "StoredShots": shots,
        "StoredCoils": coils,
        "Averages": told_averages(svs.metadata),
        "SpectralWidthHz": round(1 / svs.dwell_s, 2),
        "Points": points,
        "WaterSuppression": field("WaterSuppressionType", "WaterSuppressionTechnique"),
        "Shimming": field("ShimmingTechnique", "B0ShimmingTechnique"),
        **({} if svs.placed else {"PlaceKnown": False}),
    }


def told_averages(metadata: Mapping[str, Any]) -> float | None:
    """How many shots a header says were taken, if it says so."""
    for field in ("NumberOfTransients", "NumberOfAverages"):
        value = metadata.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return float(value)
    return None


def eddy_currents_corrected(metadata: Mapping[str, Any]) -> bool:
    """Whether the header says that eddy currents have been corrected (``ProcessingApplied``)."""
    applied = metadata.get("ProcessingApplied")
    steps = applied if isinstance(applied, list) else [applied]
    return any(
        "eddy" in str(step.get("Method", "")).lower() for step in steps if isinstance(step, Mapping)
    )
