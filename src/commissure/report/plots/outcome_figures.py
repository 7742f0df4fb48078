"""Figures of predictions of a number, of classes and of a time to an event.

They draw what ``metrics.json`` holds and compute nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.report.plots import svg
from commissure.report.plots.svg import INK, PAPER, SERIES, SHAPES, SOFT, Canvas


def scatter_figure(
    points: Sequence[Sequence[float]],
    groups: Sequence[Mapping[str, Any]],
    *,
    unit: str,
    key: str,
    description: str,
) -> str:
    """Measured against predicted values.

    Parameters
    ----------
    points
        Predicted and measured value of each person.
    groups
        Groups of people: ``predicted``, ``measured`` and ``sd``.
    unit
        What stands behind the names of the axes.
    """
    canvas = Canvas(360, 360, left=62, right=12, top=8, bottom=48)
    axes = canvas.axes
    values = np.array(points, float)
    values = values[svg.evenly(np.argsort(values[:, 0], kind="stable"))]
    ends = svg.spread_limits(values)
    axes.plot(ends, ends, color=SOFT, linewidth=1, dashes=(4, 3))
    axes.scatter(values[:, 0], values[:, 1], s=14, color=SERIES[1], alpha=0.55, linewidths=0)
    for group in groups:
        reach = [group["measured"] - group["sd"], group["measured"] + group["sd"]]
        axes.plot([group["predicted"]] * 2, reach, color=SERIES[2], linewidth=1.8)
        axes.plot(group["predicted"], group["measured"], "s", color=SERIES[2], markersize=7)
    axes.set_xlim(*svg.spread_limits(values[:, 0]))
    axes.set_ylim(*svg.spread_limits(values[:, 1]))
    axes.set_xlabel(f"predicted{unit}")
    axes.set_ylabel(f"measured{unit}")
    svg.few_ticks(axes)
    svg.quiet_grid(axes, "both")
    return canvas.svg(key, description)


def class_calibration_figure(
    calibration: Mapping[str, Sequence[Mapping[str, Any]]], *, key: str, description: str
) -> str:
    """Observed share against predicted probability, one line of groups for each class."""
    canvas = Canvas(340, 340, left=52, right=12, top=8, bottom=48)
    axes = canvas.axes
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(4, 3))
    for number, (name, groups) in enumerate(calibration.items()):
        axes.plot(
            [group["predicted"] for group in groups], [group["observed"] for group in groups],
            color=SERIES[number % len(SERIES)], marker=SHAPES[number % len(SHAPES)], markersize=6,
            linewidth=1.4, label=name,
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("observed share")
    axes.legend(loc="upper left")
    svg.few_ticks(axes)
    svg.quiet_grid(axes, "both")
    return canvas.svg(key, description)


def confusion_figure(
    names: Sequence[str], table: Sequence[Sequence[int]], *, key: str, description: str
) -> str:
    """Numbers of people by true and most probable class; darker is a larger share of the row."""
    side = 70 * len(names)
    left = min(150.0, 7.2 * max(len(name) for name in names) + 18)
    canvas = Canvas(side + left + 10, side + 56, left=left, right=10, top=8, bottom=48)
    axes = canvas.axes
    for row, counts in enumerate(table):
        total = max(1, sum(counts))
        for column, count in enumerate(counts):
            share = count / total
            axes.fill_between(
                [column, column + 1], row, row + 1, color=SERIES[2], alpha=0.08 + 0.5 * share,
                linewidth=0,
            )  # fmt: skip
            axes.text(column + 0.5, row + 0.5, str(count), ha="center", va="center", color=INK)
    for place in range(1, len(names)):
        axes.axhline(place, color=PAPER, linewidth=2)
        axes.axvline(place, color=PAPER, linewidth=2)
    axes.set_xlim(0, len(names))
    axes.set_ylim(len(names), 0)
    axes.set_xticks(np.arange(len(names)) + 0.5, names)
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.tick_params(length=0)
    axes.set_xlabel("most probable class")
    return canvas.svg(key, description)


def survival_figure(
    thirds: Sequence[Mapping[str, Any]], *, unit: str, key: str, description: str
) -> str:
    """Share without the event over time, one step line a group of predicted risk."""
    canvas = Canvas(420, 320, left=56, right=12, top=8, bottom=48)
    axes = canvas.axes
    for number, third in enumerate(thirds):
        axes.step(
            third["time"], third["free"], where="post", color=SERIES[number], linewidth=2,
            linestyle=("-", (0, (5, 2)), (0, (1.5, 1.5)))[number % 3],
            label=f"{third['risk']} risk ({third['n_events']} of {third['n']})",
        )  # fmt: skip
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"time ({unit})")
    axes.set_ylabel("share without the event")
    axes.legend(loc="best")
    svg.few_ticks(axes)
    svg.quiet_grid(axes, "both")
    return canvas.svg(key, description)
