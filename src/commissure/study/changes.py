"""The markers of two visits as the models of a study see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from commissure.errors import ConfigError
from commissure.markers.change import change_reliability, rows_for_models, two_visits
from commissure.markers.visits import FOLLOWUP
from commissure.study.labels.vocabulary import is_control
from commissure.study.settings import StudySettings


def uses_change(settings: StudySettings) -> bool:
    """Whether the models see more than the baseline."""
    return set(settings.visit_markers) != {"baseline"}


def refuse_without_followup(visits: pd.DataFrame) -> None:
    """Refuse a study of change in which no session is a follow-up.

    Raises
    ------
    ConfigError
        There is none.
    """
    if not (visits["visit"] == FOLLOWUP).any():
        raise ConfigError(
            "fusion.visit_markers",
            found="change is asked for, and no session is declared as the follow-up",
            wanted="the session against which change is taken",
            mend="Set sessions: {baseline: NAME, followup: NAME} in config.yaml",
        )


def model_rows(
    rows: pd.DataFrame,
    visits: pd.DataFrame | None,
    definitions: Mapping[str, Mapping[str, Any]],
    settings: StudySettings,
) -> pd.DataFrame:
    """Rows that are laid side by side, of rows from which exclusions were taken out."""
    if visits is None or not uses_change(settings):
        return rows
    confounds = [name for name, entry in definitions.items() if entry.get("role") == "confound"]
    relative = [name for name, entry in definitions.items() if entry.get("relative_change")]
    return rows_for_models(
        rows, visits, wanted=settings.visit_markers, confounds=confounds, relative=relative
    )


def change_of(
    rows: pd.DataFrame, visits: pd.DataFrame, people: pd.DataFrame, settings: StudySettings
) -> Sequence[Mapping[str, Any]]:
    """How much of the change of each marker is more than retest error; empty without change."""
    if not uses_change(settings):
        return ()
    group = people["group"] if "group" in people else pd.Series(None, index=people.index)
    control = [is_control(entry) for entry in group]
    both = two_visits(rows[rows["participant_id"].isin(people["participant_id"])], visits)
    return change_reliability(both, set(people.loc[control, "participant_id"]), settings.retest_sd)
