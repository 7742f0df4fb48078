"""The study as the models take it: labelled people, their markers side by side, the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Self, TypeVar

import numpy as np
import pandas as pd

from commissure.markers.selection import kept_rows
from commissure.study.changes import model_rows
from commissure.study.design import Design, build_design
from commissure.study.outcomes.kind import OutcomeKind, carries_outcome
from commissure.study.outcomes.registry import OUTCOME_KINDS
from commissure.study.settings import StudySettings

#: Settings of the study or of any floor above it, which add to them.
SettingsT_co = TypeVar("SettingsT_co", bound=StudySettings, covariant=True)


@dataclass(frozen=True)
class Study(Generic[SettingsT_co]):
    """People with a label and controls, and what is known of them.

    The first three make a study to which models are fitted; the others come from its tables.

    Attributes
    ----------
    settings
        The settings, those of the floor that uses the study.
    design
        The matrix.
    y
        Outcomes of the people of the matrix as their kind holds them, shape (people,): of two
        labels 1, 0, and -1 for controls.
    labels
        ``participant_id label reason`` of everybody, also of those who are left out.
    question
        The counts of metrics.json.
    cautions
        Sentences for the reader.
    people
        ``participant_id site`` and the columns of ``participants.tsv``, those of the matrix only.
    rows
        The rows of ``markers.tsv`` at the baseline, before exclusions.
    rules
        The exclusions.
    definitions
        Content of ``markers.json``.
    units
        Unit of each marker.
    covariates
        What is taken out of the outcome, one row per row of ``people``.
    visits
        ``participant_id session visit days`` of every session.
    change
        Reliability of each marker's change, where the models see change.
    """

    settings: SettingsT_co
    design: Design
    y: np.ndarray
    labels: pd.DataFrame = field(default_factory=pd.DataFrame)
    question: Mapping[str, Any] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()
    people: pd.DataFrame = field(default_factory=pd.DataFrame)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    rules: pd.DataFrame = field(default_factory=pd.DataFrame)
    definitions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    covariates: pd.DataFrame | None = None
    visits: pd.DataFrame | None = None
    change: Sequence[Mapping[str, Any]] = ()

    @property
    def text(self) -> np.ndarray:
        """Outcomes of the people of the matrix in words, shape (people,)."""
        return self.kind.words(self.y, self.settings)

    @property
    def kind(self) -> OutcomeKind:
        """What kind of outcome it has."""
        return OUTCOME_KINDS[self.settings.outcome.kind]

    @property
    def labelled(self) -> np.ndarray:
        """Who has an outcome, shape (people,)."""
        return carries_outcome(self.y)

    def with_labels(self, y: np.ndarray) -> Self:
        """The same people and markers under other labels."""
        return replace(self, y=y)

    def with_design(self, design: Design) -> Self:
        """The same people and labels with another matrix."""
        return replace(self, design=design)

    def under(self, rules: pd.DataFrame) -> Self:
        """The same people under other exclusions, of whom some may have no marker left."""
        design = build_design(
            model_rows(kept_rows(self.rows, rules), self.visits, self.definitions, self.settings),
            self.definitions, self.people, settings=self.settings, covariates=self.covariates,
        )  # fmt: skip
        return replace(self, design=design, rules=rules)


@dataclass(frozen=True)
class Unfittable(Generic[SettingsT_co]):
    """A study without enough labelled people for any model.

    Attributes
    ----------
    settings, labels, question, cautions
        As those of a :class:`Study`.
    reason
        One sentence on why nothing can be fitted.
    """

    settings: SettingsT_co
    labels: pd.DataFrame
    question: Mapping[str, Any]
    cautions: tuple[str, ...]
    reason: str
