"""A study with its models fitted in every division: what the analyses and the checks look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from commissure.evaluation.auc import AucEstimate
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.importance import Importance
from commissure.evaluation.measures.measure import Measure
from commissure.evaluation.measures.registry import MEASURES, permuted_measure
from commissure.evaluation.null_distribution import FEWEST_PERMUTATIONS, NullDistribution
from commissure.evaluation.out_of_fold import (
    Scores,
    left_out_of,
    out_of_fold,
    repeats_of,
)
from commissure.evaluation.permutation import permutation_test
from commissure.evaluation.permutation_parts import BLOCK
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import ModelSpec
from commissure.study.splits import (
    CV,
    LEAVE_SITE_OUT,
    MIN_TRAINING,
    Fold,
    folds,
    split_table,
)
from commissure.study.study import Study


@dataclass(frozen=True)
class FittedStudy:
    """A study with the out-of-fold predictions of its models.

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
    scores
        Out-of-fold predictions by model, over the divisions that can be fitted.
    importance
        What the models listen to.
    nulls
        Permutation test by model; empty where none was asked for.
    aucs
        ``within``, ``pooled`` and ``left_out`` of each model: AUCs of two labels, else what the
        measure of the outcome says.
    """

    study: Study[FusionSettings]
    specs: Sequence[ModelSpec]
    main: ModelSpec
    splits: pd.DataFrame
    folds: Sequence[Fold]
    scores: Scores
    importance: Importance
    nulls: Mapping[str, NullDistribution]
    aucs: Mapping[str, Mapping[str, AucEstimate]]

    @property
    def measure(self) -> Measure:
        """By what number predictions are judged."""
        return MEASURES[self.study.settings.outcome.kind]

    @property
    def null(self) -> NullDistribution | None:
        """The permutation test of the main model."""
        return self.nulls.get(self.main.name)

    @property
    def main_auc(self) -> AucEstimate:
        """AUC (or other measure) within site of the main model."""
        return self.aucs[self.main.name]["within"]

    @cached_property
    def main_repeats(self) -> list[HeldOut]:
        """Predictions of the main model in each repeat of the cross-validation."""
        return repeats_of(self.study, self.scores[self.main.name])

    @cached_property
    def main_left_out(self) -> HeldOut | None:
        """Predictions of the main model with the site left out; None where no site can be."""
        return left_out_of(self.study, self.scores[self.main.name])

    @cached_property
    def first_repeat(self) -> list[Fold]:
        """The divisions of the first repeat that can be fitted."""
        usable = usable_folds(self.study, self.folds)
        return [fold for fold in usable if fold.scheme == CV and fold.repeat == 0]

    @property
    def null_spread(self) -> float:
        """Standard deviation of the AUC of one repeat where the labels mean nothing.

        From the permutations, or where they are few from the variance of the Mann-Whitney
        statistic within folds.
        """
        if self.null is not None and len(self.null.known) >= FEWEST_PERMUTATIONS:
            return math.sqrt(self.null.variance(1))
        if self.study.settings.outcome.kind != "binary":
            return self.measure.chance_spread / math.sqrt(max(1, int(self.study.labelled.sum())))
        n1, n0 = int((self.study.y == 1).sum()), int((self.study.y == 0).sum())
        return float(np.sqrt(self.study.settings.outer_folds * (n1 + n0 + 1) / (12 * n1 * n0)))

    @cached_property
    def records(self) -> Mapping[str, Mapping[str, Any]]:
        """The entries of the models in metrics.json."""
        return {
            spec.name: self.measure.record(
                self.study,
                spec,
                self.scores[spec.name],
                self.aucs[spec.name],
                self.nulls.get(spec.name),
            )
            for spec in self.specs
        }


def fit_study(
    study: Study[FusionSettings],
    specs: Sequence[ModelSpec],
    main: ModelSpec,
    nulls: Mapping[str, NullDistribution] | None,
    say: Callable[[str], None],
    block: int = BLOCK,
) -> FittedStudy:
    """Divide the people, and fit and score the models in every division.

    Parameters
    ----------
    study, specs, main
        The study, its models, and the one whose result is the study's.
    nulls
        The permutation test, where it has been run; None to run it here.
    say
        Takes a line on how far the work is.
    block
        Permutations that are worked on together.
    """
    settings = study.settings
    measure = MEASURES[settings.outcome.kind]
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
    scores, importance = out_of_fold(study, specs, usable_folds(study, divisions), say)
    if nulls is None:
        nulls = {}
        if settings.permutations:
            say(f"fusion: {settings.permutations} permutations of the labels")
            nulls = permutation_test(
                study, specs, block=block, measure=permuted_measure(settings.outcome.kind)
            )
    aucs = {
        spec.name: measure.estimates(study, scores[spec.name], nulls.get(spec.name))
        for spec in specs
    }
    return FittedStudy(study, specs, main, splits, divisions, scores, importance, nulls, aucs)


def usable_folds(study: Study[FusionSettings], divisions: Sequence[Fold]) -> list[Fold]:
    """Divisions with enough people to train on and somebody to test."""
    return [
        fold
        for fold in divisions
        if study.kind.enough_to_train(study.y[fold.train]) and study.labelled[fold.test].any()
    ]


def fold_cautions(fitted: FittedStudy) -> list[str]:
    """Sentences on sites that cannot be left out."""
    return [
        f"Site {fold.name} cannot be left out: too few people would remain at the others (fewer "
        f"than {MIN_TRAINING} of a label, or of an event)."
        for fold in fitted.folds
        if fold.scheme == LEAVE_SITE_OUT
        and not fitted.study.kind.enough_to_train(fitted.study.y[fold.train])
    ]
