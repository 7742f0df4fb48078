"""Symptom scales: where they begin and end, and what share of the symptoms went away.

A scale whose items are scored from 1 does not begin at 0. A percentage that forgets so is too
small, as in most papers (Obermeier et al. 2010).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: Scales of schizophrenia that a label may follow.
ScaleName = Literal["panss", "panss_0_6", "bprs18", "bprs18_0_6", "bprs24", "cgi_s"]


@dataclass(frozen=True)
class Scale:
    """A total score.

    Attributes
    ----------
    title
        What a reader calls it.
    floor, ceiling
        Its smallest and largest value; at the smallest there are no symptoms.
    mild
        Value that corresponds to mildly ill on the CGI, None where no study says so.
    """

    title: str
    floor: float
    ceiling: float
    mild: float | None = None


#: PANSS of 30 items: mildly ill is 58 (Leucht et al. 2005, Schizophr Res 79:231). BPRS of 18 items:
#: 31 (Leucht et al. 2005, Br J Psychiatry 187:366). CGI severity, 1 to 7: 3 is mildly ill.
SCALES: Mapping[ScaleName, Scale] = {
    "panss": Scale("PANSS", 30, 210, 58),
    "panss_0_6": Scale("PANSS (items 0 to 6)", 0, 180, 28),
    "bprs18": Scale("BPRS (18 items)", 18, 126, 31),
    "bprs18_0_6": Scale("BPRS (18 items, 0 to 6)", 0, 108, 13),
    "bprs24": Scale("BPRS (24 items)", 24, 168),
    "cgi_s": Scale("CGI severity", 1, 7, 3),
}
PANSS = SCALES["panss"]


def symptom_reduction(before: float, after: float, *, floor: float = PANSS.floor) -> float:
    """Share of the symptoms that went away: (before - after) / (before - floor).

    NaN where a score is missing or ``before`` is not above the floor.
    """
    if not before > floor or math.isnan(after):
        return math.nan
    return (before - after) / (before - floor)
