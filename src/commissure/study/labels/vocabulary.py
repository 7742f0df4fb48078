"""The words for what a person is: the labels, and who is a control."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

RESISTANT, RESPONSIVE = "resistant", "responsive"
INDETERMINATE, CONTROL = "indeterminate", "control"

#: Words that cohorts write for people without the disease; compared without regard to case.
CONTROL_WORDS = (
    CONTROL, "controls", "healthy", "healthy control", "healthy controls", "healthy_control",
    "HC", "HV", "con", "ctl", "ctrl", "NC", "CN", "normal",
)  # fmt: skip


def means_control(value: Any, words: Iterable[str] = CONTROL_WORDS) -> bool:
    """Whether a lab's value of the people's group means a healthy control.

    Parameters
    ----------
    value
        An entry of the column; what is no text means nothing.
    words
        The values that do (``participants.control``); :data:`CONTROL` always does.
    """
    known = {CONTROL, *(word.strip().casefold() for word in words)}
    return isinstance(value, str) and value.strip().casefold() in known


def is_control(group: Any) -> bool:
    """Whether a ``group`` of participants.tsv, standardised as it was read, is a control's."""
    return isinstance(group, str) and group == CONTROL
