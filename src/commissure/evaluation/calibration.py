"""Whether probabilities mean what they say: Brier score and calibration."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression

from commissure.models.level_one import intercept_at, ridge_logistic
from commissure.models.logistic import sigmoid

#: Share of the people in a neighbourhood of the calibration curve.
SPAN = 0.75
#: People from whose number on the calibration index is taken at so many points of the curve.
POINTS = 1000
#: Distances between points and people that are looked at at once.
TOGETHER = 131_072


def brier(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared difference between probability and outcome."""
    return float(np.mean((probabilities - labels) ** 2)) if len(labels) else math.nan


def slope_and_intercept(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of calibration; 1 and 0 are perfect.

    The slope is that of a logistic regression of the outcome on the predicted logit, the intercept
    that with the logit as offset (Cox 1958; Van Calster et al. 2019). The slope is NaN where the
    predictions do not vary or the labels are told apart without error.
    """
    logit = np.log(probabilities) - np.log1p(-probabilities)
    intercept = float(intercept_at(labels[:, None], logit[:, None])[0])
    spread = float(logit.std())
    if spread < 1e-9:
        return math.nan, intercept
    standard = ((logit - logit.mean()) / spread)[:, None]
    _, weights = ridge_logistic(standard, labels[:, None].astype(float), np.array([1e-6]))
    slope = float(weights[0, 0]) / spread
    return (slope if abs(weights[0, 0]) < 50 else math.nan), intercept


def recalibration(labels: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Intercept and slope that calibrate out-of-fold logits (Cox 1958); the slope not below 0.

    Parameters
    ----------
    labels, logits
        Shape (people,); a person may occur once a repeat. Where they tell all labels apart no
        slope is the most likely one, and they stay as they are.
    """
    if logits[labels == 1].min() > logits[labels == 0].max():
        return 0.0, 1.0
    share = float(labels.mean())
    spread, centre = float(logits.std()), float(logits.mean())
    if spread > 1e-9:
        standard = ((logits - centre) / spread)[:, None]
        level, weights = ridge_logistic(standard, labels[:, None].astype(float), np.array([1e-6]))
        if weights[0, 0] > 0:
            slope = float(weights[0, 0]) / spread
            return float(level[0]) - slope * centre, slope
    return math.log(share / (1 - share)), 0.0


def weighted_slope_and_intercept(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray
) -> tuple[float, float]:
    """:func:`slope_and_intercept` of people who count by weights, shape (people,)."""
    logit = np.log(probabilities) - np.log1p(-probabilities)

    def excess(intercept: float) -> float:
        return float(weights @ (sigmoid(logit + intercept) - labels))

    intercept = float(brentq(excess, -60.0, 60.0, xtol=1e-10))
    spread = float(logit.std())
    if spread < 1e-9:
        return math.nan, intercept
    standard = ((logit - logit.mean()) / spread)[:, None]
    model = LogisticRegression(C=1e6, solver="newton-cholesky", tol=1e-10)
    slope = float(model.fit(standard, labels, sample_weight=weights).coef_[0, 0])
    return (slope / spread if abs(slope) < 50 else math.nan), intercept


def calibration_curve(
    labels: np.ndarray, probabilities: np.ndarray, predictions: np.ndarray | None = None
) -> np.ndarray:
    """Observed frequency at predicted probabilities, by local linear regression.

    Tricube weights over the nearest :data:`SPAN` of the people (loess of degree one; Austin and
    Steyerberg 2014, Stat Med 33:517).

    Parameters
    ----------
    labels, probabilities
        Shape (people,).
    predictions
        Predictions at which the curve is wanted; those of the people by default.
    """
    points = probabilities if predictions is None else predictions
    order, rank = np.argsort(probabilities, kind="stable"), np.argsort(points, kind="stable")
    near = max(2, math.ceil(SPAN * len(labels)))
    p, y, at = probabilities[order], labels[order], points[rank]
    reach = 1.0001 * np.maximum(_reach(p, at, near), 1e-9)
    moments = np.column_stack([np.ones(len(p)), p, y, p**2, p * y])
    sums = np.empty((len(at), moments.shape[1]))
    step = max(1, TOGETHER // near)
    for start in range(0, len(at), step):
        part = slice(start, start + step)
        # Both ends of the neighbourhood rise with the point.
        low = np.searchsorted(p, (at[part] - reach[part]).min())
        high = np.searchsorted(p, (at[part] + reach[part]).max(), side="right")
        apart = np.abs(at[part, None] - p[None, low:high]) / reach[part, None]
        weight = np.maximum(1 - apart * apart * apart, 0.0)
        sums[part] = (weight * weight * weight) @ moments[low:high]
    total = sums[:, 0]
    mean_p, mean_y = sums[:, 1] / total, sums[:, 2] / total
    spread = sums[:, 3] / total - mean_p**2
    slope = sums[:, 4] / total - mean_p * mean_y
    slope = np.where(spread > 1e-12, slope / np.maximum(spread, 1e-12), 0.0)
    curve = np.empty(len(at))
    curve[rank] = np.clip(mean_y + slope * (at - mean_p), 0.0, 1.0)
    return curve


def _reach(ordered: np.ndarray, points: np.ndarray, near: int) -> np.ndarray:
    """Distance of each point to the ``near``-th nearest of rising values."""
    near = min(near, len(ordered))
    first, last = ordered[: len(ordered) - near + 1], ordered[near - 1 :]
    # The window of so many values whose ends are as far to the left as to the right, or the next.
    start = np.searchsorted(first + last, 2 * points)
    reaches = []
    for shift in (0, 1):
        window = np.clip(start - shift, 0, len(first) - 1)
        reaches.append(np.maximum(points - first[window], last[window] - points))
    return np.minimum(*reaches)


def calibration_index(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Integrated calibration index: mean distance of prediction and curve (Austin 2019).

    Of more than :data:`POINTS` people the curve is computed at so many points, half of them evenly
    by the rank of the predictions and half by their value, and is a straight line between them.
    Time grows with the people and not by their square; the index is that of the whole curve to
    1e-6.
    """
    if len(labels) < 10:
        return math.nan
    if len(labels) > POINTS:
        rising = np.sort(probabilities)
        by_rank = rising[np.linspace(0, len(rising) - 1, POINTS // 2).round().astype(int)]
        points = np.union1d(by_rank, np.linspace(rising[0], rising[-1], POINTS // 2))
        curve = np.interp(probabilities, points, calibration_curve(labels, probabilities, points))
    else:
        curve = calibration_curve(labels, probabilities)
    return float(np.abs(curve - probabilities).mean())
