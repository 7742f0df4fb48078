"""What a stored model says of new people, and how it is judged there: one entry a kind of outcome.

The numbers of a model are logits of the positive label (people,), a number (people,), logits of the
classes (people, classes), or log hazards (people,).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import ConfigError
from commissure.evaluation.auc import auc
from commissure.evaluation.calibration import brier, calibration_index, slope_and_intercept
from commissure.evaluation.conformal import typicality
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.measures.concordance import calibration_slope
from commissure.evaluation.measures.correlation import calibration_line
from commissure.evaluation.measures.hand_till import (
    class_brier,
    class_log_loss,
    class_probabilities,
)
from commissure.evaluation.measures.registry import MEASURES
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.models.logistic import sigmoid
from commissure.study.cells import as_text
from commissure.study.labels.column import refuse_typing_errors
from commissure.study.outcomes.continuous import MEASURED, number_column
from commissure.study.outcomes.time_to_event import CENSORED, EVENT, signed_times
from commissure.study.settings import OutcomeKindName

#: What joins the outcomes of a set in a cell, and what stands for a set without any.
JOINED, NOTHING = " | ", "none"
#: How far probabilities are held from 0 and 1 where their logit is taken.
SUREST = 1e-12


class PredictionKind(ABC):
    """What a stored model says, for outcomes of one kind.

    Attributes
    ----------
    kind
        The name of the kind of outcome.
    """

    kind: OutcomeKindName

    @abstractmethod
    def columns(
        self, about: Mapping[str, Any], said: np.ndarray, limits: Sequence[float | None]
    ) -> dict[str, np.ndarray]:
        """The columns of ``scores.tsv``.

        Parameters
        ----------
        about
            As that of a :class:`~commissure.transport.stored_model.StoredModel`.
        said
            The numbers of the model.
        limits
            Of :func:`commissure.evaluation.conformal.stored_limits`, None where nothing is
            refuted; empty where no sets are given.
        """

    @abstractmethod
    def outcomes(
        self, people: pd.DataFrame, about: Mapping[str, Any], column: str, event: str | None
    ) -> np.ndarray:
        """Outcomes of new people from a column of their table, as their kind holds them."""

    @abstractmethod
    def outcomes_of_a_run(self, labels: pd.DataFrame, about: Mapping[str, Any]) -> np.ndarray:
        """Outcomes from rows of ``labels.tsv``, NaN rows for people who are not there."""

    @abstractmethod
    def performance(self, held: HeldOut, sites: np.ndarray) -> dict[str, Any]:
        """How well the numbers do; of people who all have an outcome and a score.

        Parameters
        ----------
        held
            Their outcomes and the numbers of the model, everybody in one fold.
        sites
            Where they are.
        """

    @abstractmethod
    def in_words(self, performance: Mapping[str, Any]) -> str:
        """How well the numbers do, as a sentence."""

    def sets(self, said: np.ndarray, limits: Sequence[float | None]) -> np.ndarray:
        """Which outcomes are not refuted, shape (people, outcomes)."""
        typical = typicality(self.kind, np.full(len(said), -1), said)
        assert typical is not None
        return typical.values >= np.array([-math.inf if x is None else x for x in limits])

    def measured(self, held: HeldOut) -> dict[str, Any]:
        """The measure of the kind within site and of everybody, each with the people compared."""
        measure = MEASURES[self.kind]
        everybody = np.zeros(len(held.labels), dtype="U1")
        results: dict[str, Any] = {"n": len(held.labels)}
        for name, strata in (("within_site", held.cells), ("pooled", everybody)):
            value = measure.estimate([measure.statistic(held, strata)])
            results[f"{measure.key}_{name}"] = {**value.record(), "n": value.n_compared}
        return results

    def measured_in_words(self, performance: Mapping[str, Any]) -> str:
        """The measure within site, with its interval."""
        measure = MEASURES[self.kind]
        area = performance[f"{measure.key}_within_site"]
        if not area["n"]:
            return f"{measure.name} within site unknown (nobody can be compared at their site)"
        return (
            f"{measure.name} within site {area['value']:.2f} ({area['ci_low']:.2f} to "
            f"{area['ci_high']:.2f}; {area['n']} people are compared at their site)"
        )


class TwoLabelsKind(PredictionKind):
    """The probability of the positive label."""

    kind = "binary"

    def columns(
        self, about: Mapping[str, Any], said: np.ndarray, limits: Sequence[float | None]
    ) -> dict[str, np.ndarray]:
        """``probability``, and ``set`` of the labels that are not refuted."""
        columns: dict[str, np.ndarray] = {"probability": np.round(sigmoid(said), 6)}
        if len(limits):
            names = [about["positive"], about["negative"]]
            columns["set"] = named_sets(self.sets(said, limits), names)
        return columns

    def outcomes(
        self, people: pd.DataFrame, about: Mapping[str, Any], column: str, event: str | None
    ) -> np.ndarray:
        """1, 0, and -1 for other words."""
        return _numbered(people[column], [about["negative"], about["positive"]], column)

    def outcomes_of_a_run(self, labels: pd.DataFrame, about: Mapping[str, Any]) -> np.ndarray:
        """By the words of the label rule."""
        text = labels["label"].map(as_text).fillna("n/a").to_numpy(str)
        return np.select([text == about["positive"], text == about["negative"]], [1, 0], -1)

    def performance(self, held: HeldOut, sites: np.ndarray) -> dict[str, Any]:
        """AUCs with DeLong's intervals, Brier score and calibration."""
        y, p = held.labels, np.clip(sigmoid(held.logits), SUREST, 1 - SUREST)
        if len(set(y)) < 2:
            return {"n": len(y), "n_positive": int(y.sum()), "reason": "they are all the same"}
        logit = np.log(p) - np.log1p(-p)
        slope, intercept = slope_and_intercept(y, p)
        return {
            "n": len(y),
            "n_positive": int(y.sum()),
            "auc_within_site": _auc_with_people(y, logit, sites),
            "auc_pooled": _auc_with_people(y, logit, np.zeros(len(y))),
            "brier": brier(y, p),
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "ici": calibration_index(y, p),
        }

    def in_words(self, performance: Mapping[str, Any]) -> str:
        """AUC within site, Brier score, calibration."""
        area = performance["auc_within_site"]
        within = (
            f"{area['value']:.2f} ({area['ci_low']:.2f} to {area['ci_high']:.2f}; {area['n']} "
            "people have somebody of the other label at their site)"
            if area["n"]
            else "unknown (nobody has somebody of the other label at their site)"
        )
        return (
            f"AUC within site {within}, Brier score {performance['brier']:.3f}, calibration slope "
            f"{performance['calibration_slope']:.2f} and intercept "
            f"{performance['calibration_intercept']:.2f}"
        )


