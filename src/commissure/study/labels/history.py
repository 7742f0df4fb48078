"""Labels from a treatment history: what its rules share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from commissure.errors import DatasetError
from commissure.outputs import LABELS
from commissure.study.labels.vocabulary import CONTROL, INDETERMINATE, is_control

#: Takes the trials of a patient, at least one, and the person; gives label and reason.
Course = Callable[[Sequence[Mapping[Any, Any]], Mapping[Any, Any]], tuple[str, str]]


def checked_trials(
    treatments: pd.DataFrame | None,
    columns: Sequence[str],
    ranges: Mapping[str, tuple[float, float]],
) -> pd.DataFrame:
    """The treatment history with its numbers as numbers.

    Parameters
    ----------
    treatments
        One row per trial, or None where there is no history: then a table without rows.
    columns
        Those that must be there.
    ranges
        Smallest and largest value of each column of numbers; missing values are allowed.

    Raises
    ------
    DatasetError
        A column is missing, or a value is no number or out of range.
    """
    if treatments is None:
        return pd.DataFrame(columns=list(columns))
    missing = [name for name in columns if name not in treatments]
    if missing:
        raise DatasetError(
            "treatments.tsv",
            found=f"the columns {missing} are missing",
            wanted=f"the columns {list(columns)}",
            mend="Add them, or map your names under treatments.columns in config.yaml",
        )
    trials = treatments.assign(participant_id=treatments["participant_id"].astype(str))
    for name, (low, high) in ranges.items():
        given = trials[name]
        trials[name] = pd.to_numeric(given, errors="coerce").astype(float)
        wrong = (trials[name].isna() & given.notna()) | (trials[name] < low) | (trials[name] > high)
        if wrong.any():
            raise DatasetError(
                str(trials.loc[wrong, "participant_id"].iloc[0]),
                found=f"{name} is {given[wrong].iloc[0]} in treatments.tsv",
                wanted=f"a number from {low:g} to {high:g}, or n/a",
                mend="Mend treatments.tsv",
            )
    return trials


def labels_by_course(
    trials: pd.DataFrame, participants: pd.DataFrame, course: Course
) -> pd.DataFrame:
    """Label everyone: patients by the course of their treatment.

    Parameters
    ----------
    trials
        The treatment history, in the order of the trials of each person.
    participants
        One row per person; ``group`` tells controls.
    course
        The rule.

    Returns
    -------
    pandas.DataFrame
        ``participant_id label reason``, one row per person in the order of ``participants``.
    """
    by_person = {str(who): rows for who, rows in trials.groupby("participant_id", sort=False)}
    labels = []
    for person in participants.to_dict("records"):
        who = str(person["participant_id"])
        history = by_person.get(who)
        control = is_control(person.get("group"))
        if history is None and control:
            label, reason = CONTROL, ""
        elif history is None:
            label, reason = INDETERMINATE, "no treatment trial is recorded"
        elif control:
            label, reason = INDETERMINATE, "a control with a recorded treatment trial"
        else:
            label, reason = course(history.to_dict("records"), person)
        labels.append((who, label, reason))
    return LABELS.frame(labels)
