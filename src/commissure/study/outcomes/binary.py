"""Two labels, by a label rule: the default outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from commissure.study.labels.vocabulary import CONTROL
from commissure.study.outcomes.kind import LabelTable, OutcomeKind, OutcomeTables
from commissure.study.question import question_counts, uneven_sites, why_unfittable
from commissure.study.settings import StudySettings
from commissure.study.splits import enough_to_train


class Binary(OutcomeKind):
    """1 for the positive label, 0 for the negative one, -1 for controls."""

    def read(self, tables: OutcomeTables, settings: StudySettings) -> LabelTable:
        """Labels by the rule of the settings."""
        return tables.labels()

    def takes_part(self, labels: pd.DataFrame, settings: StudySettings) -> np.ndarray:
        """People with one of the two labels, and controls."""
        label = settings.label
        return labels["label"].isin([label.positive, label.negative, CONTROL]).to_numpy()

    def values(self, labels: pd.DataFrame, settings: StudySettings) -> np.ndarray:
        """1, 0 and -1."""
        text, label = labels["label"].to_numpy(str), settings.label
        return np.select([text == label.positive, text == label.negative], [1, 0], -1)

    def question(
        self, people: pd.DataFrame, labels: pd.DataFrame, settings: StudySettings
    ) -> dict[str, Any]:
        """Both labels and their counts."""
        return question_counts(people, labels, settings)

    def why_unfittable(
        self, question: Mapping[str, Any], labels: pd.DataFrame, settings: StudySettings
    ) -> str:
        """Too few people of a label, or no site with both."""
        return why_unfittable(question, labels, settings)

    def cautions(self, question: Mapping[str, Any]) -> Sequence[str]:
        """Sites with one label only."""
        return uneven_sites(question)

    def enough_to_train(self, y: np.ndarray) -> bool:
        """Some people of each label."""
        return enough_to_train(y)

    def too_few(self, y: np.ndarray, settings: StudySettings) -> str:
        """Fewer than ``min_per_class`` of a label."""
        counts = [int((y == value).sum()) for value in (1, 0)]
        wanted = settings.min_per_class
        if min(counts) >= wanted:
            return ""
        return f"{counts[0]} + {counts[1]} people have it and {wanted} of each label are needed"

    def signal(self, y: np.ndarray) -> np.ndarray:
        """1 for the positive label."""
        return (y == 1).astype(float)

    def words(self, y: np.ndarray, settings: StudySettings) -> np.ndarray:
        """The labels."""
        label = settings.label
        return np.select([y == 1, y == 0], [label.positive, label.negative], CONTROL)
