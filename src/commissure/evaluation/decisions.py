"""What acting on a prediction at a threshold would mean for people.

Everything is of out-of-fold predictions, all sites together. At another prevalence than that of
the sample the odds of every prediction are multiplied by the ratio of the prior odds, and people
count by how common their label is there: what is then assumed is that only the prevalence differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_curve

from commissure.evaluation.calibration import slope_and_intercept, weighted_slope_and_intercept
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.out_of_fold import Scores, repeats_of
from commissure.evaluation.settings import YOUDEN, EvaluationSettings
from commissure.markers.intervals import Z_95
from commissure.models.logistic import sigmoid
from commissure.study.study import Study


def decisions(
    study: Study[EvaluationSettings], scores: Scores, models: Iterable[str]
) -> dict[str, Any]:
    """Decisions of models at the declared threshold, in the sample and at the declared prevalence.

    Parameters
    ----------
    study, scores
        The study and its out-of-fold predictions.
    models
        Names of the models.

    Returns
    -------
    dict
        ``threshold`` and ``prevalence`` as declared, and by model ``n``, ``n_positive``,
        ``sample`` and ``declared``, each as :func:`decided` says; ``declared`` is None where no
        prevalence is declared. A model that scores people of one label only is left out.
    """
    settings = study.settings
    results = {}
    for name in models:
        repeats = [scored_people(repeat) for repeat in repeats_of(study, scores[name])]
        labels = repeats[0].labels
        if len(set(labels.tolist())) < 2:
            continue
        results[name] = {
            "n": len(labels),
            "n_positive": int(labels.sum()),
            "sample": decided(repeats, settings.threshold),
            "declared": None
            if settings.prevalence is None
            else decided(repeats, settings.threshold, settings.prevalence),
        }
    return {
        "threshold": settings.threshold,
        "prevalence": settings.prevalence,
        "models": results,
    }


@dataclass(frozen=True)
class ScoredPeople:
    """Whom a model scored in one repeat: ``labels`` of 1 and 0, ``logits`` and ``fold``."""

    labels: np.ndarray
    logits: np.ndarray
    fold: np.ndarray


def scored_people(repeat: HeldOut) -> ScoredPeople:
    """Those of a repeat who have a score."""
    scored = np.isfinite(repeat.logits)
    return ScoredPeople(repeat.labels[scored], repeat.logits[scored], repeat.fold[scored])


def decided(
    repeats: Sequence[ScoredPeople], threshold: float | str, prevalence: float | None = None
) -> dict[str, Any]:
    """What decisions at a threshold come to.

    Parameters
    ----------
    repeats
        The people of each repeat of the cross-validation.
    threshold
        Probability from which a person is taken for positive, or ``youden``.
    prevalence
        Share of the positive label where the decisions are made; that of the sample if None.

    Returns
    -------
    dict
        ``prevalence``, ``threshold`` (mean), ``sensitivity`` and ``specificity`` (with Wilson's
        interval), ``balanced_accuracy``, ``positive_predictive_value``,
        ``negative_predictive_value``, ``net_benefit`` beside that of taking everybody for positive
        (``net_benefit_all``), ``average_precision`` beside that of chance
        (``average_precision_chance``), ``predicted`` (mean probability), ``brier``,
        ``calibration_slope`` and ``calibration_intercept``. Means over the repeats;
        NaN where nobody is taken for what the number is about. At another prevalence ``unshifted``
        has the predictive values and the net benefit of taking the same people for positive as in
        the sample, which is what ``dcurves`` gives at a prevalence.
    """
    share = float(np.mean(repeats[0].labels))
    target = share if prevalence is None else prevalence
    rows = [_one_repeat(people, threshold, share, target) for people in repeats]
    mean = {key: _mean([row[key] for row in rows]) for key in rows[0]}
    positive = int(repeats[0].labels.sum())
    negative = len(repeats[0].labels) - positive
    hit, right, t = mean.pop("sensitivity"), mean.pop("specificity"), mean.pop("threshold")
    unshifted = {}
    if prevalence is not None:
        same = decided(repeats, threshold)
        hit0, right0 = same["sensitivity"]["value"], same["specificity"]["value"]
        unshifted = {"unshifted": {
            "positive_predictive_value": _share(hit0 * target, (1 - right0) * (1 - target)),
            "negative_predictive_value": _share(right0 * (1 - target), (1 - hit0) * target),
            "net_benefit": net_benefit_at(hit0, right0, target, same["threshold"]),
        }}  # fmt: skip
    return {
        "prevalence": target,
        "threshold": t,
        "sensitivity": with_wilson(hit, positive),
        "specificity": with_wilson(right, negative),
        "balanced_accuracy": (hit + right) / 2,
        "positive_predictive_value": _share(hit * target, (1 - right) * (1 - target)),
        "negative_predictive_value": _share(right * (1 - target), (1 - hit) * target),
        "average_precision_chance": target,
        **mean,
        **unshifted,
    }


def prior_shift(share: float, prevalence: float) -> float:
    """What is added to logits learnt at a share of positive people, for another prevalence.

    The logarithm of the ratio of prior odds (Saerens, Latinne and Decaestecker 2002, Neural
    Comput 14:21, equation 2.4, for two labels).
    """
    return math.log(prevalence / (1 - prevalence)) - math.log(share / (1 - share))


def net_benefit_at(
    sensitivity: float, specificity: float, prevalence: float, threshold: float
) -> float:
    """Net benefit at a prevalence: ``TP - FP * t / (1 - t)``, both as shares of all people.

    As ``dcurves`` has it: TP is the sensitivity times the prevalence, FP one minus the specificity
    times one minus the prevalence (Vickers and Elkin 2006, Med Decis Making 26:565).
    """
    odds = threshold / (1 - threshold)
    return sensitivity * prevalence - (1 - specificity) * (1 - prevalence) * odds


def youden_threshold(labels: np.ndarray, logits: np.ndarray) -> float:
    """Logit between the people where sensitivity + specificity is largest, the lowest of several.

    It lies half way to the next lower person, so that others as sure as the last positive are
    taken for positive too.
    """
    alarms, hits, cuts = roc_curve(labels, logits, drop_intermediate=False)
    best = len(cuts) - 1 - int(np.argmax((hits - alarms)[::-1]))
    if not 0 < best < len(cuts) - 1:
        return float(cuts[max(best, 1)])
    return float((cuts[best] + cuts[best + 1]) / 2)


def _thresholds(people: ScoredPeople, threshold: float | str) -> np.ndarray:
    """Logit of the threshold of each person, on the scale of the sample.

    Youden's is that of the people of the other folds, who are the training people, by the
    predictions that were made while they were left out themselves.
    """
    if threshold != YOUDEN:
        p = float(threshold)
        return np.full(len(people.labels), math.log(p / (1 - p)))
    result = np.zeros(len(people.labels))
    for fold in np.unique(people.fold):
        others = people.fold != fold
        known = len(set(people.labels[others].tolist())) == 2
        result[~others] = (
            youden_threshold(people.labels[others], people.logits[others]) if known else 0.0
        )
    return result


def _one_repeat(
    people: ScoredPeople, threshold: float | str, share: float, target: float
) -> dict[str, float]:
    labels, positive = people.labels, people.labels == 1
    cuts = _thresholds(people, threshold)
    logits = people.logits
    if target != share:
        shift = prior_shift(share, target)
        logits = logits + shift
        # Youden's threshold ranks people; a declared one is a probability at any prevalence.
        cuts = cuts + shift if threshold == YOUDEN else cuts
    t = float(sigmoid(cuts).mean()) if threshold == YOUDEN else float(threshold)
    # A probability of just the threshold is at it, whatever the last bit of its logit.
    chosen = logits >= cuts - 1e-12
    hit, right = float(chosen[positive].mean()), float((~chosen[~positive]).mean())
    weights = np.where(positive, target / share, (1 - target) / (1 - share))
    p = sigmoid(logits)
    slope, intercept = (
        slope_and_intercept(labels, p)
        if target == share
        else weighted_slope_and_intercept(labels, p, weights)
    )
    return {
        "threshold": t,
        "sensitivity": hit,
        "specificity": right,
        "net_benefit": net_benefit_at(hit, right, target, t),
        "net_benefit_all": net_benefit_at(1.0, 0.0, target, t),
        "average_precision": float(average_precision_score(labels, p, sample_weight=weights)),
        "predicted": float(np.average(p, weights=weights)),
        "brier": float(np.average((p - labels) ** 2, weights=weights)),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
    }


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest > 0 else math.nan


def with_wilson(share: float, n: int) -> dict[str, float]:
    """A mean share over repeats with Wilson's interval for as many people."""
    middle = (share + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    return {"value": share, "ci_low": max(0.0, middle - half), "ci_high": min(1.0, middle + half)}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan
