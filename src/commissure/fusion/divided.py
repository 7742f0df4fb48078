"""A study with its models and the divisions of its people, before anything is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from commissure.evaluation.measures.measure import Measure
from commissure.evaluation.measures.registry import MEASURES
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import ModelSpec
from commissure.study.splits import CV, Fold, folds, split_table
from commissure.study.study import Study


@dataclass(frozen=True)
class DividedStudy:
    """A study with its models and divisions.

    Attributes
    ----------
    study
        The study.
    specs, main
        The models, and the one whose result is the study's.
    splits
        The fold of every person, as in splits.tsv.
    folds
        All divisions.
    """

    study: Study[FusionSettings]
    specs: Sequence[ModelSpec]
    main: ModelSpec
    splits: pd.DataFrame
    folds: Sequence[Fold]

    @property
    def measure(self) -> Measure:
        """By what number predictions are judged."""
        return MEASURES[self.study.settings.outcome.kind]

    @cached_property
    def usable_folds(self) -> list[Fold]:
        """Divisions with enough people to train on and somebody to test."""
        study = self.study
        return [
            fold
            for fold in self.folds
            if study.kind.enough_to_train(study.y[fold.train]) and study.labelled[fold.test].any()
        ]

    @cached_property
    def first_repeat(self) -> list[Fold]:
        """The divisions of the first repeat that can be fitted."""
        return [fold for fold in self.usable_folds if fold.scheme == CV and fold.repeat == 0]


def divide(
    study: Study[FusionSettings], specs: Sequence[ModelSpec], main: ModelSpec
) -> DividedStudy:
    """Divide the people of a study, its models as in :class:`DividedStudy`."""
    settings = study.settings
    people = {
        "participant_id": study.design.participants,
        "label": study.kind.strata(study.text, study.y),
        "site": study.design.sites,
    }
    if study.design.families is not None:
        people["family"] = study.design.families
    splits = split_table(
        pd.DataFrame(people),
        outer_folds=settings.outer_folds,
        repeats=settings.repeats,
        seed=settings.seed,
    )
    divisions = list(folds(splits, study.design.participants, study.design.families))
    return DividedStudy(study, specs, main, splits, divisions)
