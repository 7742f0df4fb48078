"""Corticosteroids, clinical state and T2w or FLAIR: what the RANO criteria ask beside size."""

from __future__ import annotations

from commissure.lesion.criteria.rules import Rule
from commissure.lesion.criteria.target_response import Category
from commissure.lesion.readings import Visit


def with_clinical_state(
    category: Category,
    visit: Visit,
    baseline: Visit,
    nadir_steroids: float | None,
    rule: Rule,
    *,
    by_growth: bool,
    measurable: bool,
) -> tuple[Category, list[str], list[str]]:
    """What becomes of a response by size.

    Any progression stands. A complete response needs corticosteroids of 0 mg and a clinical state
    that is stable or improved; a partial response and stable disease need a dose no higher than
    that of the baseline. What then fits no category is not evaluable: the criteria ask to wait.

    Parameters
    ----------
    category
        The response by size.
    visit, baseline
        Doses and states.
    nadir_steroids
        Dose at the nadir, in mg a day.
    rule
        The criteria.
    by_growth
        Whether progression rests on the growth of the target lesions alone.
    measurable
        Whether there are target lesions: without, stable disease is the best response.

    Returns
    -------
    category : str
        The response.
    reasons, flags : list of str
        What decided, and what was not recorded.
    """
    flags = _not_recorded(visit, baseline, rule)
    if visit.clinical == "worse":
        return "PD", ["the clinical state is worse"], flags
    if rule.flair and visit.flair == "worse":
        return "PD", ["the lesion on T2w or FLAIR has grown"], flags
    if category == "PD":
        less = _less(visit.steroids_mg, nadir_steroids)
        if by_growth and less and not rule.growth_on_less_steroids:
            return "NE", [
                f"steroids were reduced since the nadir ({nadir_steroids:g} to "
                f"{visit.steroids_mg:g} mg): growth counts on a stable or rising dose"
            ], flags  # fmt: skip
        return "PD", [], flags
    if category == "NE":
        return "NE", [], flags
    reasons = []
    if not measurable:
        if category in ("CR", "NON-CR/NON-PD"):
            category = "SD"
            reasons.append("without measurable disease the best response is SD")
    elif category == "NON-CR/NON-PD":
        category = "SD"
    if _less(baseline.steroids_mg, visit.steroids_mg):
        return "NE", [
            *reasons,
            f"steroids are higher than at the baseline ({baseline.steroids_mg:g} to "
            f"{visit.steroids_mg:g} mg) without progression: neither response nor stable disease",
        ], flags  # fmt: skip
    if category == "CR" and visit.steroids_mg:
        category = "PR"
        reasons.append(f"still on steroids ({visit.steroids_mg:g} mg)")
    return category, reasons, flags


def _less(dose: float | None, than: float | None) -> bool:
    return dose is not None and than is not None and dose < than


def _not_recorded(visit: Visit, baseline: Visit, rule: Rule) -> list[str]:
    lacking = []
    if visit.steroids_mg is None or baseline.steroids_mg is None:
        lacking.append("the dose of steroids")
    if visit.clinical is None:
        lacking.append("the clinical state")
    if rule.flair and visit.flair is None:
        lacking.append("T2w or FLAIR")
    return [f"{what} is not recorded and taken as stable" for what in lacking]
