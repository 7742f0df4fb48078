"""How well probabilities tell two labels apart, and how sure that is.

Two people are compared only where that is fair. For the AUC *within site* they come from one site
and were scored by one fitted model: base rates of folds and sites then cannot rank anybody, a
site-only model has exactly 0.5, and under the null the expectation is 0.5. Intervals are DeLong's,
from the same table of comparisons, and may be widened by what permutations of the labels show
(:attr:`commissure.evaluation.permutation.Null`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from commissure.markers.intervals import Z_95
from commissure.models.logistic import ridge_logistic, sigmoid

#: What an interval is called that nothing widens.
DELONG = "DeLong"
#: Logits closer than this tie: equal people must not be ranked by the last bit of a product.
TIE = 1e-9


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve with its 95 % interval; NaN where nobody can be compared.

    Attributes
    ----------
    value, ci_low, ci_high, standard_error
        The area, its interval, and the standard error that the interval is made of.
    interval
        What the interval is, in words.
    """

    value: float
    ci_low: float
    ci_high: float
    standard_error: float
    interval: str

    def record(self) -> dict[str, Any]:
        """The entry in metrics.json."""
        return {"value": self.value, "ci_low": self.ci_low, "ci_high": self.ci_high,
                "interval": self.interval}  # fmt: skip


NO_AREA = Area(math.nan, math.nan, math.nan, math.nan, "none: nobody can be compared")


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


def area(repeats: Sequence[Pairs], widening: float = 1.0) -> Area:
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
    widening
        What DeLong's standard error is multiplied by.
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
        return Area(value, low, high, (1 - bound) / Z_95, "Newcombe: no pair is ordered otherwise")
    error = widening * math.sqrt(variance)
    logit = math.log(value / (1 - value))
    width = Z_95 * error / (value * (1 - value))
    low, high = (float(sigmoid(np.array(logit + side * width))) for side in (-1, 1))
    words = DELONG if widening == 1 else f"{DELONG}, widened by {widening:.2f} from permutations"
    return Area(value, low, high, error, words)


def delong_variance(pairs: Pairs) -> float:
    """Variance of the AUC of one table of comparisons (DeLong et al. 1988, Biometrics 44:837).

    Where not all pairs are compared, that of the U statistic weighted by the comparisons.
    """
    return _u_variance(pairs.won, pairs.compared)


def _u_variance(won: np.ndarray, compared: np.ndarray) -> float:
    rows, columns = compared.any(axis=1), compared.any(axis=0)
    n1, n0 = int(rows.sum()), int(columns.sum())
    weight, won = compared[rows][:, columns], won[rows][:, columns]
    value = won.sum() / weight.sum()
    deviation = (won - value * weight) * (n1 * n0 / weight.sum())
    return sum(
        float((part**2).sum()) / (size * (size - 1))
        for part, size in ((deviation.mean(axis=1), n1), (deviation.mean(axis=0), n0))
        if size > 1
    )


def area_difference(first: Sequence[Pairs], second: Sequence[Pairs]) -> Area:
    """How much larger the first AUC is, with DeLong's paired 95 % interval.

    Only pairs of people that both models compare are taken; the variance is the mean over the
    repeats, as in :func:`area`.

    Parameters
    ----------
    first, second
        The comparisons of two models in the same repeats.
    """
    total, count, variances = 0.0, 0.0, []
    for one, other in zip(first, second, strict=True):
        both = one.compared * other.compared
        if both.any():
            gap = (one.won - other.won) * both
            total, count = total + float(gap.sum()), count + float(both.sum())
            variances.append(_u_variance(gap, both))
    if not count:
        return NO_AREA
    value, error = total / count, math.sqrt(float(np.mean(variances)))
    return Area(value, value - Z_95 * error, value + Z_95 * error, error, f"{DELONG}, paired")


