"""The best overall response, as it is seen and as it is confirmed, and the day of progression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commissure.lesion.criteria.assess import CONFIRMED_AFTER_DAYS, Assessment
from commissure.lesion.criteria.target_response import CATEGORIES, Category

#: Least time from the baseline for stable disease (6 weeks; a protocol may ask for more).
STABLE_AFTER_DAYS = 42.0

#: Visits between a response and its confirmation that may have been not evaluable.
NOT_EVALUABLE_BETWEEN = 1


@dataclass(frozen=True)
class BestResponse:
    """The best response of a patient.

    Attributes
    ----------
    participant_id
        Whose.
    unconfirmed, confirmed
        The best response as seen once, and as confirmed after the time asked for.
    reason
        Why the confirmed response is what it is.
    progression_session, progression_day
        Where progression began; empty and None without any.
    last_session, last_day
        The last visit that counts: that of progression, or the last one.
    """

    participant_id: str
    unconfirmed: Category
    confirmed: Category
    reason: str
    progression_session: str
    progression_day: float | None
    last_session: str
    last_day: float | None


def best_response(
    assessments: Sequence[Assessment],
    *,
    confirmed_after_days: float = CONFIRMED_AFTER_DAYS,
    stable_after_days: float = STABLE_AFTER_DAYS,
) -> BestResponse:
    """Find the best response until progression.

    A complete response is confirmed by another one, a partial response by a partial or complete
    one, at least four weeks later, with only such responses and at most one visit that was not
    evaluable between them. What is not confirmed, and stable disease, count as stable where the
    visit lies at least six weeks after the baseline; before that as not evaluable, or as
    progression if that comes next (RECIST 1.1, table 3).

    Parameters
    ----------
    assessments
        Follow-ups of one patient in order, at least one.
    confirmed_after_days
        Least time between a response and its confirmation.
    stable_after_days
        Least time from the baseline for stable disease.
    """
    until = list(assessments)
    for number, visit in enumerate(assessments):
        if visit.response == "PD":
            until = list(assessments[: number + 1])
            break
    once = [(_once(visit, stable_after_days), visit) for visit in until]
    held = [
        _confirmed(until, number, confirmed_after_days, stable_after_days)
        for number in range(len(until))
    ]
    unconfirmed = min((category for category, _ in once), key=CATEGORIES.index)
    confirmed, reason = min(held, key=lambda entry: CATEGORIES.index(entry[0]))
    last = until[-1]
    start = next((x for x in until if x.session == last.progression_session), None)
    return BestResponse(
        last.participant_id, unconfirmed, confirmed, f"{confirmed}: {reason}.",
        start.session if start else "", start.day if start else None, last.session, last.day,
    )  # fmt: skip


def _once(visit: Assessment, stable_after_days: float) -> Category:
    if visit.response in ("SD", "NON-CR/NON-PD") and not _late(visit, stable_after_days):
        return "NE"
    return visit.response


def _late(visit: Assessment, days: float) -> bool:
    return visit.day is not None and visit.day >= days


def _confirmed(
    visits: Sequence[Assessment], number: int, after_days: float, stable_days: float
) -> tuple[Category, str]:
    """What one visit counts, and why."""
    visit = visits[number]
    response = visit.response
    if response in ("CR", "PR", "MR"):
        by = _confirmation(visits, number, after_days)
        if by is not None:
            return response, f"seen at {visit.session} and confirmed at {by.session}"
        not_held = f"{response} at {visit.session} is not confirmed {after_days:g} days later"
        if _late(visit, stable_days):
            return "SD", f"{not_held}, and counts as stable disease"
        return "NE", f"{not_held}, and comes before day {stable_days:g}"
    if response in ("SD", "NON-CR/NON-PD"):
        if _late(visit, stable_days):
            return response, f"{response} at {visit.session}"
        when = "on an unknown day" if visit.day is None else f"before day {stable_days:g}"
        return "NE", f"{response} at {visit.session} lies {when}"
    if response == "PD":
        return "PD", f"progression at {visit.progression_session or visit.session}"
    return "NE", f"{visit.session} is not evaluable"


#: Responses that confirm one.
_CONFIRMS: dict[Category, tuple[Category, ...]] = {
    "CR": ("CR",),
    "PR": ("PR", "CR"),
    "MR": ("MR", "PR", "CR"),
}


def _confirmation(
    visits: Sequence[Assessment], number: int, after_days: float
) -> Assessment | None:
    first = visits[number]
    unknown = 0
    for later in visits[number + 1 :]:
        if later.response == "NE":
            unknown += 1
            if unknown > NOT_EVALUABLE_BETWEEN:
                return None
        elif later.response not in _CONFIRMS[first.response]:
            return None
        elif (
            first.day is not None and later.day is not None and later.day - first.day >= after_days
        ):
            return later
    return None
