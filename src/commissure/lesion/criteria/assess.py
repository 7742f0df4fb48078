"""The response at every follow-up, with its reason in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from commissure.errors import DatasetError
from commissure.lesion.criteria.burden import Burden, burden_of, target_names
from commissure.lesion.criteria.clinical import with_clinical_state
from commissure.lesion.criteria.non_target import NonTarget, non_target_response
from commissure.lesion.criteria.rules import Rule
from commissure.lesion.criteria.target_response import Category, target_response
from commissure.lesion.criteria.targets import measurability
from commissure.lesion.readings import Patient, Visit, check_patient

#: Shortest time after which progression soon after radiotherapy can be confirmed (4 weeks).
CONFIRMED_AFTER_DAYS = 28.0


@dataclass(frozen=True)
class Assessment:
    """The response at one follow-up.

    Attributes
    ----------
    participant_id, session, day
        Whose, when.
    total, baseline, nadir
        Sums in the unit of the criteria; NaN where a target lesion was not evaluated or there is
        none.
    nadir_session
        The visit of the nadir; empty without target lesions.
    target
        Response of the target lesions; None without any.
    non_target
        Response of the others; None without any.
    new_lesion
        ``yes``, ``equivocal`` or ``no``.
    response
        The overall response at this visit.
    reason
        One or more sentences.
    flags
        Doubts about the readings, each a sentence.
    progression_session
        Of progression, the visit at which it began; empty otherwise.
    """

    participant_id: str
    session: str
    day: float | None
    total: float
    baseline: float
    nadir: float
    nadir_session: str
    target: Category | None
    non_target: NonTarget | None
    new_lesion: str
    response: Category
    reason: str
    flags: tuple[str, ...] = ()
    progression_session: str = ""


@dataclass
class _Course:
    """What earlier visits leave to later ones."""

    baseline: Burden
    nadir: Burden
    nadir_steroids: float | None
    last: Category | None = None
    pending: tuple[str, float | None] | None = None


def assess(patient: Patient, rule: Rule) -> list[Assessment]:
    """Judge every follow-up of a patient.

    Parameters
    ----------
    patient
        Readings of the baseline and at least one follow-up.
    rule
        The criteria, from :func:`commissure.lesion.criteria.rules.chosen_rule`.

    Raises
    ------
    DatasetError
        As :func:`~commissure.lesion.readings.check_patient`; or there are more target lesions
        than the criteria allow, or a target lesion has no size at the baseline.
    """
    check_patient(patient)
    targets = target_names(patient)
    baseline = burden_of(patient.baseline, targets, rule)
    flags = _check_baseline(patient, baseline, rule)
    course = _Course(baseline, baseline, patient.baseline.steroids_mg)
    results = []
    for visit in patient.visits[1:]:
        result = _judged(patient, visit, targets, course, rule)
        results.append(replace(result, flags=(*flags, *result.flags)))
    return results


def _judged(
    patient: Patient, visit: Visit, targets: tuple[str, ...], course: _Course, rule: Rule
) -> Assessment:
    now = burden_of(visit, targets, rule)
    others = non_target_response(patient, visit, rule)
    new = _new_lesions(visit)
    target = target_response(now, course.baseline, course.nadir, rule) if targets else None
    by_size = target.category if target else None
    category, reason = _overall(by_size, others.category, new)
    parts = [reason, target.reason if target else "there is no target lesion", others.reason]
    if category != "PD" and course.last == "CR" and _back(now, others.category, rule):
        category = "PD"
        parts[0] = (
            "disease is back after a complete response, which is progression (had that response "
            "been doubtful, both visits would be PR)"
        )
    parts[0] = f"{category}: {parts[0]}"
    flags = [*visit.flags, *_flags_of(visit, targets)]
    if rule.clinical:
        category, more, doubts = with_clinical_state(
            category, visit, patient.baseline, course.nadir_steroids, rule,
            by_growth=by_size == "PD"
            and others.category != "PD" and new != "yes",
            measurable=bool(targets),
        )  # fmt: skip
        parts += more
        flags += doubts
    since = visit.session if category == "PD" else ""
    if category == "PD" and rule.radiotherapy_days:
        category, since, more = _soon_after_radiotherapy(patient, visit, course, rule)
        parts += more
    if not parts[0].startswith(f"{category}: "):
        parts[0] = f"{category}: by size {parts[0]}"
    result = Assessment(
        patient.participant_id, visit.session, visit.day,
        total=math.nan if now.missing or not targets else now.total,
        baseline=course.baseline.total if targets else math.nan,
        nadir=course.nadir.total if targets else math.nan,
        nadir_session=course.nadir.session if targets else "",
        target=by_size, non_target=others.category, new_lesion=new,
        response=category, reason="; ".join(part for part in parts if part) + ".",
        flags=tuple(flags), progression_session=since,
    )  # fmt: skip
    _remember(course, now, visit, category)
    return result


def _overall(target: Category | None, others: NonTarget | None, new: str) -> tuple[Category, str]:
    """The table of overall responses, and which of its lines applies."""
    if new == "yes":
        return "PD", "there is a new lesion"
    if target == "PD":
        return "PD", "the target lesions have progressed"
    if others == "PD":
        return "PD", "non-target disease has progressed unequivocally"
    if target is None:
        if others == "CR":
            return "CR", "all non-target lesions are gone"
        if others == "NE" or others is None:
            return "NE", "not all non-target lesions were evaluated"
        return "NON-CR/NON-PD", "non-target disease persists"
    if target == "CR" and others in ("NON-CR/NON-PD", "NE"):
        left = "persists" if others == "NON-CR/NON-PD" else "was not all evaluated"
        return "PR", f"the target lesions are gone, and non-target disease {left}"
    words = {
        "CR": "all disease is gone",
        "PR": "the target lesions have shrunk enough",
        "MR": "the target lesions have shrunk enough for a minor response",
        "SD": "the target lesions have neither shrunk nor grown enough",
        "NE": "not all target lesions were evaluated",
    }
    return target, words[target]


def _new_lesions(visit: Visit) -> str:
    new = [lesion for lesion in visit.lesions if lesion.role == "new"]
    if any(x.state in ("measured", "present", "progression", "too small") for x in new):
        return "yes"
    return "equivocal" if any(x.state == "equivocal" for x in new) else "no"


def _back(now: Burden, others: NonTarget | None, rule: Rule) -> bool:
    """Whether anything is seen again."""
    return bool(now.left) or others == "NON-CR/NON-PD"


def _soon_after_radiotherapy(
    patient: Patient, visit: Visit, course: _Course, rule: Rule
) -> tuple[Category, str, list[str]]:
    """Progression in the weeks after radiotherapy waits for a second visit."""
    if course.pending is not None:
        session, day = course.pending
        if day is not None and visit.day is not None and visit.day - day >= CONFIRMED_AFTER_DAYS:
            return "PD", session, [f"it confirms and dates back to {session}"]
        return "NE", "", [f"it comes too soon after {session} to confirm it (4 weeks)"]
    end = patient.radiotherapy_end_day
    if end is None or visit.day is None or not 0 <= visit.day - end <= rule.radiotherapy_days:
        return "PD", visit.session, []
    weeks = rule.radiotherapy_days / 7
    course.pending = (visit.session, visit.day)
    return "NE", "", [
        f"within {weeks:g} weeks after radiotherapy ({visit.day - end:g} days) this may be "
        "pseudoprogression: it counts once a visit at least 4 weeks later shows it again"
    ]  # fmt: skip


def _remember(course: _Course, now: Burden, visit: Visit, category: Category) -> None:
    if not now.missing and now.total < course.nadir.total:
        course.nadir, course.nadir_steroids = now, visit.steroids_mg
    if category != "NE":
        course.last = category
        course.pending = None


def _check_baseline(patient: Patient, baseline: Burden, rule: Rule) -> list[str]:
    """Refuse target lesions that cannot be followed; flag those that should not have been."""
    who = f"{patient.participant_id} {patient.baseline.session}"
    targets = [x for x in patient.baseline.lesions if x.role == "target"]
    if len(targets) > rule.targets:
        raise DatasetError(
            who,
            found=f"{len(targets)} target lesions",
            wanted=f"at most {rule.targets} ({rule.title})",
            mend="Call the others non-target",
        )
    organs: dict[str, int] = {}
    for lesion in targets:
        organ = "lymph node" if lesion.node else lesion.organ
        organs[organ] = organs.get(organ, 0) + 1
        if organ and organs[organ] > rule.per_organ:
            raise DatasetError(
                who,
                found=f"{organs[organ]} target lesions in '{organ}'",
                wanted=f"at most {rule.per_organ} of an organ ({rule.title})",
                mend="Call the others non-target",
            )
    if baseline.missing:
        raise DatasetError(
            who,
            found=f"target lesion {baseline.missing[0]} has no size at the baseline",
            wanted=f"the diameters that its {rule.quantity} needs",
            mend="Measure it, or call it non-target",
        )
    if targets and baseline.total <= 0:
        raise DatasetError(
            who, found="the target lesions have no size at the baseline", wanted="more than 0"
        )
    judged = [(lesion, measurability(lesion, rule)) for lesion in targets]
    flags = [
        f"target lesion {lesion.lesion} is not measurable: {why}"
        for lesion, why in judged if why
    ]  # fmt: skip
    if not targets:
        flags.append("no target lesion at the baseline: the response rests on the others")
    return flags


def _flags_of(visit: Visit, targets: tuple[str, ...]) -> list[str]:
    flags = []
    for lesion in visit.lesions:
        if lesion.lesion not in targets:
            continue
        if lesion.cut:
            flags.append(f"target lesion {lesion.lesion} is cut by the edge of the image")
        if lesion.node and lesion.state == "measured" and lesion.short_mm is None:
            flags.append(f"node {lesion.lesion} was read without its short axis")
    return flags
