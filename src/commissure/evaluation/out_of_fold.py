"""Out-of-fold predictions of all models, and the numbers drawn from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from commissure.evaluation.auc import AucEstimate, auc
from commissure.evaluation.calibration import brier, calibration_index, slope_and_intercept
from commissure.evaluation.held_out import HeldOut, outcome_covariates, said_by
from commissure.evaluation.importance import Importance
from commissure.evaluation.null_distribution import NullDistribution, auc_within_site
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.models.fitting import fit_models
from commissure.models.logistic import sigmoid
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.splits import CV, LEAVE_SITE_OUT, Fold
from commissure.study.study import Study


@dataclass(frozen=True)
class FoldScores:
    """Predictions of one model in one division.

    Attributes
    ----------
    fold
        The division.
    rows
        Row numbers of the test people with a label.
    logits
        Shape (rows,), or (rows, classes); NaN for people without what the model needs.
    """

    fold: Fold
    rows: np.ndarray
    logits: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Probability of the positive label."""
        return sigmoid(self.logits)


#: Predictions of each model by its name.
Scores = Mapping[str, Sequence[FoldScores]]


def out_of_fold(
    study: Study[ModelSettings],
    specs: Sequence[ModelSpec],
    folds: Sequence[Fold],
    say: Callable[[str], None],
) -> tuple[Scores, Importance]:
    """Fit all models on the training people of each division and score its test people.

    Parameters
    ----------
    study
        The study.
    specs, folds
        Models and divisions.
    say
        Takes a line per repeat.

    Returns
    -------
    scores, importance
        Predictions by model, and what the models of the cross-validation listen to.
    """
    values, y = study.design.values, study.y
    scores: dict[str, list[FoldScores]] = {spec.name: [] for spec in specs}
    importance = Importance(study.design)
    last = None
    for fold in folds:
        if (fold.scheme, fold.repeat) != last:
            last = (fold.scheme, fold.repeat)
            repeat = f"repeat {fold.repeat + 1} of {study.settings.repeats}"
            cv = fold.scheme == CV
            say(f"fusion: {repeat if cv else 'leaving out one site after the other'}")
        fitted = fit_models(specs, values[fold.train], y[fold.train], settings=study.settings)
        rows = fold.test[study.labelled[fold.test]]
        for spec in specs:
            said = said_by(fitted[spec.name], values[rows], spec)
            scores[spec.name].append(FoldScores(fold, rows, said))
        if fold.scheme == CV:
            importance.add(fitted, values[fold.train[study.labelled[fold.train]]])
    return scores, importance


def repeats_of(study: Study[ModelSettings], scores: Sequence[FoldScores]) -> list[HeldOut]:
    """The predictions of a model in each repeat of the cross-validation."""
    people = len(study.y)
    repeats: dict[int, HeldOut] = {}
    for part in scores:
        if part.fold.scheme != CV:
            continue
        if part.fold.repeat not in repeats:
            repeats[part.fold.repeat] = HeldOut(
                study.y,
                study.design.sites,
                np.full(people, "", dtype="U64"),
                np.full((people, *part.logits.shape[1:]), np.nan),
                outcome_covariates(study),
            )
        held = repeats[part.fold.repeat]
        held.logits[part.rows], held.fold[part.rows] = part.logits, part.fold.name
    return list(repeats.values())


def left_out_of(study: Study[ModelSettings], scores: Sequence[FoldScores]) -> HeldOut | None:
    """The predictions of a model with the site left out; None where no site can be."""
    parts = [part for part in scores if part.fold.scheme == LEAVE_SITE_OUT]
    if not parts:
        return None
    people = len(study.y)
    held = HeldOut(
        study.y,
        study.design.sites,
        np.full(people, "", dtype="U64"),
        np.full((people, *parts[0].logits.shape[1:]), np.nan),
        outcome_covariates(study),
    )
    for part in parts:
        held.logits[part.rows], held.fold[part.rows] = part.logits, part.fold.name
    return held


def mean_probabilities(
    study: Study[ModelSettings], scores: Sequence[FoldScores]
) -> tuple[np.ndarray, np.ndarray]:
    """Label and probability of everybody whom a model scores, averaged over the repeats.

    Returns
    -------
    labels, probabilities
        Shape (scored people,).
    """
    held = repeats_of(study, scores)
    probabilities = np.mean([sigmoid(repeat.logits) for repeat in held], axis=0)
    scored = np.isfinite(probabilities)
    return study.y[scored], probabilities[scored]


def model_aucs(
    study: Study[ModelSettings],
    scores: Sequence[FoldScores],
    null: NullDistribution | None = None,
) -> dict[str, AucEstimate]:
    """The three AUCs of one model: ``within`` site, ``pooled``, and with the site ``left_out``.

    The intervals of the first and the last are widened by what the permutation test, where there is
    one, says of them; that of the pooled AUC is DeLong's as it is, for labels permuted within site
    say nothing of people of different sites.
    """
    y = study.y
    held = repeats_of(study, scores)
    left_out = left_out_of(study, scores)
    away = None if null is None else null.left_out
    widened_left_out = 1.0 if away is None else away.widening(1)
    everyone = np.zeros(len(y))
    return {
        "within": auc_within_site([repeat.comparisons() for repeat in held], null),
        "pooled": auc([pairwise_comparisons(y, repeat.logits, everyone) for repeat in held]),
        "left_out": auc([] if left_out is None else [left_out.comparisons()], widened_left_out),
    }


def model_record(
    study: Study[ModelSettings],
    spec: ModelSpec,
    scores: Sequence[FoldScores],
    aucs: Mapping[str, AucEstimate],
    null: NullDistribution | None,
) -> dict[str, Any]:
    """The entry of a model in metrics.json; Brier score and calibration are means over repeats."""
    y = study.y
    briers, slopes, intercepts, indices = [], [], [], []
    held = repeats_of(study, scores)
    for repeat in held:
        scored = np.isfinite(repeat.logits)
        p = sigmoid(repeat.logits[scored])
        briers.append(brier(y[scored], p))
        slope, intercept = slope_and_intercept(y[scored], p)
        slopes.append(slope)
        intercepts.append(intercept)
        indices.append(calibration_index(y[scored], p))
    scored = np.isfinite(held[0].logits)
    return {
        "kind": spec.kind,
        "description": spec.description,
        "auc_within_site": aucs["within"].record(),
        "auc_pooled": aucs["pooled"].record(),
        "auc_leave_site_out": aucs["left_out"].record(),
        "brier": _mean(briers),
        "calibration_slope": _mean(slopes),
        "calibration_intercept": _mean(intercepts),
        "calibration_index": _mean(indices),
        "p_permutation": None if null is None else null.p,
        "n": int(scored.sum()),
        "n_positive": int((y[scored] == 1).sum()),
        "modalities": list(spec.modalities),
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan
