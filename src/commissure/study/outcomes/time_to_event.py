"""An outcome that is a time: until relapse, admission, remission; or until nobody looked further.

As a number it is the time where the event happened, and the time below zero where the observation
ended before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.study.cells import as_text
from commissure.study.labels.vocabulary import CONTROL, INDETERMINATE, is_control
from commissure.study.outcomes.continuous import number_column, outcome_name
from commissure.study.outcomes.kind import LabelTable, OutcomeKind, OutcomeTables, with_sites
from commissure.study.settings import StudySettings
from commissure.study.splits import MIN_TRAINING

EVENT, CENSORED = "event", "censored"
_YES, _NO = {"1", "yes", "true", "event"}, {"0", "no", "false", "censored"}


class TimeToEvent(OutcomeKind):
    """The time where the event happened, minus the time where it did not; NaN without one."""

    def read(self, tables: OutcomeTables, settings: StudySettings) -> LabelTable:
        """Time and event from two columns of the people."""
        people, outcome = tables.people, settings.outcome
        if outcome.event_column not in people:
            number_column(people, outcome.event_column, "fusion.outcome.event_column")
        event_column = str(outcome.event_column)
        time = number_column(people, outcome.column, "fusion.outcome.column")
        signed = signed_times(people, str(outcome.column), event_column)
        known, happened = np.isfinite(signed), signed > 0
        group = people["group"] if "group" in people else pd.Series(None, index=people.index)
        control = np.array([is_control(entry) for entry in group])
        missing = np.where(np.isfinite(time), event_column, str(outcome.column))
        labels = pd.DataFrame(
            {
                "participant_id": people["participant_id"].astype(str),
                "label": np.select(
                    [happened, known, control], [EVENT, CENSORED, CONTROL],
                    INDETERMINATE,
                ),
                "reason": [
                    "" if row_known or row_control else f"{name} is n/a"
                    for row_known, row_control, name in zip(known, control, missing, strict=True)
                ],
                "outcome": np.where(known, time, np.nan),
            }
        )  # fmt: skip
        return labels, []

    def takes_part(self, labels: pd.DataFrame, settings: StudySettings) -> np.ndarray:
        """People who were observed, and controls."""
        return labels["label"].isin([EVENT, CENSORED, CONTROL]).to_numpy()

    def values(self, labels: pd.DataFrame, settings: StudySettings) -> np.ndarray:
        """Signed times."""
        sign = np.where(labels["label"].to_numpy(str) == EVENT, 1.0, -1.0)
        return sign * labels["outcome"].to_numpy(float)

    def question(
        self, people: pd.DataFrame, labels: pd.DataFrame, settings: StudySettings
    ) -> dict[str, Any]:
        """What was asked, the events, the median observation, and the people of each site."""
        text, time = labels["label"].to_numpy(str), labels["outcome"].to_numpy(float)
        event = text == EVENT
        observed = event | (text == CENSORED)
        return {
            "kind": "time_to_event",
            "outcome": outcome_name(settings),
            "unit": settings.outcome.unit or "days",
            "n": int(observed.sum()),
            "n_events": int(event.sum()),
            "median_observation": float(np.median(time[observed])) if observed.any() else None,
            "n_indeterminate": int((text == INDETERMINATE).sum()),
            "n_controls": int((text == CONTROL).sum()),
            "sites": with_sites(labels, people, {"n": observed, "n_events": event}),
        }

    def why_unfittable(
        self, question: Mapping[str, Any], labels: pd.DataFrame, settings: StudySettings
    ) -> str:
        """Too few events or people, or nobody who can be compared within a site."""
        wanted = max(settings.min_per_class, settings.outer_folds)
        if question["n_events"] < wanted or question["n"] < 2 * wanted:
            return (
                f"{question['n_events']} events among {question['n']} observed people are too few: "
                f"{wanted} events and {2 * wanted} people are needed."
            )
        if all(site["n"] < 2 or not site["n_events"] for site in question["sites"].values()):
            return "No site has an event beside another person: nobody can be compared."
        return ""

    def enough_to_train(self, y: np.ndarray) -> bool:
        """Some events among some people."""
        return int((y > 0).sum()) >= MIN_TRAINING and int(np.isfinite(y).sum()) >= 2 * MIN_TRAINING

    def too_few(self, y: np.ndarray, settings: StudySettings) -> str:
        """Fewer than ``min_per_class`` events, or twice as many people."""
        events, people, wanted = (
            int((y > 0).sum()),
            int(np.isfinite(y).sum()),
            settings.min_per_class,
        )
        if events >= wanted and people >= 2 * wanted:
            return ""
        return (
            f"{people} people with {events} events have it and {2 * wanted} with {wanted} are "
            "needed"
        )

    def signal(self, y: np.ndarray) -> np.ndarray:
        """Who had the event early: from 1 for the first to 0 for the last time."""
        known = np.isfinite(y)
        rank = np.zeros(len(y))
        rank[known] = np.argsort(np.argsort(-np.abs(y[known]), kind="stable"), kind="stable")
        return rank / max(1, int(known.sum()) - 1)

    def strata(self, label_words: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Event, censored, and reference people."""
        return np.select([y > 0, np.isfinite(y)], [EVENT, CENSORED], "reference")

    def words(self, y: np.ndarray, settings: StudySettings) -> np.ndarray:
        """``event at 210`` or ``censored at 365``."""
        return np.array(
            [
                "n/a"
                if np.isnan(value)
                else f"{EVENT if value > 0 else CENSORED} at {abs(value):g}"
                for value in y
            ]
        )


def signed_times(
    people: pd.DataFrame, column: str, event_column: str, key: str = "fusion.outcome.column"
) -> np.ndarray:
    """Times of two columns of the people, below 0 where the event did not happen; NaN without one.

    Parameters
    ----------
    people
        One row per person.
    column, event_column
        Names of the columns of the time, and of whether the event happened.
    key
        What asked for them, for errors.

    Raises
    ------
    ConfigError
        There is no column of the time.
    DatasetError
        A cell is no time above 0, or says nothing of an event.
    """
    time = number_column(people, column, key)
    happened = np.array(
        [
            _happened(value, str(who), event_column)
            for who, value in zip(people["participant_id"], people[event_column], strict=True)
        ]
    )
    _refuse_times(time, people, column)
    return np.where(happened == 1, time, np.where(happened == 0, -time, np.nan))


def _happened(value: Any, who: str, column: str) -> float:
    text = as_text(value)
    if text is None or pd.isna(value):
        return np.nan
    word = text.strip().casefold()
    if word in _YES:
        return 1.0
    if word in _NO:
        return 0.0
    raise DatasetError(
        who,
        found=f"{column} is '{text}' in the participants table",
        wanted=f"one of {sorted(_YES)} or {sorted(_NO)}, or n/a",
        mend="Mend the participants table",
    )


def _refuse_times(time: np.ndarray, people: pd.DataFrame, column: str) -> None:
    wrong = np.flatnonzero(np.isfinite(time) & (time <= 0))
    if len(wrong):
        raise DatasetError(
            str(people["participant_id"].iloc[wrong[0]]),
            found=f"{column} is {time[wrong[0]]:g} in the participants table",
            wanted="a time above 0",
            mend="Mend the participants table",
        )