class NumberKind(PredictionKind):
    """The number that is expected."""

    kind = "continuous"

    def columns(
        self, about: Mapping[str, Any], said: np.ndarray, limits: Sequence[float | None]
    ) -> dict[str, np.ndarray]:
        """``predicted``, and ``low`` and ``high`` of its interval."""
        columns = {"predicted": np.round(said, 6)}
        if len(limits):
            half = math.inf if limits[0] is None else -limits[0]
            columns |= {"low": np.round(said - half, 6), "high": np.round(said + half, 6)}
        return columns

    def outcomes(
        self, people: pd.DataFrame, about: Mapping[str, Any], column: str, event: str | None
    ) -> np.ndarray:
        """The numbers of a column."""
        return number_column(people, column, "--label")

    def outcomes_of_a_run(self, labels: pd.DataFrame, about: Mapping[str, Any]) -> np.ndarray:
        """The numbers of a run on the new people."""
        if "outcome" not in labels:
            return np.full(len(labels), np.nan)
        known = (labels["label"] == MEASURED).to_numpy()
        return np.where(known, pd.to_numeric(labels["outcome"], errors="coerce"), np.nan)

    def performance(self, held: HeldOut, sites: np.ndarray) -> dict[str, Any]:
        """R within site and pooled, mean absolute error, line of measured on predicted."""
        slope, intercept = calibration_line(held)
        return {
            **self.measured(held),
            "mae": float(np.abs(held.labels - held.logits).mean()),
            "mae_mean_here": float(np.abs(held.labels - held.labels.mean()).mean()),
            "calibration_slope": slope,
            "calibration_intercept": intercept,
        }

    def in_words(self, performance: Mapping[str, Any]) -> str:
        """R within site and the mean absolute error."""
        return (
            f"{self.measured_in_words(performance)}, mean absolute error {performance['mae']:.3g} "
            f"({performance['mae_mean_here']:.3g} by their own mean), calibration slope "
            f"{performance['calibration_slope']:.2f}"
        )


