"""The response of the target lesions alone, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from commissure.lesion.criteria.burden import Burden
from commissure.lesion.criteria.rules import SUMS, Rule

Category = Literal["CR", "PR", "MR", "SD", "PD", "NON-CR/NON-PD", "NE"]

#: Best first.
CATEGORIES: tuple[Category, ...] = ("CR", "PR", "MR", "SD", "NON-CR/NON-PD", "PD", "NE")

#: Rounding of sums must not decide: 0.7 x 100 is 70.
_SLACK = 1e-9


@dataclass(frozen=True)
class TargetResponse:
    """What the target lesions say.

    Attributes
    ----------
    category
        The response.
    reason
        Sum, baseline, nadir and change in words, without a full stop.
    """

    category: Category
    reason: str


def target_response(now: Burden, baseline: Burden, nadir: Burden, rule: Rule) -> TargetResponse:
    """Judge the target lesions of a visit.

    What was not evaluated makes the response not evaluable, unless the others alone have grown
    enough. Lesions that are all gone, and nodes that are all of normal size, are a complete
    response whatever their sum; then progression comes before partial response.

    Parameters
    ----------
    now
        The visit.
    baseline
        The first visit.
    nadir
        The visit with the smallest sum before this one, the baseline included.
    rule
        The criteria.
    """
    grown, growth = _grown(now, nadir, rule)
    what, unit = SUMS[rule.quantity]
    if now.missing:
        names = ", ".join(now.missing)
        if grown:
            return TargetResponse(
                "PD", f"{names} not evaluated, yet the {what} of the others alone is {growth}"
            )
        return TargetResponse("NE", f"{names} not evaluated: the {what} is not known")
    fallen = _relative(now.total, baseline.total)
    against = (
        f"the {what} is {_size(now.total, unit)}, {_percent(fallen)} the baseline "
        f"({_size(baseline.total, unit)})"
    )
    if now.gone:
        how = "all target lesions are gone"
        if now.total > 0:
            how += f", nodes below {rule.normal_node_mm:g} mm short axis"
        return TargetResponse("CR", f"{how}; {against}")
    if grown:
        return TargetResponse("PD", f"the {what} is {growth}; {_percent(fallen)} the baseline")
    reason = f"{against}; it is {growth}"
    if _at_least(-fallen, rule.decrease):
        return TargetResponse("PR", reason)
    if rule.minor_decrease is not None and _at_least(-fallen, rule.minor_decrease):
        return TargetResponse("MR", reason)
    return TargetResponse("SD", reason)


def _grown(now: Burden, nadir: Burden, rule: Rule) -> tuple[bool, str]:
    """Whether the sum has risen over the nadir as far as progression asks for, and the words."""
    unit = SUMS[rule.quantity][1]
    rise = now.total - nadir.total
    words = (
        f"{_size(now.total, unit)}, {_percent(_relative(now.total, nadir.total))} the nadir "
        f"({_size(nadir.total, unit)}, {nadir.session}; {_signed(rise, unit)})"
    )
    if now.missing:
        words += f" with {len(now.missing)} of its lesions missing"
    enough = rise > 0 and _at_least(now.total, nadir.total * (1 + rule.increase))
    if not enough or not rule.absolute_mm:
        return enough, words
    if rule.absolute_of == "sum":
        if not _at_least(rise, rule.absolute_mm):
            return False, f"{words}: less than {rule.absolute_mm:g} mm"
        return True, words
    most = max((size - nadir.sizes.get(name, 0.0) for name, size in now.sizes.items()), default=0.0)
    words += f", one lesion by {most:.1f} mm"
    if not _at_least(most, rule.absolute_mm):
        return False, f"{words}: less than {rule.absolute_mm:g} mm"
    return True, words


def _at_least(value: float, limit: float) -> bool:
    return value >= limit - _SLACK * max(1.0, abs(limit))


def _relative(value: float, reference: float) -> float:
    """Change as a share of the reference; infinite where there was nothing."""
    if reference > 0:
        return value / reference - 1
    return 0.0 if value == 0 else float("inf")


def _percent(change: float) -> str:
    if change == float("inf"):
        return "up from zero at"
    if round(abs(change) * 100, 1) == 0:
        return "equal to"
    return f"{abs(change) * 100:.1f} % {'above' if change > 0 else 'below'}"


def _size(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit == "ml" else f"{value:.1f} {unit}"


def _signed(value: float, unit: str) -> str:
    return f"{value:+.2f} {unit}" if unit == "ml" else f"{value:+.1f} {unit}"
