"""Several classes: Hand and Till's mean of the pairwise AUCs, among people of one site.

For a pair of classes, people of both are ranked by the probability of the first and by that of the
second, and the two AUCs are averaged; M is the mean over all pairs (Hand and Till 2001, Mach Learn
45:171). Class sizes do not enter, and 0.5 is chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from commissure.evaluation.auc import auc
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.measures.measure import Measure, Statistic, scored
from commissure.evaluation.out_of_fold import FoldScores, repeats_of
from commissure.evaluation.pairs import (
    PairwiseComparisons,
    pairwise_comparisons,
    share_and_influence,
    wins_by_labelling,
)
from commissure.models.logistic import sigmoid
from commissure.models.settings import ModelSettings
from commissure.study.outcomes.classes import class_names
from commissure.study.study import Study

#: Groups of the calibration figure.
GROUPS = 5


class HandTill(Measure):
    """Hand and Till's M within site."""

    key, name = "hand_till", "Hand-Till AUC"
    chance, suspicious, planted = 0.5, 0.60, 0.65

    def statistic(self, held: HeldOut, strata: np.ndarray) -> Statistic:
        """M among people of one stratum, over the pairs of classes that meet."""
        influence = np.zeros(len(held.labels))
        values, weight = [], 0.0
        parts = []
        for first, second in combinations(range(held.logits.shape[1]), 2):
            pairs = compared_classes(held, strata, first, second)
            if not pairs.count:
                continue
            value, part = share_and_influence(pairs)
            parts.append(part)
            values.append(value)
            weight += pairs.count
        if not values:
            return Statistic(math.nan, influence, 0.0)
        return Statistic(float(np.mean(values)), np.mean(parts, axis=0), weight)

    def by_labelling(self, held: HeldOut) -> tuple[np.ndarray, np.ndarray]:
        """M of every labelling."""
        labelled = held.labels[:, 0] >= 0
        labels, cells = held.labels[labelled], held.cells[labelled]
        logits = held.logits[labelled].reshape(*labels.shape, -1)
        p = np.asarray(sigmoid(logits))
        logs = np.log(np.clip(p / p.sum(axis=2, keepdims=True), 1e-300, None))
        values, influences = [], []
        for first, second in combinations(range(logits.shape[2]), 2):
            ones, zeros = (labels == label for label in (first, second))
            value, influence = _pair_by_labelling(
                ones.astype(float),
                zeros.astype(float),
                logs[:, :, first],
                logs[:, :, second],
                cells,
            )
            values.append(value)
            influences.append(influence)
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        total = np.where(known[:, None, :], influences, 0.0).sum(axis=0) / count
        nobody = ~known.any(axis=0)
        variance = (total**2).sum(axis=0)
        return np.where(nobody, np.nan, mean), np.where(nobody, np.nan, variance)

    def details(
        self, study: Study[ModelSettings], scores: Sequence[FoldScores]
    ) -> Mapping[str, Any]:
        """AUC within site of each pair of classes; losses beside those of the class shares."""
        held = repeats_of(study, scores)
        names = class_names(study.settings)
        rows = scored(held[0])
        y = study.y[rows]
        shares = np.bincount(y, minlength=len(names)) / max(1, len(y))
        probabilities = [class_probabilities(one.logits[rows]) for one in held]
        return {
            "pairs": [
                {
                    "first": names[first],
                    "second": names[second],
                    "auc_within_site": auc(
                        [compared_classes(one, one.cells, first, second) for one in held]
                    ).record(),
                }
                for first, second in combinations(range(len(names)), 2)
            ],
            "log_loss": float(np.mean([class_log_loss(y, p) for p in probabilities])),
            "log_loss_shares": class_log_loss(y, np.repeat(shares[None], len(y), axis=0)),
            "brier": float(np.mean([class_brier(y, p) for p in probabilities])),
            "brier_shares": class_brier(y, np.repeat(shares[None], len(y), axis=0)),
            "balanced_accuracy": float(np.mean([
                np.mean([(p[y == c].argmax(axis=1) == c).mean() for c in np.unique(y)])
                for p in probabilities
            ])),
            "n_by_class": {name: int((y == c).sum()) for c, name in enumerate(names)},
        }  # fmt: skip

    def curves(
        self, study: Study[ModelSettings], scores: Sequence[FoldScores]
    ) -> Mapping[str, Any]:
        """Mean predicted and observed share of each class in groups, and the table of classes."""
        held = repeats_of(study, scores)
        names = class_names(study.settings)
        p = np.mean([class_probabilities(one.logits) for one in held], axis=0)
        rows = np.flatnonzero((study.y >= 0) & np.isfinite(p).all(axis=1))
        y, p = study.y[rows], p[rows]
        return {
            "n": len(rows),
            "classes": list(names),
            "calibration": {
                name: [
                    {"predicted": float(p[group, c].mean()),
                     "observed": float((y[group] == c).mean()), "n": len(group)}
                    for group in np.array_split(np.argsort(p[:, c], kind="stable"), GROUPS)
                    if len(group)
                ]
                for c, name in enumerate(names)
            },
            "confusion": [
                np.bincount(p[y == c].argmax(axis=1), minlength=len(names)).tolist()
                for c in range(len(names))
            ],
        }  # fmt: skip