class ClassesKind(PredictionKind):
    """The probability of each class."""

    kind = "classes"

    def columns(
        self, about: Mapping[str, Any], said: np.ndarray, limits: Sequence[float | None]
    ) -> dict[str, np.ndarray]:
        """``probability_<class>`` of each class, and ``set`` of those that are not refuted."""
        names = about["classes"]
        p = np.round(class_probabilities(said), 6)
        columns = {f"probability_{name}": p[:, place] for place, name in enumerate(names)}
        if len(limits):
            columns["set"] = named_sets(self.sets(said, limits), names)
        return columns

    def outcomes(
        self, people: pd.DataFrame, about: Mapping[str, Any], column: str, event: str | None
    ) -> np.ndarray:
        """The numbers of the classes, -1 for other words."""
        return _numbered(people[column], about["classes"], column)

    def outcomes_of_a_run(self, labels: pd.DataFrame, about: Mapping[str, Any]) -> np.ndarray:
        """By the words of the run."""
        text, names = labels["label"].map(as_text).fillna("n/a").to_numpy(str), about["classes"]
        return np.select([text == name for name in names], list(range(len(names))), -1)

    def performance(self, held: HeldOut, sites: np.ndarray) -> dict[str, Any]:
        """Hand and Till's M, log loss and Brier score."""
        if len(set(held.labels)) < 2:
            return {"n": len(held.labels), "reason": "they are all the same"}
        p = class_probabilities(held.logits)
        return {
            **self.measured(held),
            "log_loss": class_log_loss(held.labels, p),
            "brier": class_brier(held.labels, p),
        }

    def in_words(self, performance: Mapping[str, Any]) -> str:
        """M within site and the losses."""
        return (
            f"{self.measured_in_words(performance)}, log loss {performance['log_loss']:.3f}, Brier "
            f"score {performance['brier']:.3f}"
        )


class TimeKind(PredictionKind):
    """The log hazard beside that of a person with the mean of all markers."""

    kind = "time_to_event"

    def columns(
        self, about: Mapping[str, Any], said: np.ndarray, limits: Sequence[float | None]
    ) -> dict[str, np.ndarray]:
        """``log_hazard``: 0 is the mean of the training people."""
        return {"log_hazard": np.round(said, 6)}

    def outcomes(
        self, people: pd.DataFrame, about: Mapping[str, Any], column: str, event: str | None
    ) -> np.ndarray:
        """Times from one column, events from another."""
        if event is None or event not in people:
            raise ConfigError(
                "--event",
                found="no column is named" if event is None else f"there is no column '{event}'",
                wanted="the people's column that says whether the event happened",
            )
        return signed_times(people, column, event, "--label")

    def outcomes_of_a_run(self, labels: pd.DataFrame, about: Mapping[str, Any]) -> np.ndarray:
        """Times of a run on the new people."""
        if "outcome" not in labels:
            return np.full(len(labels), np.nan)
        time = pd.to_numeric(labels["outcome"], errors="coerce").to_numpy(float)
        word = labels["label"]
        return np.select([word == EVENT, word == CENSORED], [time, -time], np.nan)

    def performance(self, held: HeldOut, sites: np.ndarray) -> dict[str, Any]:
        """Harrell's C, and the slope of a Cox regression on the log hazards."""
        return {
            **self.measured(held),
            "n_events": int((held.labels > 0).sum()),
            "calibration_slope": calibration_slope(held),
        }

    def in_words(self, performance: Mapping[str, Any]) -> str:
        """C within site and the slope."""
        return (
            f"{self.measured_in_words(performance)}, {performance['n_events']} events, calibration "
            f"slope {performance['calibration_slope']:.2f}"
        )


PREDICTION_KINDS: Mapping[str, PredictionKind] = {
    made.kind: made for made in (TwoLabelsKind(), NumberKind(), ClassesKind(), TimeKind())
}


def named_sets(sets: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Sets of outcomes in words, as ``a | b``; shape (people,).

    Parameters
    ----------
    sets
        Shape (people, outcomes).
    names
        What the outcomes are called.
    """
    words = [
        JOINED.join(name for name, held in zip(names, row, strict=True) if held) or NOTHING
        for row in sets
    ]
    return np.array(words, dtype=object)


def _numbered(column: pd.Series, names: Sequence[str], title: str) -> np.ndarray:
    """Numbers of words, -1 for others; a typing error is refused, and so is none of the words."""
    text = column.map(as_text)
    refuse_typing_errors(text, tuple(names), title)
    words = text.fillna("n/a").to_numpy(str)
    numbers = np.select([words == name for name in names], list(range(len(names))), -1)
    if not (numbers >= 0).any():
        shown = " nor ".join(f"'{name}'" for name in reversed(names))
        raise ConfigError(
            "--label", found=f"neither {shown} occurs in {title}",
            wanted=f"the words of the model, not {sorted(set(words.tolist()))[:6]}",
        )  # fmt: skip
    return numbers


def _auc_with_people(y: np.ndarray, logit: np.ndarray, stratum: np.ndarray) -> dict[str, Any]:
    """An area with the number of people that were compared at all."""
    area = auc([pairwise_comparisons(y, logit, stratum)])
    return {**area.record(), "n": area.n_compared}
