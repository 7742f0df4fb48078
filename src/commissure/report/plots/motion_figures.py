"""Figures of head motion in connectivity: how much each strategy leaves, and at which distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commissure.report.plots import svg
from commissure.report.plots.svg import BAD, INK, SERIES, SHAPES, SOFT, Canvas


@dataclass(frozen=True)
class StrategyMotion:
    """One strategy in both figures.

    Attributes
    ----------
    name
        Of the strategy.
    median, low, high
        Median absolute correlation, and where chance puts it.
    left
        Whether motion is left.
    curve
        Distance in mm and mean correlation of groups of pairs.
    """

    name: str
    median: float
    low: float
    high: float
    left: bool
    curve: Sequence[tuple[float, float]]


def medians(strategies: Sequence[StrategyMotion], *, key: str, description: str) -> str:
    """Median absolute correlation of each strategy beside what chance leaves."""
    canvas = Canvas(300, 54 + 26 * len(strategies), left=128, right=12, top=6, bottom=44)
    axes = canvas.axes
    for row, each in enumerate(strategies):
        axes.plot([each.low, each.high], [row, row], color=SOFT, linewidth=7, alpha=0.35,
                  solid_capstyle="butt")  # fmt: skip
        colour, shape = (BAD, "X") if each.left else (INK, "o")
        axes.plot(each.median, row, shape, color=colour, markersize=7)
    axes.set_yticks(range(len(strategies)), [each.name for each in strategies])
    axes.set_ylim(len(strategies) - 0.5, -0.5)
    axes.set_xlim(0, 1.08 * max(max(each.median, each.high) for each in strategies))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    svg.few_ticks(axes, x=5, y=0)
    axes.set_yticks(range(len(strategies)), [each.name for each in strategies])
    axes.set_xlabel("median |r| (bar: by chance)")
    svg.quiet_grid(axes, "x")
    return canvas.svg(key, description)


def over_distance(strategies: Sequence[StrategyMotion], *, key: str, description: str) -> str:
    """Mean correlation of connectivity with displacement, by the distance of the parcels."""
    rows = (len(strategies) + 1) // 2
    canvas = Canvas(300, 204 + 16 * rows, left=60, right=14, top=10 + 16 * rows, bottom=40)
    axes = canvas.axes
    axes.axhline(0, color=SOFT, linewidth=1, dashes=(4, 3))
    for number, each in enumerate(strategies):
        places = np.array(each.curve)
        axes.plot(
            places[:, 0], places[:, 1], color=SERIES[number % len(SERIES)], linewidth=1.5,
            marker=SHAPES[number % len(SHAPES)], markersize=4.5, label=each.name,
        )  # fmt: skip
    heights = np.array([r for each in strategies for _, r in each.curve])
    low, high = svg.spread_limits(np.append(heights, [-0.1, 0.1]))
    axes.set_ylim(low, high)
    svg.few_ticks(axes, x=5, y=5)
    axes.set_xlabel("distance of the parcels (mm)")
    axes.set_ylabel("mean r")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.2, 1.0), ncols=2, fontsize=9.5,
                borderaxespad=0.2, columnspacing=1.2, handlelength=1.8, frameon=False)  # fmt: skip
    svg.quiet_grid(axes)
    return canvas.svg(key, description)
