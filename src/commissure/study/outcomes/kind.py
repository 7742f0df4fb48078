"""What a kind of outcome is to the tables of a study.

Each floor above adds what it needs of a kind under the same name: how it is learnt
(:mod:`commissure.models.responses`), by what number predictions are judged
(:mod:`commissure.evaluation.measures`), what is tried against it and written of it
(:mod:`commissure.fusion.kinds`), how a reader is told (:mod:`commissure.report.outcome_words`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from commissure.study.settings import StudySettings

#: ``participant_id label reason`` and a kind's own columns of everybody, and cautions.
LabelTable = tuple[pd.DataFrame, list[str]]


@dataclass(frozen=True)
class OutcomeTables:
    """The tables from which an outcome is read, each read when it is asked for.

    Attributes
    ----------
    people
        One row per person, with ``site``.
    labels
        Label and reason of everybody by the label rule of the settings, with cautions.
    trials
        The treatment history, None where there is none, with cautions.
    """

    people: pd.DataFrame
    labels: Callable[[], LabelTable]
    trials: Callable[[], tuple[pd.DataFrame | None, list[str]]]


class OutcomeKind(ABC):
    """How an outcome of one kind is read from tables and held as numbers.

    As numbers an outcome is one value per person: a whole number for labels and classes, below 0
    for people without one; a float for what was measured, NaN for people without it.
    """

    @abstractmethod
    def read(self, tables: OutcomeTables, settings: StudySettings) -> LabelTable:
        """``participant_id label reason`` and the kind's columns of everybody, and cautions."""

    @abstractmethod
    def takes_part(self, labels: pd.DataFrame, settings: StudySettings) -> np.ndarray:
        """Who is laid out in the matrix: people with the outcome, and reference people."""

    @abstractmethod
    def values(self, labels: pd.DataFrame, settings: StudySettings) -> np.ndarray:
        """The outcome as numbers, shape (people,)."""

    @abstractmethod
    def question(
        self, people: pd.DataFrame, labels: pd.DataFrame, settings: StudySettings
    ) -> dict[str, Any]:
        """``question`` of metrics.json: what was asked, and of how many people at which site."""

    @abstractmethod
    def why_unfittable(
        self, question: Mapping[str, Any], labels: pd.DataFrame, settings: StudySettings
    ) -> str:
        """One sentence on why nothing can be fitted, or an empty text."""

    @abstractmethod
    def enough_to_train(self, y: np.ndarray) -> bool:
        """Whether people with these outcomes are enough to be trained on."""

    @abstractmethod
    def too_few(self, y: np.ndarray, settings: StudySettings) -> str:
        """Why people with these outcomes are too few for a model of a block, or an empty text."""

    @abstractmethod
    def signal(self, y: np.ndarray) -> np.ndarray:
        """The outcome as a number that a difference can be planted along; 0 for people without.

        Shape (people,); the ends of its range are about 1 apart in half of the people.
        """

    def strata(self, label_words: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Words by which people are dealt evenly over the folds, beside their sites."""
        return label_words

    def words(self, y: np.ndarray, settings: StudySettings) -> np.ndarray:
        """What ``predictions.tsv`` calls each person's outcome, shape (people,)."""
        return np.array(["n/a" if not known else f"{value:g}" for value, known in
                         zip(y, carries_outcome(y), strict=True)])  # fmt: skip

    def cautions(self, question: Mapping[str, Any]) -> Sequence[str]:
        """Sentences on who cannot be compared."""
        return []

    def covariates(self, labels: pd.DataFrame, settings: StudySettings) -> pd.DataFrame:
        """What is taken out of the outcome in training, one column each; by default nothing."""
        return pd.DataFrame(index=labels.index)


def carries_outcome(y: np.ndarray) -> np.ndarray:
    """Who has an outcome: whole numbers from 0 on, and measured values that are numbers."""
    return y >= 0 if y.dtype.kind in "iub" else np.isfinite(y)


def without_outcome(y: np.ndarray, people: np.ndarray) -> np.ndarray:
    """The outcomes with those of some people taken away (they are no reference people either).

    Parameters
    ----------
    y
        Outcomes, shape (people,).
    people
        Who loses theirs, shape (people,).
    """
    return np.where(people, -2 if y.dtype.kind in "iub" else np.nan, y)


def with_sites(
    labels: pd.DataFrame, people: pd.DataFrame, counted: Mapping[str, np.ndarray]
) -> dict[str, dict[str, int]]:
    """Counts of people by site: ``{site: {name: number}}``, sites without anybody left out.

    Parameters
    ----------
    labels, people
        The same people in the same order.
    counted
        For each name who counts; the first says at which sites anybody is.
    """
    site = people["site"].to_numpy(str)
    first = next(iter(counted.values()))
    return {
        str(name): {key: int((mask & (site == name)).sum()) for key, mask in counted.items()}
        for name in sorted(set(site[first]))
    }
