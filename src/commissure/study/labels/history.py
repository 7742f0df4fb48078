"""Labels from a treatment history: what its rules share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.outputs import LABELS
from commissure.study.labels.drugs import drug_cautions, refuse_doubtful_drugs
from commissure.study.labels.vocabulary import CONTROL, INDETERMINATE, is_control
from commissure.tables.delimited import read_cells
from commissure.tables.identifiers import read_identifiers

#: Takes the trials of a patient, at least one, and the person; gives label and reason.
Course = Callable[[Sequence[Mapping[Any, Any]], Mapping[Any, Any]], tuple[str, str]]


#: Why a control with a history is indeterminate.
TREATED_CONTROL = "a control with a recorded treatment trial"
# Columns that a history may have; their limits hold where they are there.
_FURTHER_RANGES = {"trial": (0, 1000), "dose_mg": (0, 100_000)}
#: Weeks from which a history of whole numbers of sevens seems to count days.
_MANY_WEEKS = 42


def read_trials(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """The treatment history as it stands in the file, with our names of columns and people.

    Parameters
    ----------
    path
        The table.
    columns
        The lab's column names by ours, where they differ.

    Raises
    ------
    DatasetError
        The file cannot be read, or names nobody in a row.
    """
    theirs = columns.get("participant_id", "participant_id")
    trials = read_table(path, text=(theirs,))
    for ours, name in columns.items():
        if name in trials and name != ours:
            trials = trials.drop(columns=[ours], errors="ignore").rename(columns={name: ours})
    if "participant_id" in trials and len(trials):
        trials["participant_id"] = read_identifiers(read_cells(path), theirs)
    return trials


def trial_cautions(trials: pd.DataFrame, name: str) -> list[str]:
    """Sentences on what is odd in a treatment history; no person is named.

    Parameters
    ----------
    trials
        One row per trial.
    name
        Name of the file.
    """
    if not len(trials):
        return [f"{name} has no trial: no label follows from it."]
    cautions = []
    others = [column for column in trials if column != "trial"]
    repeated = int(trials.duplicated(others).sum())
    if repeated:
        cautions.append(f"{repeated} rows repeat another trial of the same person.")
    if "trial" in trials:
        numbered = trials.dropna(subset=["trial"])
        same = int(numbered.duplicated(["participant_id", "trial"]).sum())
        if same > repeated:
            cautions.append(f"{same} rows have the trial number of another row of the same person.")
    if "weeks_at_dose" in trials:
        weeks = pd.to_numeric(trials["weeks_at_dose"], errors="coerce").dropna()
        if len(weeks) > 1 and (weeks % 7 == 0).all() and weeks.max() >= _MANY_WEEKS:
            cautions.append("Every weeks_at_dose is a multiple of 7: are these days?")
    if "drug" in trials:
        cautions += drug_cautions(str(drug) for drug in trials["drug"].dropna())
    return [f"{name}: {caution}" for caution in cautions]


def treated_control_cautions(labels: pd.DataFrame) -> list[str]:
    """A sentence on controls with a treatment history, if there are any."""
    count = int((labels["reason"] == TREATED_CONTROL).sum())
    if not count:
        return []
    return [
        f"{count} controls have a treatment history: they are indeterminate, and neither controls "
        "nor patients, until the group or the history is mended."
    ]


def checked_trials(
    treatments: pd.DataFrame | None,
    columns: Sequence[str],
    ranges: Mapping[str, tuple[float, float]],
    hints: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The treatment history with its numbers as numbers, in the order of the trials.

    Parameters
    ----------
    treatments
        One row per trial, or None where there is no history: then a table without rows.
    columns
        Those that must be there.
    ranges
        Smallest and largest value of each column of numbers; missing values are allowed.
    hints
        What the range of a column is of, for the error.

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
    further = {name: limits for name, limits in _FURTHER_RANGES.items() if name in trials}
    for name, (low, high) in {**ranges, **further}.items():
        given = trials[name]
        trials[name] = pd.to_numeric(given, errors="coerce").astype(float)
        wrong = (trials[name].isna() & given.notna()) | (trials[name] < low) | (trials[name] > high)
        if wrong.any():
            raise DatasetError(
                str(trials.loc[wrong, "participant_id"].iloc[0]),
                found=f"{name} is {given[wrong].iloc[0]} in treatments.tsv, trial "
                f"{int(wrong.to_numpy().argmax()) + 1} of the table",
                wanted=f"a number from {low:g} to {high:g} {(hints or {}).get(name, '')}".rstrip()
                + ", or n/a",
                mend="Mend treatments.tsv",
            )
    if "drug" in trials:
        refuse_doubtful_drugs(str(drug) for drug in trials["drug"].dropna())
    if "trial" in trials:
        trials = trials.sort_values(["participant_id", "trial"], kind="stable")
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
            label, reason = INDETERMINATE, TREATED_CONTROL
        else:
            label, reason = course(history.to_dict("records"), person)
        labels.append((who, label, reason))
    return LABELS.frame(labels)
