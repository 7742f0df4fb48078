"""How sound the lesions of a visit are: checks, and what a reader is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from commissure.checks import Check, at_least, at_most, write_quality
from commissure.lesion.criteria.assess import Assessment
from commissure.lesion.criteria.rules import Rule
from commissure.lesion.follow_up import FollowUp
from commissure.lesion.patient_files import ReadPatient

#: Least share of the baseline's image that a visit shows.
COVERED_SHARE_MIN = 0.5

#: Least Dice coefficient of a network's passes over mirrored images with all together: below this
#: goal of its masks themselves its own passes do not agree.
NETWORK_AGREEMENT_MIN = 0.9


def visit_checks(read: ReadPatient, followed: FollowUp, number: int) -> list[Check]:
    """The checks of one visit, by its place in the order."""
    visit = read.visits[number]
    reading = followed.patient.visits[number]
    doubts = reading.flags
    slices = [lesion.slice_mm for lesion in visit.mask.lesions]
    checks = [
        Check("lesions", float(len(visit.mask.lesions))),
        at_most("mask_doubts", float(len(doubts)), 0, "; ".join(doubts)),
        at_most("cut_lesions", float(sum(x.cut for x in visit.mask.lesions)), 0),
        at_least("covered_share", float(visit.covered.mean()), COVERED_SHARE_MIN),
        Check("moved_mm", _moved_mm(visit.matrix, visit.covered.shape, read)),
        Check("slice_mm", max(slices, default=None)),
    ]
    if visit.agreement is None:
        return checks
    return [*checks, at_least("network_agreement", visit.agreement, NETWORK_AGREEMENT_MIN)]


def _moved_mm(matrix: np.ndarray, shape: tuple[int, ...], read: ReadPatient) -> float:
    """How far registration moved the middle of the baseline's image."""
    middle = read.visits[0].mask.affine @ np.append((np.array(shape) - 1) / 2, 1.0)
    return float(np.linalg.norm((matrix @ middle - middle)[:3]))


def write_visit_quality(
    path: Path,
    read: ReadPatient,
    followed: FollowUp,
    number: int,
    assessed: Sequence[Assessment],
    *,
    rule: Rule,
    missing: Mapping[str, str],
) -> None:
    """Write the quality record of a visit.

    Parameters
    ----------
    path
        Where it goes.
    read, followed
        The person.
    number
        Place of the visit in the order.
    assessed
        The response at it; nothing at the baseline.
    rule
        The criteria.
    missing
        Products that could not be computed, with their causes.
    """
    of_lesions = [
        f"lesion {lesion.label}: {flag}"
        for lesion in read.visits[number].mask.lesions
        for flag in lesion.flags
    ]
    notes = [*read.notes, *of_lesions, *(flag for one in assessed for flag in one.flags)]
    write_quality(
        visit_checks(read, followed, number),
        path,
        notes=dict.fromkeys(notes),
        missing=missing,
        criteria={"name": rule.title, "source": rule.source},
        response=[
            {"response": one.response, "reason": one.reason} for one in assessed
        ],
    )  # fmt: skip
