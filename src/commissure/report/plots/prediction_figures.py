"""Figures of predictions: receiver operating characteristic, calibration, decision curve.

They draw what ``metrics.json`` holds and compute nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.report.plots import svg
from commissure.report.plots.svg import INK, SERIES, SHAPES, SOFT, Canvas


def roc_figure(
    curves: Sequence[tuple[int, Mapping[str, Any]]], *, key: str, description: str
) -> str:
    """Receiver operating characteristics.

    Parameters
    ----------
    curves
        Series and record of each curve: ``false_positive_rate`` and ``true_positive_rate``. The
        first is drawn solid, the others dashed.
    """
    canvas = Canvas(310, 310, left=50, right=10, top=8, bottom=46)
    axes = canvas.axes
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(4, 3))
    for number, (series, curve) in enumerate(curves):
        axes.plot(
            curve["false_positive_rate"], curve["true_positive_rate"], color=SERIES[series],
            linewidth=1.4 if number else 2.2, linestyle=(0, (5, 2)) if number else "-",
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("false positive rate (1 − specificity)")
    axes.set_ylabel("true positive rate (sensitivity)")
    svg.few_ticks(axes)
    svg.quiet_grid(axes, "both")
    return canvas.svg(key, description)


def calibration_figure(
    groups: Sequence[Mapping[str, Any]],
    people: Sequence[np.ndarray],
    *,
    key: str,
    description: str,
) -> str:
    """Observed share of positive people against the predicted probability.

    Parameters
    ----------
    groups
        Groups of people: ``predicted``, ``observed``, ``ci_low``, ``ci_high``.
    people
        Probabilities of the negative and of the positive people, drawn as ticks.
    """
    canvas = Canvas(310, 310, left=50, right=10, top=8, bottom=46)
    axes = canvas.axes
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(4, 3))
    for group in groups:
        predicted = group["predicted"]
        ends = [group["ci_low"], group["ci_high"]]
        axes.plot([predicted] * 2, ends, color=SERIES[2], linewidth=1.6)
        axes.plot(predicted, group["observed"], SHAPES[0], color=SERIES[2], markersize=7)
    for outcome, probabilities in enumerate(people):
        axes.plot(
            probabilities, np.full(len(probabilities), 1.045 if outcome else -0.045), "|",
            color=SERIES[1 + outcome], markersize=7, markeredgewidth=1,
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.08, 1.08)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("observed share")
    svg.few_ticks(axes)
    svg.quiet_grid(axes, "both")
    return canvas.svg(key, description)


def decision_figure(
    thresholds: Sequence[float],
    benefits: Mapping[str, Sequence[float]],
    *,
    model: str,
    key: str,
    description: str,
) -> str:
    """Net benefit of a model over threshold probabilities, beside treating all and treating none.

    Parameters
    ----------
    thresholds
        The threshold probabilities.
    benefits
        Net benefit by ``all``, ``none`` and the model's name, one number a threshold.
    """
    canvas = Canvas(310, 310, left=54, right=10, top=8, bottom=46)
    axes = canvas.axes
    axes.plot(thresholds, benefits["none"], color=SOFT, linewidth=1)
    axes.plot(thresholds, benefits["all"], color=INK, linewidth=1.2, dashes=(4, 3))
    axes.plot(thresholds, benefits[model], color=SERIES[2], linewidth=2.2)
    shown = [*benefits["all"], *benefits[model], 0.0]
    axes.set_ylim(min(-0.05, *benefits[model]) - 0.02, max(shown) + 0.03)
    axes.set_xlim(min(thresholds), max(thresholds))
    axes.set_xlabel("threshold probability")
    axes.set_ylabel("net benefit")
    svg.few_ticks(axes)
    svg.quiet_grid(axes, "both")
    return canvas.svg(key, description)
