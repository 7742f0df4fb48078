"""Points of the curves that a report draws: receiver operating characteristic and calibration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from commissure.evaluation.auc import auc
from commissure.evaluation.out_of_fold import Scores, mean_probabilities
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.markers.intervals import wilson_interval
from commissure.models.settings import ModelSettings
from commissure.study.study import Study

#: Groups of the calibration plot; few where people are fewer than :data:`MANY`.
GROUPS, FEW_GROUPS, MANY = 5, 3, 25


def prediction_curves(
    study: Study[ModelSettings], scores: Scores, models: Iterable[str]
) -> dict[str, Any]:
    """Curves of models, from the mean probability of each person over the repeats.

    Averaged, everybody counts once. The AUC of these means is that of the drawn curve, not the
    mean of the repeats' that stands under ``models``.

    Parameters
    ----------
    study, scores
        The study and its out-of-fold predictions.
    models
        Names of the models.

    Returns
    -------
    dict
        By model ``n``, ``n_positive``, ``roc`` (``auc``, ``false_positive_rate``,
        ``true_positive_rate``) and ``calibration`` (rows ``predicted observed ci_low ci_high n``);
        a model that scores people of one label only is left out.
    """
    curves: dict[str, Any] = {}
    for name in models:
        y, p = mean_probabilities(study, scores[name])
        if len(set(y.tolist())) < 2:
            continue
        alarms, hits = roc_points(y, p)
        curves[name] = {
            "n": len(y),
            "n_positive": int(y.sum()),
            "roc": {
                "auc": auc([pairwise_comparisons(y, p, np.zeros(len(y)))]).value,
                "false_positive_rate": alarms.tolist(),
                "true_positive_rate": hits.tolist(),
            },
            "calibration": calibration_groups(y, p, GROUPS if len(y) >= MANY else FEW_GROUPS),
        }
    return curves


def roc_points(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rate at every threshold, from (0, 0) to (1, 1).

    Parameters
    ----------
    labels
        Ones and zeros, shape (people,); both must occur.
    scores
        Shape (people,); ties move together.
    """
    order = np.argsort(-scores, kind="stable")
    labels, scores = labels[order], scores[order]
    last = np.r_[np.flatnonzero(np.diff(scores)), len(scores) - 1]
    hits, alarms = np.cumsum(labels)[last], np.cumsum(1 - labels)[last]
    return np.r_[0, alarms / alarms[-1]], np.r_[0, hits / hits[-1]]


def calibration_groups(
    labels: np.ndarray, probabilities: np.ndarray, groups: int = GROUPS
) -> list[dict[str, float]]:
    """Mean prediction and observed share in groups of equal size, by rising prediction.

    Returns
    -------
    list of dict
        ``predicted``, ``observed`` with its Wilson interval ``ci_low ci_high``, and ``n``.
    """
    order = np.argsort(probabilities, kind="stable")
    rows = []
    for group in np.array_split(order, groups):
        if len(group):
            hits = int(labels[group].sum())
            low, high = wilson_interval(hits, len(group))
            rows.append({
                "predicted": float(probabilities[group].mean()), "observed": hits / len(group),
                "ci_low": low, "ci_high": high, "n": len(group),
            })  # fmt: skip
    return rows
