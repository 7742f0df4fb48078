"""Markers of a patient's lesions at each visit."""

from __future__ import annotations

import math

from commissure.lesion.criteria.burden import burden_of, target_names
from commissure.lesion.criteria.rules import RECIST_1_1, SUMS, Quantity, Rule
from commissure.lesion.measures import growth_rate
from commissure.lesion.readings import Patient
from commissure.rows import Marker

#: Where they lie: everywhere that was looked at.
REGION = "all"

#: The marker of what the criteria add up over the target lesions.
_TARGETS: dict[Quantity, str] = {
    "diameter": "target_sum", "product": "target_product_sum", "volume": "target_volume_sum",
}  # fmt: skip


def marker_rows(patient: Patient, rule: Rule = RECIST_1_1) -> list[Marker]:
    """The markers of sizes in :data:`commissure.lesion.definitions.DEFINITIONS` for every visit.

    Of the target lesions what ``rule`` adds up. A value is missing where a lesion was not evaluated
    or not measured. ``flag`` marks visits with a doubt.
    """
    targets = target_names(patient)
    rows: list[Marker] = []
    first_ml = math.nan
    for visit in patient.visits:
        here = [x for x in visit.lesions if x.state not in ("absent", "merged", "equivocal")]
        unknown = any(x.state == "not evaluated" for x in here)
        volumes = [x.volume_ml for x in here]
        diameters = [x.longest_mm for x in here]
        volume = math.nan if unknown or None in volumes else sum(v for v in volumes if v)
        burden = burden_of(visit, targets, rule)
        if visit is patient.baseline:
            first_ml = volume
        days = visit.day - (patient.baseline.day or 0.0) if visit.day is not None else math.nan
        values = {
            ("lesion_count", "1"): math.nan if unknown else float(len(here)),
            ("lesion_volume", "ml"): volume,
            (_TARGETS[rule.quantity], SUMS[rule.quantity][1]): (
                math.nan if burden.missing or not targets else burden.total
            ),
            ("largest_lesion_diameter", "mm"): math.nan
            if unknown or None in diameters
            else max((d for d in diameters if d), default=0.0),
            ("lesion_growth_rate", "%/day"): growth_rate(first_ml, volume, days),
        }
        doubtful = bool(visit.flags) or any(x.cut for x in here)
        rows += [
            Marker(
                patient.participant_id, visit.session, "lesion", REGION, name, value, unit,
                "flag" if doubtful else "ok",
            )
            for (name, unit), value in values.items()
        ]  # fmt: skip
    return rows
