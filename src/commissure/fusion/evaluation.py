"""How well probabilities tell two labels apart, and how sure that is.

Two people are compared only where that is fair. For the AUC *within site* they come from one site
and were scored by one fitted model: base rates of folds and sites then cannot rank anybody, a
site-only model has exactly 0.5, and under the null the expectation is 0.5. Intervals are DeLong's,
from the same table of comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commissure.fusion.logistic import ridge_logistic, sigmoid

Z_95 = 1.959963984540054
#: Logits closer than this tie: equal people must not be ranked by the last bit of a product.
TIE = 1e-9


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve with its 95 % interval; NaN where nobody can be compared."""

    value: float
    ci_low: float
    ci_high: float
    standard_error: float

    def record(self) -> dict[str, float]:
        """The entry in metrics.json."""
        return {"value": self.value, "ci_low": self.ci_low, "ci_high": self.ci_high}


NO_AREA = Area(math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Pairs:
    """Comparisons of positive with negative people.

    Attributes
    ----------
    won
        Shape (positive, negative): 1 where the positive one scored higher, 0.5 at a tie.
    compared
        The same shape: 1 where the two were compared.
    """

    won: np.ndarray
    compared: np.ndarray


def compared_pairs(labels: np.ndarray, scores: np.ndarray, stratum: np.ndarray) -> Pairs:
    """Compare every positive with every negative person of the same stratum.

    Parameters
    ----------
    labels
        Ones, zeros, and anything else for people who are not compared; shape (people,).
    scores, stratum
        Shape (people,). NaN scores are left out.
    """
    positive, negative = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    high, low = scores[positive][:, None], scores[negative][None, :]
    fair = (stratum[positive][:, None] == stratum[negative][None, :]) & np.isfinite(high - low)
    won = np.where(fair, _won(np.where(fair, high - low, 0.0)), 0.0)
    return Pairs(won, fair.astype(float))


def area(repeats: Sequence[Pairs]) -> Area:
    """AUC over the repeats of a cross-validation, with its 95 % interval.

    The value weighs every comparison alike. The variance is the mean of DeLong's over the repeats,
    not that of the average: repeats share their people, so averaging them takes away the noise of
    the folds but hardly that of the sample. (On null cohorts of 32 people and 5 repeats the AUC
    within site scatters by 0.147; this gives 0.145, DeLong's formula on the average 0.105.) The
    interval is computed on the logit scale; a model that ties everybody has exactly 0.5 and no
    uncertainty.

    Parameters
    ----------
    repeats
        The comparisons of each repeat, over the same people.
    """
    compared = sum(float(pairs.compared.sum()) for pairs in repeats)
    if not compared:
        return NO_AREA
    value = sum(float(pairs.won.sum()) for pairs in repeats) / compared
    parts = [delong_variance(pairs) for pairs in repeats if pairs.compared.any()]
    variance = float(np.mean(parts))
    total = np.sum([pairs.compared for pairs in repeats], axis=0)
    n1, n0 = int(total.any(axis=1).sum()), int(total.any(axis=0).sum())
    if value in (0.0, 1.0):
        bound = _bound_of_perfection(n1, n0)
        low, high = (bound, 1.0) if value == 1.0 else (0.0, 1 - bound)
        return Area(value, low, high, (1 - bound) / Z_95)
    error = math.sqrt(variance)
    logit = math.log(value / (1 - value))
    width = Z_95 * error / (value * (1 - value))
    low, high = (float(sigmoid(np.array(logit + side * width))) for side in (-1, 1))
    return Area(value, low, high, error)


def delong_variance(pairs: Pairs) -> float:
    """Variance of the AUC of one table of comparisons (DeLong et al. 1988, Biometrics 44:837).

    Where not all pairs are compared, that of the U statistic weighted by the comparisons.
    """
    rows, columns = pairs.compared.any(axis=1), pairs.compared.any(axis=0)
    n1, n0 = int(rows.sum()), int(columns.sum())
    weight, won = pairs.compared[rows][:, columns], pairs.won[rows][:, columns]
    value = won.sum() / weight.sum()
    deviation = (won - value * weight) * (n1 * n0 / weight.sum())
    return sum(
        float((part**2).sum()) / (size * (size - 1))
        for part, size in ((deviation.mean(axis=1), n1), (deviation.mean(axis=0), n0))
        if size > 1
    )


def _bound_of_perfection(n1: int, n0: int) -> float:
    """Smallest AUC from which a sample without a wrong pair is no surprise.

    DeLong's variance is 0 there. Solves ``1 - a = z SE(a)`` with the standard error of Hanley and
    McNeil (1982), as Newcombe (2006, Stat Med 25:559) does for any AUC.
    """
    low, high = 0.5, 1.0
    for _ in range(60):
        a = (low + high) / 2
        q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)
        spread = a * (1 - a) + (n1 - 1) * (q1 - a**2) + (n0 - 1) * (q2 - a**2)
        inside = 1 - a <= Z_95 * math.sqrt(spread / (n1 * n0))
        low, high = (low, a) if inside else (a, high)
    return high


def pair_shares(labels: np.ndarray, scores: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """AUC within strata of many labellings, each with scores of its own.

    Parameters
    ----------
    labels, scores
        Shape (people, labellings).
    stratum
        Shape (people,).

    Returns
    -------
    numpy.ndarray
        Shape (labellings,); NaN where no pair can be compared.
    """
    won = np.zeros(labels.shape[1])
    compared = np.zeros(labels.shape[1])
    for value in np.unique(stratum):
        own = (stratum == value) & np.isfinite(scores[:, 0])
        y, s = labels[own], scores[own]
        for at in range(len(y)):
            pair = y[at] * (1 - y)
            won += (pair * _won(s[at] - s)).sum(axis=0)
            compared += pair.sum(axis=0)
    return np.where(compared > 0, won / np.maximum(compared, 1), np.nan)


def _won(lead: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.where(np.abs(lead) > TIE, np.sign(lead), 0.0))


def brier(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared difference between probability and outcome."""
    return float(np.mean((probabilities - labels) ** 2)) if len(labels) else math.nan


def calibration(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of calibration; 1 and 0 are perfect.

    The slope is that of a logistic regression of the outcome on the predicted logit, the intercept
    that with the logit as offset (Cox 1958; Van Calster et al. 2019). The slope is NaN where the
    predictions do not vary or the labels are told apart without error.
    """
    logit = np.log(probabilities) - np.log1p(-probabilities)
    intercept = 0.0
    for _ in range(50):
        p = sigmoid(logit + intercept)
        step = (labels.sum() - p.sum()) / max((p * (1 - p)).sum(), 1e-12)
        intercept += float(np.clip(step, -2, 2))
        if abs(step) < 1e-10:
            break
    spread = float(logit.std())
    if spread < 1e-9:
        return math.nan, intercept
    design = ((logit - logit.mean()) / spread)[:, None]
    _, weights = ridge_logistic(design, labels[:, None].astype(float), np.array([1e-6]))
    slope = float(weights[0, 0]) / spread
    return (slope if abs(weights[0, 0]) < 50 else math.nan), intercept
