"""Which lesions are measurable, and which of them become target lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from commissure.lesion.criteria.burden import measured_as_node, size_of
from commissure.lesion.criteria.rules import Rule
from commissure.lesion.definitions import THIN_SLICES_MM, TOO_SMALL_MM
from commissure.lesion.readings import LesionReading, State


@dataclass(frozen=True)
class Choice:
    """A lesion of the baseline with the role that it gets, and why."""

    lesion: LesionReading
    reason: str


def measurability(lesion: LesionReading, rule: Rule) -> str:
    """Why a lesion is not measurable, in words; empty where it is.

    A lesion is at least 10 mm long where slices are up to 5 mm apart, and twice the distance of
    the slices otherwise; a lymph node (RECIST) has a short axis of at least 15 mm.
    """
    if lesion.state != "measured":
        return f"it is '{lesion.state}'"
    if lesion.cut:
        return "the edge of the image cuts it"
    if measured_as_node(lesion, rule):
        limit, size, what = rule.node_mm or 0.0, lesion.short_mm, "short axis"
    else:
        limit, size, what = rule.longest_mm, lesion.longest_mm, "longest diameter"
    thick = lesion.slice_mm is not None and lesion.slice_mm > THIN_SLICES_MM
    if thick:
        limit = max(limit, 2 * (lesion.slice_mm or 0.0))
    slices = f" with slices {lesion.slice_mm:g} mm apart" if thick else ""
    if size is None:
        return f"its {what} is not known"
    if size < limit - 1e-9:
        return f"its {what} of {size:.1f} mm is below {limit:g} mm{slices}"
    short_limit = max(rule.short_mm, 2 * (lesion.slice_mm or 0.0) if thick else 0.0)
    if rule.short_mm and lesion.short_mm is None:
        return "its perpendicular diameter is not known"
    if rule.short_mm and (lesion.short_mm or 0.0) < short_limit - 1e-9:
        return (
            f"its perpendicular diameter of {lesion.short_mm:.1f} mm is below "
            f"{short_limit:g} mm{slices}"
        )
    if lesion.slices is not None and lesion.slices < rule.slices:
        return f"it is seen on {lesion.slices} slice, and {rule.slices} are asked for"
    return ""


def select_targets(lesions: Sequence[LesionReading], rule: Rule) -> list[Choice]:
    """Give each lesion of the baseline its role.

    The largest measurable lesion of every organ comes first, so that all organs are represented,
    then the next of each, up to the limits of the criteria. Nodes of normal size are no lesions
    and left out of both groups.

    Parameters
    ----------
    lesions
        All lesions of the baseline; their roles are not looked at.
    rule
        The criteria.

    Returns
    -------
    list of Choice
        In the order of ``lesions``; without nodes of normal size.
    """
    reasons: dict[str, str] = {}
    organs: dict[str, list[LesionReading]] = {}
    for lesion in lesions:
        why = measurability(lesion, rule)
        if why:
            reasons[lesion.lesion] = f"non-target: {why}"
        else:
            organs.setdefault("lymph node" if lesion.node else lesion.organ, []).append(lesion)

    def size(lesion: LesionReading) -> tuple[float, str]:
        return -(size_of(lesion, rule) or 0.0), lesion.lesion

    ranks: list[tuple[int, tuple[float, str], LesionReading]] = []
    for organ, members in organs.items():
        for rank, lesion in enumerate(sorted(members, key=size)):
            if rank < rule.per_organ:
                ranks.append((rank, size(lesion), lesion))
            else:
                reasons[lesion.lesion] = (
                    f"non-target: {rule.per_organ} larger lesions of '{organ}' are targets"
                )
    chosen = [lesion for _, _, lesion in sorted(ranks, key=lambda entry: entry[:2])]
    for lesion in chosen[rule.targets :]:
        reasons[lesion.lesion] = f"non-target: {rule.targets} others are targets"
    targets = {lesion.lesion for lesion in chosen[: rule.targets]}
    return [
        Choice(replace(lesion, role="target"), "target: measurable, and of the largest")
        if lesion.lesion in targets
        else Choice(replace(lesion, role="non-target"), reasons[lesion.lesion])
        for lesion in lesions
        if not _normal_node(lesion, rule)
    ]


def state_when_new(lesion: LesionReading, rule: Rule) -> State:
    """The state of a lesion that the baseline did not have.

    Below 5 mm it is equivocal. A node is none while it is of normal size, and equivocal until it
    is large enough to be measured.
    """
    if lesion.state != "measured":
        return "equivocal" if lesion.state == "too small" else lesion.state
    if measured_as_node(lesion, rule) and lesion.short_mm is not None:
        if _normal_node(lesion, rule):
            return "absent"
        return "measured" if lesion.short_mm >= (rule.node_mm or 0.0) else "equivocal"
    small = lesion.longest_mm is not None and lesion.longest_mm < TOO_SMALL_MM
    return "equivocal" if small else "measured"


def _normal_node(lesion: LesionReading, rule: Rule) -> bool:
    return (
        measured_as_node(lesion, rule)
        and lesion.short_mm is not None
        and lesion.short_mm < (rule.normal_node_mm or 0.0)
    )
