"""What a label rule is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from commissure.study.settings import StudySettings


@dataclass(frozen=True)
class LabelRule:
    """How everybody gets a label.

    Attributes
    ----------
    label
        Takes the treatment history (None where there is none), the people and the settings, and
        gives ``participant_id label reason``, one row per person in the order of the people.
    uses_treatments
        Whether the treatment history is read.
    cautions
        Takes the labels, the people and the settings, and gives sentences for the reader.
    """

    label: Callable[[pd.DataFrame | None, pd.DataFrame, StudySettings], pd.DataFrame]
    uses_treatments: bool
    cautions: Callable[[pd.DataFrame, pd.DataFrame, StudySettings], Sequence[str]]
