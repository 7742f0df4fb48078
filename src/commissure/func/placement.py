"""How a preprocessed run lies beside the T1w image of the same head, and the checks of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from commissure.checks import Check, at_least, at_most
from commissure.func.derivatives import PreprocessedRun
from commissure.images.anat_files import AnatFiles
from commissure.images.boundary import BORDER_POINTS_MIN, Border, border_of
from commissure.images.boundary_registration import (
    GAIN_MIN,
    RIGHT_SIGN_MIN,
    boundary_offset_mm,
)
from commissure.images.registration import moved_points

#: Contrast below which an image hardly shows a border, in percent. Measured on real runs where they
#: lie right: 3.7 to 10.
CONTRAST_MIN_PERCENT = 2.0

#: How far the place of greatest contrast may lie, in template space. Measured: up to 0.8 mm; runs
#: displaced by 4 mm or turned by 5 degrees: at least 3.6.
OFFSET_MAX_MM = 2.0

#: Points of the border that are enough to find that place.
_POINTS = 12_000


@dataclass(frozen=True)
class TemplateBorder:
    """A person's white-grey border, carried to template space.

    Attributes
    ----------
    border
        In mm of the template.
    space
        TemplateFlow name of the template.
    """

    border: Border
    space: str

    @classmethod
    def of(cls, anat: AnatFiles | None) -> TemplateBorder | None:
        """That of the derivatives of a T1w image; None where there are none, or not all."""
        if anat is None or not anat.complete():
            return None
        border = border_of(anat, count=_POINTS)
        if len(border):
            sides = (moved_points(side, anat.from_template) for side in (border.white, border.grey))
            border = Border(*sides)
        return cls(border, anat.template)


def placement_checks(
    run: PreprocessedRun, border: TemplateBorder | None
) -> tuple[list[Check], list[str]]:
    """Judge how a run lies beside the T1w image.

    Parameters
    ----------
    run
        The preprocessed run. What the built-in engine measured before the run was resampled stands
        in its sidecar; of another engine's only the place is judged.
    border
        Of the T1w image; None where there is none.

    Returns
    -------
    checks : list of Check
        Contrast and right sign at the white-grey border, and how much more of the latter than at
        the mirrored border; how far the greatest contrast lies from where the run is.
    notes : list of str
        What could not be judged.
    """
    checks = _checks_of_sidecar(run.sidecar)
    if border is None or border.space != run.space:
        return checks, [
            "How BOLD lies beside the T1w image is not judged: there are no derivatives of a T1w "
            f"image with transforms to {run.space}."
        ]
    notes = []
    if not checks:
        notes.append(
            "The contrast at the border of white matter is not judged: the sidecar of the series "
            "does not give it. The place of its maximum is."
        )
    if len(border.border) < BORDER_POINTS_MIN:
        count = len(border.border)
        notes.append(f"The tissue maps have {count} places where white matter borders on cortex.")
        return checks, notes
    offset = boundary_offset_mm(run.boldref, border.border, np.eye(4))
    note = "from where the run is to where it shows the T1w image's white-grey border best"
    return [*checks, at_most("boundary_offset_mm", offset, OFFSET_MAX_MM, note)], notes


def _checks_of_sidecar(sidecar: Mapping[str, Any]) -> list[Check]:
    percent, right, mirrored, seen = (
        sidecar.get(f"Boundary{name}")
        for name in (
            "ContrastPercent",
            "RightSignShare",
            "MirroredRightSignShare",
            "PointsSeenShare",
        )
    )
    if percent is None or right is None:
        return []
    checks = [
        at_least(
            "boundary_contrast_percent", percent, CONTRAST_MIN_PERCENT,
            "grey less white matter over their mean, at the T1w image's white-grey border",
        ),
        at_least(
            "boundary_right_sign", right, RIGHT_SIGN_MIN,
            "share of the border's points at which grey matter is the brighter",
        ),
    ]  # fmt: skip
    if mirrored is not None:
        gain = right - mirrored
        note = f"the mirrored border, where it fits best, has {mirrored:.2f}"
        if gain < GAIN_MIN:
            note += ": the T1w image may be somebody else's or mirrored, or lie elsewhere"
        checks.append(at_least("boundary_right_sign_over_mirrored", gain, GAIN_MIN, note))
    if seen is not None:
        note = "share of the border's points in the field of view and with signal"
        checks.append(Check("boundary_points_seen", seen, note=note))
    return checks
