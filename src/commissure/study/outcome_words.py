"""Whether the name of a column says that it follows or defines the outcome.

Names are taken apart into whole words, so that ``corresponding_site`` is no response. A word for
the beginning clears what is only a state (``cgi_baseline``), never what comes later
(``change_from_baseline``).
"""

from __future__ import annotations

import re
from collections.abc import Collection

# What is only known later, whatever stands beside it.
_LATER = frozenset(
    ("change", "changes", "changed", "improvement", "improved", "reduction", "end", "endpoint",
     "endpoints", "discharge", "discharged", "after", "follow", "followup", "fu", "posttreatment",
     "relapse", "relapses", "relapsed", "remission", "remitted", "remitter", "responder",
     "responders", "nonresponder", "nonresponders", "nonresponse", "resistant", "resistance",
     "progression", "progressed", "refractory", "outcome", "outcomes", "readmission",
     "rehospitalisation", "rehospitalization")
)  # fmt: skip
# What tells of the present treatment or state.
_STATE = frozenset(
    ("hospitalisation", "hospitalisations", "hospitalization", "hospitalizations", "hospitalised",
     "hospitalized", "admissions", "admission", "clozapine", "dose", "doses", "dosage", "cpz",
     "cpzeq", "chlorpromazine", "adherence", "sofas", "gaf", "cgi", "cgis")
)  # fmt: skip
_SCALES = frozenset(
    ("panss", "cgi", "cgis", "cgs", "gaf", "sofas", "bprs", "sans", "saps", "madrs", "hamd",
     "hamd17", "hdrs", "ham", "ymrs", "bdi", "cdss", "qids", "phq", "symptom", "symptoms",
     "severity", "score")
)  # fmt: skip
_TREATMENT = frozenset(
    ("treatment", "treatments", "drug", "drugs", "medication", "antipsychotic", "antipsychotics",
     "antidepressant", "antidepressants", "therapy", "clinical")
)  # fmt: skip
_BEGINNING = frozenset(("baseline", "bl", "pre", "before", "intake", "premorbid"))
_BANDS = ("theta", "alpha", "beta", "gamma")
_OF_RESPONSE = frozenset(("good", "poor", "early", "late", "status", "partial", "full", "non"))
_OF_TRIALS = frozenset(("failed", "adequate", "number", "n", "count", "past", "previous"))
_LATER_TIME = re.compile(
    r"(?<![a-z])(week|weeks|wk|wks|month|months|mth|mths)[ _-]?0*[1-9]\d*"
    r"|(?<!\d)0*[1-9]\d*[ _-]?(week|weeks|wk|wks|month|months|mth|mths)(?![a-z])"
    r"|(?<![a-z])visit[ _-]?0*([2-9]|1\d)"
)
_LATER_SHORT = re.compile(r"(?<![a-z])[wmdy]0*[1-9]\d*(?![a-z0-9])|(?<![a-z])[vt][2-9](?![a-z0-9])")


def outcome_word(name: str, among: Collection[str] = ()) -> str:
    """The word by which a name tells of the outcome, its treatment or a later visit; else empty.

    Parameters
    ----------
    name
        Name of a column.
    among
        Names of the columns beside it: ``delta`` beside ``theta`` is a band of the EEG.
    """
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold()
    plain = re.sub(r"follow[ _-]*up", "followup", plain)
    plain = re.sub(r"(?<![a-z])end[ _-]*point", "endpoint", plain)
    words = re.findall(r"[a-z]+\d*", plain)
    bare = [word.rstrip("0123456789") for word in words]
    begins = not _BEGINNING.isdisjoint(bare)
    later = next((word for word in bare if word in _LATER), "")
    if later:
        return later
    if (time := _LATER_TIME.search(plain)) is not None:
        return time[0]
    if "delta" in bare and not _is_band(plain, bare, among):
        return "delta"
    scored = not _SCALES.isdisjoint((*words, *bare))
    treated = not _TREATMENT.isdisjoint(bare)
    if "post" in bare and (scored or treated or _paired(plain, among)):
        return "post"
    if scored and (short := _LATER_SHORT.search(plain)) is not None:
        return short[0]
    if "response" in bare and (bare == ["response"] or treated or scored or _OF_RESPONSE & {*bare}):
        return "response"
    if begins or ("first" in bare and "age" in bare):
        return ""
    if "current" in bare and (scored or treated):
        return "current"
    trials = next((word for word in bare if word in ("trial", "trials")), "")
    if trials and (len(bare) == 1 or treated or _OF_TRIALS & {*bare}):
        return trials
    return next((word for word in bare if word in _STATE), "")


def _is_band(plain: str, bare: Collection[str], among: Collection[str]) -> bool:
    """Whether delta is a band of the EEG: it says so, or another band stands beside it."""
    if not {"eeg", "power", "band", "psd", *_BANDS}.isdisjoint(bare):
        return True
    others = {other.casefold() for other in among}
    return any(plain.replace("delta", band) in others for band in _BANDS)


def _paired(plain: str, among: Collection[str]) -> bool:
    """Whether a column of the same name with pre stands beside one with post."""
    others = {other.casefold() for other in among}
    return plain.replace("post", "pre") in others