def corrected_t(differences: np.ndarray, test_share: float) -> dict[str, float]:
    """Nadeau and Bengio's corrected t test of repeated cross-validation (2003, Mach Learn 52:239).

    Training sets overlap, so the variance over folds alone is far too small:
    ``t = mean / sqrt((1 / J + n_test / n_train) s^2)`` with ``J - 1`` degrees of freedom.

    Parameters
    ----------
    differences
        Difference between two models in each of J folds; NaN where a fold has none.
    test_share
        ``n_test / n_train``.

    Returns
    -------
    dict
        ``value ci_low ci_high p folds``; NaN with fewer than two folds.
    """
    from scipy.stats import t as student

    own = np.asarray(differences, float)
    own = own[np.isfinite(own)]
    count = len(own)
    if count < 2:
        return {"value": math.nan, "ci_low": math.nan, "ci_high": math.nan, "p": math.nan,
                "folds": count}  # fmt: skip
    mean = float(own.mean())
    error = math.sqrt((1 / count + test_share) * float(own.var(ddof=1)))
    reach = float(student.ppf(0.975, count - 1)) * error
    p = 1.0 if error == 0 and mean == 0 else 2 * float(
        student.sf(abs(mean) / max(error, 1e-300), count - 1)
    )  # fmt: skip
    return {"value": mean, "ci_low": mean - reach, "ci_high": mean + reach, "p": p, "folds": count}


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


def pair_shares(
    labels: np.ndarray, scores: np.ndarray, stratum: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUC within strata of many labellings, each with scores of its own, and DeLong's variance.

    What each person won and how often he was compared is all that both take, so that no table of
    pairs is kept; they are those of :func:`area` and :func:`delong_variance`.

    Parameters
    ----------
    labels, scores
        Shape (people, labellings).
    stratum
        Shape (people,).

    Returns
    -------
    areas, variances : numpy.ndarray
        Shape (labellings,); NaN where no pair can be compared.
    """
    won, compared = np.zeros(labels.shape), np.zeros(labels.shape)
    for value in np.unique(stratum):
        own = np.flatnonzero((stratum == value) & np.isfinite(scores[:, 0]))
        y, s = labels[own], scores[own]
        compared[own] = y * (1 - y).sum(axis=0) + (1 - y) * y.sum(axis=0)
        for at, person in enumerate(own):
            gain = y[at] * (1 - y) * _won(s[at] - s)
            won[person] += gain.sum(axis=0)
            won[own] += gain
    pairs = (labels * compared).sum(axis=0)
    total = np.maximum(pairs, 1)
    areas = (labels * won).sum(axis=0) / total
    square = ((won - areas * compared) / total) ** 2
    variances = np.zeros(labels.shape[1])
    for side in (labels, 1 - labels):
        size = (side * (compared > 0)).sum(axis=0)
        part = (side * square).sum(axis=0) * size / np.maximum(size - 1, 1)
        variances += np.where(size > 1, part, 0.0)
    return np.where(pairs > 0, areas, np.nan), np.where(pairs > 0, variances, np.nan)


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


#: Share of the people in a neighbourhood of the calibration curve.
SPAN = 0.75


def calibration_curve(
    labels: np.ndarray, probabilities: np.ndarray, at: np.ndarray | None = None
) -> np.ndarray:
    """Observed frequency at predicted probabilities, by local linear regression.

    Tricube weights over the nearest :data:`SPAN` of the people (loess of degree one; Austin and
    Steyerberg 2014, Stat Med 33:517).

    Parameters
    ----------
    labels, probabilities
        Shape (people,).
    at
        Predictions at which the curve is wanted; those of the people by default.
    """
    at = probabilities if at is None else at
    near = max(2, math.ceil(SPAN * len(labels)))
    apart = np.abs(at[:, None] - probabilities[None, :])
    reach = np.maximum(np.partition(apart, near - 1, axis=1)[:, near - 1 : near], 1e-9)
    weight = np.clip(1 - (apart / (1.0001 * reach)) ** 3, 0, None) ** 3
    total = weight.sum(axis=1)
    mean_p = weight @ probabilities / total
    mean_y = weight @ labels / total
    spread = weight @ probabilities**2 / total - mean_p**2
    slope = weight @ (probabilities * labels) / total - mean_p * mean_y
    slope = np.where(spread > 1e-12, slope / np.maximum(spread, 1e-12), 0.0)
    return np.clip(mean_y + slope * (at - mean_p), 0.0, 1.0)


def calibration_index(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Integrated calibration index: mean distance of prediction and curve (Austin 2019)."""
    if len(labels) < 10:
        return math.nan
    return float(np.abs(calibration_curve(labels, probabilities) - probabilities).mean())


def net_benefit(
    labels: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """Net benefit ``TP / n - FP / n * t / (1 - t)`` at each threshold (Vickers and Elkin 2006)."""
    chosen = probabilities[None, :] >= thresholds[:, None]
    odds = thresholds / (1 - thresholds)
    return (chosen * labels).mean(axis=1) - odds * (chosen * (1 - labels)).mean(axis=1)
