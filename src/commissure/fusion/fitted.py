"""A study with its models fitted in every division: what the analyses and the checks look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from commissure.evaluation.auc import AucEstimate
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.importance import Importance
from commissure.evaluation.measures.registry import permuted_measure
from commissure.evaluation.null_distribution import FEWEST_PERMUTATIONS, NullDistribution
from commissure.evaluation.out_of_fold import (
    Scores,
    left_out_of,
    repeats_of,
)
from commissure.evaluation.permutation import permutation_test
from commissure.evaluation.permutation_parts import BLOCK
from commissure.fusion.divided import DividedStudy, divide
from commissure.fusion.predictions import predictions
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import ModelSpec
from commissure.study.splits import LEAVE_SITE_OUT, MIN_TRAINING
from commissure.study.study import Study


@dataclass(frozen=True)
class FittedStudy(DividedStudy):
    """A study with the out-of-fold predictions of its models.

    Attributes
    ----------
    scores
        Out-of-fold predictions by model, over the divisions that can be fitted.
    importance
        What the models listen to.
    nulls
        Permutation test by model; empty where none was asked for.
    aucs
        ``within``, ``pooled`` and ``left_out`` of each model: AUCs of two labels, else what the
        measure of the outcome says.
    stored
        What jobs of their own have computed, by the name of the function that did.
    """

    scores: Scores
    importance: Importance
    nulls: Mapping[str, NullDistribution]
    aucs: Mapping[str, Mapping[str, AucEstimate]]
    stored: Mapping[str, Any] = field(default_factory=dict)

    def result_of(self, analysis: Callable[[DividedStudy], Any]) -> Any:
        """Result of an analysis that needs no predictions: of its own job, else computed here."""
        name = analysis.__name__
        return self.stored[name] if name in self.stored else analysis(self)

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
    stored: Mapping[str, Any] | None = None,
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
    stored
        What jobs of their own have computed (:mod:`commissure.fusion.separate`).
    """
    settings = study.settings
    divided = divide(study, specs, main)
    measure = divided.measure
    scores, importance = predictions(divided, stored or {}, say)
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
    return FittedStudy(
        study, specs, main, divided.splits, divided.folds, scores, importance, nulls, aucs,
        stored or {},
    )  # fmt: skip


def fold_cautions(fitted: FittedStudy) -> list[str]:
    """Sentences on sites that cannot be left out."""
    return [
        f"Site {fold.name} cannot be left out: too few people would remain at the others (fewer "
        f"than {MIN_TRAINING} of a label, or of an event)."
        for fold in fitted.folds
        if fold.scheme == LEAVE_SITE_OUT
        and not fitted.study.kind.enough_to_train(fitted.study.y[fold.train])
    ]