def compared_classes(
    held: HeldOut, strata: np.ndarray, first: int, second: int
) -> PairwiseComparisons:
    """Every person of one class with every person of another, the mean of both rankings."""
    labels = np.select([held.labels == first, held.labels == second], [1, 0], -1)
    logs = np.log(np.clip(class_probabilities(held.logits), 1e-300, None))
    by_first = pairwise_comparisons(labels, logs[:, first], strata)
    by_second = pairwise_comparisons(labels, -logs[:, second], strata)
    return replace(by_first, won=(by_first.won + by_second.won) / 2)


def _pair_by_labelling(
    ones: np.ndarray,
    zeros: np.ndarray,
    by_first: np.ndarray,
    by_second: np.ndarray,
    cells: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """AUC of a pair of classes in every labelling, and each person's influence on it.

    Parameters
    ----------
    ones, zeros
        Who is of the first and of the second class, shape (people, labellings).
    by_first, by_second
        Log probabilities of both classes, the same shape; NaN for who is not scored.
    cells
        Who may be compared, shape (people,).
    """
    labels = np.select([ones == 1, zeros == 1], [1, 0], -1)
    won, compared = wins_by_labelling(labels, by_first, cells)
    won = (won + wins_by_labelling(labels, -by_second, cells)[0]) / 2
    pairs = (ones * compared).sum(axis=0)
    total = np.maximum(pairs, 1)
    value = (ones * won).sum(axis=0) / total
    influence = (won - value * compared) / total
    for side in (ones, zeros):
        size = np.maximum(2, (side * (compared > 0)).sum(axis=0))
        influence *= np.where(side > 0, np.sqrt(size / (size - 1)), 1.0)
    return np.where(pairs > 0, value, np.nan), influence


def class_probabilities(logits: np.ndarray) -> np.ndarray:
    """Probabilities of the classes, which sum to 1, of logits of each class against the rest.

    Parameters
    ----------
    logits
        Shape (people, classes).
    """
    p = np.asarray(sigmoid(logits))
    return p / np.maximum(p.sum(axis=1, keepdims=True), 1e-300)


def class_log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean log loss of probabilities of the classes, shape (people, classes)."""
    if not len(y):
        return math.nan
    return float(-np.log(np.clip(p[np.arange(len(y)), y], 1e-15, None)).mean())


def class_brier(y: np.ndarray, p: np.ndarray) -> float:
    """Brier score over all classes of probabilities, shape (people, classes)."""
    if not len(y):
        return math.nan
    wanted = y[:, None] == np.arange(p.shape[1])
    return float(((p - wanted) ** 2).sum(axis=1).mean())
