"""Figures of predictions: receiver operating characteristic, calibration, decision curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from commissure.markers.intervals import wilson_interval
from commissure.report.plots import svg as drawing
from commissure.report.plots.svg import INK, SERIES, SHAPES, SOFT, Canvas


def roc_points(outcome: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rate at every threshold, from (0, 0) to (1, 1).

    Parameters
    ----------
    outcome
        1 for positive, 0 for negative people, shape (n,); both must occur.
    score
        Predicted probability or score, shape (n,); ties move together.
    """
    order = np.argsort(-score, kind="stable")
    outcome, score = outcome[order], score[order]
    last = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1]
    hits, alarms = np.cumsum(outcome)[last], np.cumsum(1 - outcome)[last]
    return np.r_[0, alarms / alarms[-1]], np.r_[0, hits / hits[-1]]


def area(outcome: np.ndarray, score: np.ndarray) -> float:
    """Area under the receiver operating characteristic (ties count one half)."""
    alarms, hits = roc_points(outcome, score)
    return float(np.sum(np.diff(alarms) * (hits[1:] + hits[:-1]) / 2))


def calibration_bins(
    outcome: np.ndarray, probability: np.ndarray, bins: int = 5
) -> list[tuple[float, float, float, float, int]]:
    """Mean predicted and observed share in groups of equal size, by rising prediction.

    Returns
    -------
    list
        Mean prediction, observed share, ends of its Wilson interval, and people, per group.
    """
    order = np.argsort(probability, kind="stable")
    out = []
    for own in np.array_split(order, bins):
        if len(own):
            hits = int(outcome[own].sum())
            low, high = wilson_interval(hits, len(own))
            out.append((float(probability[own].mean()), hits / len(own), low, high, len(own)))
    return out


def net_benefit(outcome: np.ndarray, probability: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Net benefit TP/n - FP/n * t/(1 - t) at each threshold (Vickers and Elkin 2006)."""
    chosen = probability[None, :] >= thresholds[:, None]
    hits = (chosen & (outcome == 1)).sum(axis=1)
    alarms = (chosen & (outcome == 0)).sum(axis=1)
    return (hits - alarms * thresholds / (1 - thresholds)) / len(outcome)


def roc_curve(
    curves: Sequence[tuple[str, int, np.ndarray, np.ndarray]], *, key: str, description: str
) -> str:
    """Receiver operating characteristics: name, series, outcome and score of each curve."""
    canvas = Canvas(310, 310, left=50, right=10, top=8, bottom=46)
    axes = canvas.axes
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(4, 3))
    for at, (_, series, outcome, score) in enumerate(curves):
        alarms, hits = roc_points(outcome, score)
        axes.plot(
            alarms, hits, color=SERIES[series], linewidth=2.2 if at == 0 else 1.4,
            linestyle="-" if at == 0 else (0, (5, 2)),
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("false positive rate (1 − specificity)")
    axes.set_ylabel("true positive rate (sensitivity)")
    drawing.few_ticks(axes)
    drawing.quiet_grid(axes, "both")
    return canvas.svg(key, description)


def calibration_curve(
    outcome: np.ndarray, probability: np.ndarray, *, key: str, description: str
) -> str:
    """Observed share of positive people against the predicted probability."""
    canvas = Canvas(310, 310, left=50, right=10, top=8, bottom=46)
    axes = canvas.axes
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(4, 3))
    rows = calibration_bins(outcome, probability, bins=5 if len(outcome) >= 25 else 3)
    for predicted, observed, low, high, _ in rows:
        axes.plot([predicted] * 2, [low, high], color=SERIES[2], linewidth=1.6)
        axes.plot(predicted, observed, SHAPES[0], color=SERIES[2], markersize=7)
    for value in (0, 1):
        own = probability[outcome == value]
        axes.plot(
            own, np.full(len(own), 1.045 if value else -0.045), "|", color=SERIES[1 + value],
            markersize=7, markeredgewidth=1,
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.08, 1.08)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("observed share")
    drawing.few_ticks(axes)
    drawing.quiet_grid(axes, "both")
    return canvas.svg(key, description)


def decision_curve(
    outcome: np.ndarray, probability: np.ndarray, *, key: str, description: str
) -> str:
    """Net benefit over thresholds from 0.1 to 0.6, beside treating all and treating none."""
    canvas = Canvas(310, 310, left=54, right=10, top=8, bottom=46)
    axes = canvas.axes
    thresholds = np.linspace(0.1, 0.6, 101)
    model = net_benefit(outcome, probability, thresholds)
    everyone = net_benefit(outcome, np.ones(len(outcome)), thresholds)
    axes.axhline(0, color=SOFT, linewidth=1)
    axes.plot(thresholds, everyone, color=INK, linewidth=1.2, dashes=(4, 3))
    axes.plot(thresholds, model, color=SERIES[2], linewidth=2.2)
    top = max(float(model.max()), float(everyone.max()))
    axes.set_ylim(min(-0.05, float(model.min())) - 0.02, top + 0.03)
    axes.set_xlim(0.1, 0.6)
    axes.set_xlabel("threshold probability")
    axes.set_ylabel("net benefit")
    drawing.few_ticks(axes)
    drawing.quiet_grid(axes, "both")
    return canvas.svg(key, description)
