"""Sums of the target lesions over visits, with baseline and nadir."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from commissure.lesion.criteria.rules import Quantity, Rule
from commissure.lesion.definitions import TOO_SMALL_MM
from commissure.lesion.readings import LesionReading, Patient, Visit


@dataclass(frozen=True)
class Burden:
    """The target lesions at one visit.

    Attributes
    ----------
    session
        The visit.
    sizes
        What each target lesion counts, by its name; those that were not evaluated lack.
    missing
        Names of the target lesions that were not evaluated.
    gone
        Whether every target lesion is absent, or a node of normal size.
    left
        Names of the target lesions that are not.
    """

    session: str
    sizes: Mapping[str, float]
    missing: tuple[str, ...]
    gone: bool
    left: tuple[str, ...]

    @property
    def total(self) -> float:
        """Sum over the lesions that were evaluated."""
        return float(sum(self.sizes.values()))


def counted_size(lesion: LesionReading, rule: Rule) -> float | None:
    """What a target lesion adds to the sum; None where it was not evaluated.

    A node counts its short axis, another lesion its longest diameter. What is absent, or counted
    in the lesion that it grew together with, adds nothing. What is seen and too small to be
    measured counts as 5 mm.
    """
    if lesion.state in ("absent", "merged"):
        return 0.0
    if lesion.state == "too small":
        return _nominal(rule.quantity)
    if lesion.state not in ("measured", "progression"):
        return None
    return size_of(lesion, rule)


def size_of(lesion: LesionReading, rule: Rule) -> float | None:
    """The size of a lesion in the quantity of the criteria; None where it was not measured."""
    if rule.quantity == "volume":
        return lesion.volume_ml
    if rule.quantity == "product":
        return lesion.product
    return lesion.short_mm if measured_as_node(lesion, rule) else lesion.longest_mm


def measured_as_node(lesion: LesionReading, rule: Rule) -> bool:
    """Whether the criteria measure a lesion along its short axis, as a lymph node."""
    return lesion.node and rule.node_mm is not None


def _nominal(quantity: Quantity) -> float:
    ball_ml = math.pi / 6 * TOO_SMALL_MM**3 / 1000
    return {"diameter": TOO_SMALL_MM, "product": TOO_SMALL_MM**2, "volume": ball_ml}[quantity]


def target_names(patient: Patient) -> tuple[str, ...]:
    """Names of the target lesions of the baseline."""
    return tuple(x.lesion for x in patient.baseline.lesions if x.role == "target")


def burden_of(visit: Visit, targets: tuple[str, ...], rule: Rule) -> Burden:
    """Add up the target lesions of a visit; one without a reading was not evaluated."""
    read = {lesion.lesion: lesion for lesion in visit.lesions}
    sizes: dict[str, float] = {}
    left = []
    for name in targets:
        lesion = read.get(name)
        size = None if lesion is None else counted_size(lesion, rule)
        if lesion is None or size is None:
            continue
        sizes[name] = size
        if not _gone(lesion, size, rule):
            left.append(name)
    missing = tuple(name for name in targets if name not in sizes)
    return Burden(visit.session, sizes, missing, not missing and not left, tuple(left))


def _gone(lesion: LesionReading, size: float, rule: Rule) -> bool:
    if measured_as_node(lesion, rule) and lesion.state != "too small":
        return size < (rule.normal_node_mm or 0.0)
    return size == 0.0
