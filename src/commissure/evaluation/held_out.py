"""What models say of people who were held out of their training: the one loop over folds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from commissure.evaluation.auc import AucEstimate, auc
from commissure.evaluation.pairs import PairwiseComparisons, pairwise_comparisons, wins_by_labelling
from commissure.models.fitting import fit_models
from commissure.models.logistic import Solver
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.models.two_labels import TwoLabels
from commissure.study.design import COVARIATES
from commissure.study.outcomes.kind import carries_outcome
from commissure.study.splits import Fold
from commissure.study.study import Study

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class HeldOut:
    """Scores of people by models that were not trained on them, in one round of folds.

    Attributes
    ----------
    labels
        1, 0, and anything below for people who are not scored; shape (people,), or
        (people, labellings).
    sites
        Site of each person.
    fold
        Name of the fold in which each person was tested; empty for people who were not.
    logits
        The shape of ``labels``, with one more axis where a model says several numbers of each
        person; NaN for people without what the model needs.
    covariates
        What is taken out of the outcome, shape (people, covariates), or None.
    """

    labels: np.ndarray
    sites: np.ndarray
    fold: np.ndarray
    logits: np.ndarray
    covariates: np.ndarray | None = None

    @property
    def cells(self) -> np.ndarray:
        """A number for site and fold of each person: who may be compared with whom."""
        site, fold = (pd.factorize(names)[0] for names in (self.sites, self.fold))
        return np.asarray(site * (fold.max(initial=0) + 1) + fold)

    def comparisons(self) -> PairwiseComparisons:
        """Every positive with every negative person of one site who was scored by one model."""
        return pairwise_comparisons(self.labels, self.logits, self.cells)

    def auc(self, widening: float = 1.0) -> AucEstimate:
        """AUC within site."""
        return auc([self.comparisons()], widening)

    def wins_by_labelling(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels of the labelled people, what each won, and how often they were compared.

        Each of the shape (labelled people, labellings).
        """
        labelled = self.labels[:, 0] >= 0
        labels = self.labels[labelled].astype(float)
        return labels, *wins_by_labelling(labels, self.logits[labelled], self.cells[labelled])


def held_out(
    study: Study[ModelSettings],
    spec: ModelSpec,
    folds: Sequence[Fold],
    *,
    values: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    solver: Solver = "newton",
) -> HeldOut:
    """Fit one model in the training people of each fold and score the test people.

    Parameters
    ----------
    study
        The study.
    spec, folds
        The model, and the divisions of one repeat.
    values, labels
        Others than those of the study, of the same shape.
    solver
        How the logistic regressions are solved.
    """
    values = study.design.values if values is None else values
    labels = study.y if labels is None else labels

    def scores(fold: Fold, test: np.ndarray) -> Mapping[str, np.ndarray]:
        model = fit_models(
            [spec], values[fold.train], labels[fold.train], settings=study.settings, solver=solver
        )[spec.name]
        return {spec.name: said_by(model, values[test], spec)}

    return held_out_each(study, [spec.name], folds, scores, labels=labels)[spec.name]


def held_out_each(
    study: Study[ModelSettings],
    keys: Iterable[Key],
    folds: Sequence[Fold],
    scores: Callable[[Fold, np.ndarray], Mapping[Key, np.ndarray]],
    *,
    labels: np.ndarray | None = None,
) -> dict[Key, HeldOut]:
    """Gather scores of several kinds over the folds of one repeat.

    Parameters
    ----------
    study
        The study.
    keys
        What is scored: models, coalitions, shuffles ...
    folds
        The divisions.
    scores
        Takes a fold and the row numbers of its labelled test people; gives their logits by key,
        shape (test people,) or (test people, labellings).
    labels
        Others than those of the study, shape (people,) or (people, labellings).
    """
    labels = study.y if labels is None else labels
    labelled = carries_outcome(labels if labels.ndim == 1 else labels[:, 0])
    logits = {key: np.full(labels.shape, np.nan) for key in keys}
    names = [fold.name for fold in folds]
    tested_in = np.full(len(labels), "", dtype=f"U{max(map(len, names), default=1)}")
    for fold in folds:
        test = fold.test[labelled[fold.test]]
        tested_in[test] = fold.name
        for key, values in scores(fold, test).items():
            if logits[key].shape[1:] != values.shape[1:]:
                logits[key] = np.full((len(labels), *values.shape[1:]), np.nan)
            logits[key][test] = values
    covariates = outcome_covariates(study)
    return {
        key: HeldOut(labels, study.design.sites, tested_in, values, covariates)
        for key, values in logits.items()
    }


def said_by(model: TwoLabels, values: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """What a model says of people: one number of each, or one for every class."""
    logits = model.logits(values)
    return logits[:, 0] if spec.response.width == 1 else logits


def outcome_covariates(study: Study[ModelSettings]) -> np.ndarray | None:
    """What is taken out of the outcome, shape (people, covariates); None where nothing is."""
    block = study.design.blocks.get(COVARIATES)
    return None if block is None else study.design.values[:, list(block.columns)]
