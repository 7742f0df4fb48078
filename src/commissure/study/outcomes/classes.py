"""Three and more classes, among which controls can be one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import ConfigError
from commissure.outputs import LABELS
from commissure.study.cells import as_text
from commissure.study.labels.column import refuse_typing_errors
from commissure.study.labels.vocabulary import CONTROL, INDETERMINATE, is_control
from commissure.study.outcomes.kind import LabelTable, OutcomeKind, OutcomeTables, with_sites
from commissure.study.settings import StudySettings
from commissure.study.splits import MIN_TRAINING


class Classes(OutcomeKind):
    """0, 1, 2 ... in the order of ``fusion.outcome.classes``; -1 for reference people."""

    def read(self, tables: OutcomeTables, settings: StudySettings) -> LabelTable:
        """Classes from a column of the people, else by the label rule."""
        outcome, names = settings.outcome, class_names(settings)
        if outcome.column is None:
            return tables.labels()
        column = outcome.column
        if column not in tables.people:
            raise ConfigError(
                "fusion.outcome.column",
                found=f"there is no column '{column}'",
                wanted=f"one of {[c for c in tables.people.columns if c != 'participant_id']}",
                mend="Correct fusion.outcome.column in config.yaml",
            )
        values = tables.people[column].map(as_text)
        refuse_typing_errors(values, names, column)
        absent = [name for name in names if name != CONTROL and not (values == name).any()]
        if absent:
            raise ConfigError(
                "fusion.outcome.classes",
                found=f"'{absent[0]}' occurs in nobody in the column {column}",
                wanted=f"some of {sorted(set(values.dropna()))[:10]}",
                mend="Correct fusion.outcome.classes in config.yaml",
            )
        groups = tables.people.get("group", pd.Series(None, index=tables.people.index))
        rows = []
        for who, value, group in zip(tables.people["participant_id"], values, groups, strict=True):
            if value in names:
                rows.append((str(who), value, ""))
            elif is_control(group):
                rows.append((str(who), CONTROL, ""))
            else:
                shown = "n/a" if value is None else value
                rows.append((str(who), INDETERMINATE, f"{column} is {shown}"))
        return LABELS.frame(rows), []

    def takes_part(self, labels: pd.DataFrame, settings: StudySettings) -> np.ndarray:
        """People of a class, and controls."""
        return labels["label"].isin([*class_names(settings), CONTROL]).to_numpy()

    def values(self, labels: pd.DataFrame, settings: StudySettings) -> np.ndarray:
        """Number of each person's class."""
        text, names = labels["label"].to_numpy(str), class_names(settings)
        return np.select([text == name for name in names], list(range(len(names))), -1)

    def question(
        self, people: pd.DataFrame, labels: pd.DataFrame, settings: StudySettings
    ) -> dict[str, Any]:
        """The classes and their counts."""
        label, names = labels["label"].to_numpy(str), class_names(settings)
        counted = {"n": np.isin(label, names), **{name: label == name for name in names}}
        return {
            "kind": "classes",
            "classes": list(names),
            "n": int(counted["n"].sum()),
            "n_by_class": {name: int(counted[name].sum()) for name in names},
            "n_indeterminate": int((label == INDETERMINATE).sum()),
            "n_controls": int(((label == CONTROL) & ~counted["n"]).sum()),
            "sites": with_sites(labels, people, counted),
        }

    def why_unfittable(
        self, question: Mapping[str, Any], labels: pd.DataFrame, settings: StudySettings
    ) -> str:
        """Too few people of a class, or classes that are never at one site."""
        wanted = max(settings.min_per_class, settings.outer_folds)
        few = [f"{n} {name}" for name, n in question["n_by_class"].items() if n < wanted]
        if few:
            return f"{' and '.join(few)} are too few: {wanted} of each class are needed."
        apart = _never_together(question)
        if apart:
            return (
                f"No site has people of both {apart[0][0]} and {apart[0][1]}: whatever tells them "
                "apart may be the site."
            )
        return ""

    def enough_to_train(self, y: np.ndarray) -> bool:
        """Some people of each class that occurs, and more than one class."""
        _, counts = np.unique(y[y >= 0], return_counts=True)
        return len(counts) > 1 and counts.min() >= MIN_TRAINING

    def too_few(self, y: np.ndarray, settings: StudySettings) -> str:
        """Fewer than ``min_per_class`` of a class."""
        names = class_names(settings)
        counts = [int((y == number).sum()) for number in range(len(names))]
        if min(counts) >= settings.min_per_class:
            return ""
        return (
            f"{' + '.join(map(str, counts))} people have it and {settings.min_per_class} of each "
            "class are needed"
        )

    def signal(self, y: np.ndarray) -> np.ndarray:
        """The classes at equal steps, 1 from the first to the second."""
        return np.maximum(y, 0).astype(float)

    def words(self, y: np.ndarray, settings: StudySettings) -> np.ndarray:
        """The classes."""
        names = class_names(settings)
        return np.select([y == number for number in range(len(names))], names, CONTROL)

    def cautions(self, question: Mapping[str, Any]) -> Sequence[str]:
        """People at sites with one class only."""
        alone = [
            site["n"]
            for site in question["sites"].values()
            if sum(site[name] > 0 for name in question["classes"]) < 2
        ]
        if not alone:
            return []
        return [f"{sum(alone)} of {question['n']} people are at sites with one class only: what is "
                "said within site says nothing of them."]  # fmt: skip


def class_names(settings: StudySettings) -> tuple[str, ...]:
    """The classes that are told apart, in their order."""
    outcome, label = settings.outcome, settings.label
    names = list(outcome.classes) or [label.negative, label.positive]
    if outcome.controls_as_class and CONTROL not in names:
        names.insert(0, CONTROL)
    return tuple(names)


def _never_together(question: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = question["classes"]
    return [
        (first, second)
        for place, first in enumerate(names)
        for second in names[place + 1 :]
        if not any(site[first] and site[second] for site in question["sites"].values())
    ]
