"""The response of the lesions that are followed without being measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from commissure.lesion.criteria.rules import Rule
from commissure.lesion.readings import LesionReading, Patient, Visit

NonTarget = Literal["CR", "NON-CR/NON-PD", "PD", "NE"]


@dataclass(frozen=True)
class NonTargetResponse:
    """What the non-target lesions say: None where there are none."""

    category: NonTarget | None
    reason: str


def non_target_response(patient: Patient, visit: Visit, rule: Rule) -> NonTargetResponse:
    """Judge the non-target lesions of a visit; one without a reading was not evaluated."""
    names = [x.lesion for x in patient.baseline.lesions if x.role == "non-target"]
    if not names:
        return NonTargetResponse(None, "")
    read = {lesion.lesion: lesion for lesion in visit.lesions}
    worse = [name for name in names if name in read and read[name].state == "progression"]
    if worse:
        return NonTargetResponse("PD", f"non-target {', '.join(worse)} has clearly progressed")
    unread = [
        name for name in names
        if name not in read or read[name].state in ("not evaluated", "equivocal")
    ]  # fmt: skip
    if unread:
        return NonTargetResponse("NE", f"non-target {', '.join(unread)} not evaluated")
    left = [name for name in names if not _gone(read[name], rule)]
    if left:
        return NonTargetResponse("NON-CR/NON-PD", f"non-target {', '.join(left)} still seen")
    return NonTargetResponse("CR", "no non-target lesion is left")


def _gone(lesion: LesionReading, rule: Rule) -> bool:
    if lesion.state in ("absent", "merged"):
        return True
    if lesion.state != "measured":
        return False
    if lesion.node and rule.normal_node_mm is not None and lesion.short_mm is not None:
        return lesion.short_mm < rule.normal_node_mm
    return lesion.longest_mm == 0
