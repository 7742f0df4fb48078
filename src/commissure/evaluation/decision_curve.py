"""What acting on a prediction gains, over threshold probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from commissure.evaluation.out_of_fold import Scores, repeats_of
from commissure.models.logistic import sigmoid
from commissure.models.settings import ModelSettings
from commissure.study.design import CLINICAL
from commissure.study.study import Study

#: Threshold probabilities of the decision curve.
THRESHOLDS = np.round(np.arange(0.10, 0.601, 0.01), 2)


def decision_curve(study: Study[ModelSettings], scores: Scores, main: str) -> dict[str, Any]:
    """Net benefit of the main and the clinical model, of treating all and of treating none.

    Returns
    -------
    dict
        ``threshold``, ``all``, ``none`` and the models by name: lists of one length. Those of a
        model are means over the repeats.
    """
    curve: dict[str, Any] = {"threshold": THRESHOLDS.tolist()}
    share = float((study.y[study.labelled] == 1).mean())
    curve["all"] = (share - (1 - share) * THRESHOLDS / (1 - THRESHOLDS)).tolist()
    curve["none"] = [0.0] * len(THRESHOLDS)
    for name in (main, CLINICAL):
        if name not in scores:
            continue
        benefits = []
        for repeat in repeats_of(study, scores[name]):
            scored = np.isfinite(repeat.logits)
            p = sigmoid(repeat.logits[scored])
            benefits.append(net_benefit(study.y[scored], p, THRESHOLDS))
        curve[name] = np.mean(benefits, axis=0).tolist()
    return curve


def net_benefit(
    labels: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """Net benefit ``TP / n - FP / n * t / (1 - t)`` at each threshold (Vickers and Elkin 2006)."""
    chosen = probabilities[None, :] >= thresholds[:, None]
    odds = thresholds / (1 - thresholds)
    return (chosen * labels).mean(axis=1) - odds * (chosen * (1 - labels)).mean(axis=1)
