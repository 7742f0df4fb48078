"""An outcome that is a number: change of symptoms, or any column of the people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import ConfigError, DatasetError
from commissure.study.cells import as_number
from commissure.study.labels.scales import SCALES, Scale, symptom_reduction
from commissure.study.labels.trrip import AFTER, BEFORE, PANSS_COLUMNS
from commissure.study.labels.vocabulary import CONTROL, INDETERMINATE, is_control
from commissure.study.outcomes.kind import LabelTable, OutcomeKind, OutcomeTables, with_sites
from commissure.study.settings import StudySettings
from commissure.study.splits import MIN_TRAINING

#: Label of people whose outcome was measured.
MEASURED = "measured"
#: Column of baseline severity in ``labels.tsv``.
SEVERITY = "severity_before"
#: Parts of the outcome's range over which people are dealt evenly.
THIRDS = 3


class Continuous(OutcomeKind):
    """The number itself; NaN for people without it."""

    def read(self, tables: OutcomeTables, settings: StudySettings) -> LabelTable:
        """The outcome from a column, from two columns, or from the treatment history."""
        people, outcome = tables.people, settings.outcome
        scale = SCALES[settings.trrip.scale]
        cautions: list[str] = []
        severity = None
        if outcome.column is not None:
            values = number_column(people, outcome.column, "fusion.outcome.column")
            what = outcome.column
        elif outcome.before is not None or outcome.after is not None:
            severity = number_column(people, outcome.before, "fusion.outcome.before")
            later = number_column(people, outcome.after, "fusion.outcome.after")
            for name, scores in ((outcome.before, severity), (outcome.after, later)):
                _refuse_beyond(people["participant_id"], scores, str(name), scale)
            values = _change(severity, later, scale)
            what = f"change from {outcome.before} to {outcome.after}"
        else:
            trials, cautions = tables.trials()
            severity, values = _of_trials(people, trials, outcome.trial, scale)
            what = f"the change of the {scale.title}"
        group = people["group"] if "group" in people else pd.Series(None, index=people.index)
        known = np.isfinite(values)
        control = np.array([is_control(entry) for entry in group])
        labels = pd.DataFrame(
            {
                "participant_id": people["participant_id"].astype(str),
                "label": np.select([known, control], [MEASURED, CONTROL], INDETERMINATE),
                "reason": np.where(known | control, "", f"{what} is n/a"),
                "outcome": values,
            }
        )
        if severity is not None:
            labels[SEVERITY] = severity
        for name in outcome.covariates:
            labels[name] = number_column(people, name, "fusion.outcome.covariates")
        return labels, cautions

    def takes_part(self, labels: pd.DataFrame, settings: StudySettings) -> np.ndarray:
        """People whose outcome was measured, and controls."""
        return labels["label"].isin([MEASURED, CONTROL]).to_numpy()

    def values(self, labels: pd.DataFrame, settings: StudySettings) -> np.ndarray:
        """The numbers."""
        return labels["outcome"].to_numpy(float)

    def covariates(self, labels: pd.DataFrame, settings: StudySettings) -> pd.DataFrame:
        """Severity before, and the columns of ``fusion.outcome.covariates``."""
        names = [*([SEVERITY] if SEVERITY in labels else []), *settings.outcome.covariates]
        return labels[names]

    def question(
        self, people: pd.DataFrame, labels: pd.DataFrame, settings: StudySettings
    ) -> dict[str, Any]:
        """What was asked, mean and spread, and the people of each site."""
        values = labels["outcome"].to_numpy(float)
        known = np.isfinite(values)
        covariates = self.covariates(labels, settings)
        return {
            "kind": "continuous",
            "outcome": outcome_name(settings),
            "unit": outcome_unit(settings),
            "n": int(known.sum()),
            "mean": float(values[known].mean()) if known.any() else None,
            "sd": float(values[known].std(ddof=1)) if known.sum() > 1 else None,
            "covariates": {
                str(name): _correlation(values, covariates[name].to_numpy(float))
                for name in covariates
            },
            "n_indeterminate": int((labels["label"] == INDETERMINATE).sum()),
            "n_controls": int((labels["label"] == CONTROL).sum()),
            "sites": with_sites(labels, people, {"n": known}),
        }

    def why_unfittable(
        self, question: Mapping[str, Any], labels: pd.DataFrame, settings: StudySettings
    ) -> str:
        """Too few people, one value in everybody, or nobody beside another at a site."""
        wanted = 2 * max(settings.min_per_class, settings.outer_folds)
        if question["n"] < wanted:
            return (
                f"{question['outcome']} is known of {question['n']} of {len(labels)} people, who "
                f"are too few: {wanted} are needed."
            )
        if not question["sd"]:
            return f"{question['outcome']} has one value in everybody."
        if all(site["n"] < 2 for site in question["sites"].values()):
            return "No site has two people with the outcome: nobody can be compared within a site."
        return ""

    def enough_to_train(self, y: np.ndarray) -> bool:
        """Some people, with more than one value."""
        known = y[np.isfinite(y)]
        return len(known) >= 2 * MIN_TRAINING and bool(np.ptp(known) > 0)

    def too_few(self, y: np.ndarray, settings: StudySettings) -> str:
        """Fewer than twice ``min_per_class`` people."""
        count, wanted = int(np.isfinite(y).sum()), 2 * settings.min_per_class
        return "" if count >= wanted else f"{count} people have it and {wanted} are needed"

    def signal(self, y: np.ndarray) -> np.ndarray:
        """The outcome in units of two standard deviations, about its mean."""
        centred = np.nan_to_num(y - np.nanmean(y))
        return centred / max(2 * float(np.nanstd(y)), 1e-300)

    def strata(self, label_words: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Thirds of the outcome's order."""
        known = np.isfinite(y)
        third = np.full(len(y), "reference", dtype=object)
        order = np.argsort(np.argsort(y[known], kind="stable"), kind="stable")
        third[known] = [str(int(place) * THIRDS // max(1, len(order))) for place in order]
        return third.astype(str)


def outcome_name(settings: StudySettings) -> str:
    """What the outcome is called."""
    outcome = settings.outcome
    if outcome.name:
        return outcome.name
    if outcome.column:
        return outcome.column
    if outcome.before:
        return f"change from {outcome.before} to {outcome.after}"
    return f"change of the {SCALES[settings.trrip.scale].title}"


def outcome_unit(settings: StudySettings) -> str:
    """In what it is counted."""
    outcome = settings.outcome
    return outcome.unit or ("" if outcome.column else "% less symptoms")


def number_column(people: pd.DataFrame, name: str | None, key: str) -> np.ndarray:
    """A column of the people as numbers, shape (people,); NaN where empty.

    Raises
    ------
    ConfigError
        There is no such column.
    DatasetError
        A cell is no number.
    """
    if name is None or name not in people:
        raise ConfigError(
            key,
            found="no column is named" if name is None else f"there is no column '{name}'",
            wanted=f"one of {[c for c in people.columns if c != 'participant_id']}",
            mend=f"Set {key} in config.yaml",
        )
    return np.array(
        [
            np.nan if pd.isna(value) else as_number(value, str(who), name)
            for who, value in zip(people["participant_id"], people[name], strict=True)
        ]
    )


def _change(before: np.ndarray, after: np.ndarray, scale: Scale) -> np.ndarray:
    """Percentage of the symptoms above the floor of the scale that went away."""
    return np.array(
        [
            100 * symptom_reduction(first, then, floor=scale.floor)
            for first, then in zip(before, after, strict=True)
        ]
    )


def _refuse_beyond(who: pd.Series, scores: np.ndarray, name: str, scale: Scale) -> None:
    """Refuse a score that the scale does not have."""
    wrong = np.flatnonzero((scores < scale.floor) | (scores > scale.ceiling))
    if len(wrong):
        raise DatasetError(
            str(who.iloc[wrong[0]]),
            found=f"{name} is {scores[wrong[0]]:g}",
            wanted=f"a score of the {scale.title}, {scale.floor:g} to {scale.ceiling:g}, or n/a",
            mend="Mend the table, or set fusion.trrip.scale in config.yaml",
        )


def _of_trials(
    people: pd.DataFrame, trials: pd.DataFrame | None, which: str, scale: Scale
) -> tuple[np.ndarray, np.ndarray]:
    """Score before, and its percentage change, in each person's first or last complete trial."""
    severity, change = np.full(len(people), np.nan), np.full(len(people), np.nan)
    if trials is not None and BEFORE not in trials:
        trials = trials.rename(columns=PANSS_COLUMNS)
    if trials is None or not {BEFORE, AFTER} <= set(trials):
        raise ConfigError(
            "fusion.outcome",
            found="there is no treatment history to take the change of symptoms from"
            if trials is None
            else f"the treatment history has no {BEFORE} and {AFTER}",
            wanted="a treatment history with scores before and after, or fusion.outcome.column",
            mend="Set fusion.outcome.column in config.yaml, or treatments.file",
        )
    if "trial" in trials:
        trials = trials.sort_values(["participant_id", "trial"], kind="stable")
    scores = {
        name: np.array([
            np.nan if pd.isna(value) else as_number(value, str(who), name)
            for who, value in zip(trials["participant_id"], trials[name], strict=True)
        ])
        for name in (BEFORE, AFTER)
    }  # fmt: skip
    for name, values in scores.items():
        _refuse_beyond(trials["participant_id"], values, name, scale)
    share = _change(scores[BEFORE], scores[AFTER], scale)
    complete = np.flatnonzero(np.isfinite(share))
    row_of: dict[str, int] = {}
    for row in complete if which == "first" else complete[::-1]:
        row_of.setdefault(str(trials["participant_id"].iloc[row]), int(row))
    for place, who in enumerate(people["participant_id"].astype(str)):
        if who in row_of:
            severity[place] = scores[BEFORE][row_of[who]]
            change[place] = share[row_of[who]]
    return severity, change


def _correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < 3 or not np.ptp(first[both]) or not np.ptp(second[both]):
        return None
    return float(np.corrcoef(first[both], second[both])[0, 1])
