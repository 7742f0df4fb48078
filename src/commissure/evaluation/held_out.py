"""Out-of-fold predictions of all models, and the numbers drawn from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from commissure.evaluation import auc as evaluation
from commissure.evaluation.auc import Area
from commissure.evaluation.importance import Explanation
from commissure.evaluation.permutation import Null
from commissure.evaluation.settings import EvaluationSettings
from commissure.models.logistic import sigmoid
from commissure.models.registry import ModelSpec, fit_models
from commissure.study.design import Design
from commissure.study.splits import CV, LEAVE_SITE_OUT, Fold


@dataclass(frozen=True)
class Scored:
    """Predictions of one model in one division.

    Attributes
    ----------
    fold
        The division.
    rows
        Row numbers of the test people with a label.
    logits
        Shape (rows,); NaN for people without what the model needs.
    """

    fold: Fold
    rows: np.ndarray
    logits: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Probability of the positive label."""
        return sigmoid(self.logits)


def out_of_fold(
    design: Design,
    y: np.ndarray,
    specs: Sequence[ModelSpec],
    folds: Sequence[Fold],
    settings: EvaluationSettings,
    say: Callable[[str], None],
) -> tuple[Mapping[str, list[Scored]], Explanation]:
    """Fit all models on the training people of each division and score its test people.

    Parameters
    ----------
    design, y
        The matrix and its labels (1, 0, -1 for reference people).
    specs, folds, settings
        Models, divisions, settings.
    say
        Takes a line per repeat.

    Returns
    -------
    scored, importance
        Predictions by model, and what the models of the cross-validation listen to.
    """
    scored: dict[str, list[Scored]] = {spec.name: [] for spec in specs}
    importance = Explanation(design)
    last = None
    for fold in folds:
        if (fold.scheme, fold.repeat) != last:
            last = (fold.scheme, fold.repeat)
            where = f"repeat {fold.repeat + 1} of {settings.repeats}"
            say(f"fusion: {where if fold.scheme == CV else 'leaving out one site after the other'}")
        fitted = fit_models(specs, design.values[fold.train], y[fold.train], settings=settings)
        rows = fold.test[y[fold.test] >= 0]
        for name, model in fitted.items():
            scored[name].append(Scored(fold, rows, model.logits(design.values[rows])[:, 0]))
        if fold.scheme == CV:
            known = fold.train[y[fold.train] >= 0]
            importance.add(fitted, design.values[known])
    return scored, importance


def model_areas(
    scored: Sequence[Scored], y: np.ndarray, sites: np.ndarray, null: Null | None = None
) -> dict[str, Area]:
    """The three areas of one model: ``within`` site, ``pooled``, and with the site ``left_out``.

    The intervals of the first and the last are widened by what the permutation test, where there is
    one, says of them; that of the pooled area is DeLong's as it is, for labels permuted within site
    say nothing of people of different sites.
    """
    site_folds = [one for one in scored if one.fold.scheme == LEAVE_SITE_OUT]
    rounds = rounds_of(scored, len(y))
    within = [(s, np.char.add(np.char.add(sites, "\t"), fold)) for s, fold in rounds]
    pooled = [(s, np.zeros(len(y))) for s, _ in rounds]
    left_out = []
    if site_folds:
        logits = np.full(len(y), np.nan)
        for one in site_folds:
            logits[one.rows] = one.logits
        left_out = [(logits, sites)]
    wider = {"pooled": 1.0, "within": 1.0, "left_out": 1.0}
    if null is not None:
        wider["within"] = null.widening(len(rounds))
        wider["left_out"] = 1.0 if null.left_out is None else null.left_out.widening(1)
    return {
        name: evaluation.area([evaluation.compared_pairs(y, *one) for one in own], wider[name])
        for name, own in (("within", within), ("pooled", pooled), ("left_out", left_out))
    }


def model_record(
    spec: ModelSpec,
    scored: Sequence[Scored],
    areas: Mapping[str, Area],
    null: Null | None,
    y: np.ndarray,
) -> dict[str, Any]:
    """The entry of a model in metrics.json; Brier score and calibration are means over repeats."""
    briers, slopes, intercepts, indices = [], [], [], []
    rounds = rounds_of(scored, len(y))
    for logits, _ in rounds:
        own = np.isfinite(logits)
        p = sigmoid(logits[own])
        briers.append(evaluation.brier(y[own], p))
        slope, intercept = evaluation.calibration(y[own], p)
        slopes.append(slope)
        intercepts.append(intercept)
        indices.append(evaluation.calibration_index(y[own], p))
    known = np.isfinite(rounds[0][0])
    return {
        "kind": spec.kind,
        "description": spec.description,
        "auc_within_site": areas["within"].record(),
        "auc_pooled": areas["pooled"].record(),
        "auc_leave_site_out": areas["left_out"].record(),
        "brier": _mean(briers),
        "calibration_slope": _mean(slopes),
        "calibration_intercept": _mean(intercepts),
        "calibration_index": _mean(indices),
        "p_permutation": None if null is None else null.p,
        "n": int(known.sum()),
        "n_positive": int((y[known] == 1).sum()),
        "modalities": list(spec.modalities),
    }


def rounds_of(scored: Sequence[Scored], people: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Logit and fold of every person, one pair of arrays per repeat of the cross-validation."""
    rounds: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for one in scored:
        if one.fold.scheme != CV:
            continue
        if one.fold.repeat not in rounds:
            rounds[one.fold.repeat] = (np.full(people, np.nan), np.full(people, "", dtype="U64"))
        logits, fold = rounds[one.fold.repeat]
        logits[one.rows], fold[one.rows] = one.logits, one.fold.name
    return list(rounds.values())


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan
