"""Figures of groups among people: where they lie, and how tight every number of clusters is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from commissure.report.plots import svg
from commissure.report.plots.svg import LINE, SERIES, SHAPES, SOFT, Canvas

_METHODS = {"k_means": "k-means", "ward": "Ward", "mixture": "Gaussian mixture"}


def places(
    first: np.ndarray, second: np.ndarray, cluster: np.ndarray, *, key: str, description: str
) -> str:
    """People on the first two axes; those of no cluster are grey.

    Parameters
    ----------
    first, second
        Places, shape (people,).
    cluster
        Number of the cluster, NaN for none; shape (people,).
    key, description
        As :meth:`~commissure.report.plots.svg.Canvas.svg` takes them.
    """
    canvas = Canvas(330, 300, left=52, right=10, top=10, bottom=42)
    axes = canvas.axes
    numbers = np.unique(cluster[np.isfinite(cluster)])
    none = np.flatnonzero(~np.isfinite(cluster))
    none = svg.evenly(none)
    shape = "x" if len(numbers) else "o"
    axes.plot(first[none], second[none], shape, color=SOFT, markersize=4, alpha=0.55,
              linestyle="none")  # fmt: skip
    for place, number in enumerate(numbers):
        rows = svg.evenly(np.flatnonzero(cluster == number))
        axes.plot(
            first[rows], second[rows], SHAPES[place % len(SHAPES)], linestyle="none",
            color=SERIES[place % len(SERIES)], markersize=4.5, alpha=0.75,
            label=f"cluster {int(number)}",
        )  # fmt: skip
    if len(numbers):
        axes.legend(loc="best", fontsize=10, handletextpad=0.2)
    axes.set_xlim(*svg.spread_limits(first))
    axes.set_ylim(*svg.spread_limits(second))
    svg.few_ticks(axes)
    svg.quiet_grid(axes, "both")
    axes.set_xlabel("first axis")
    axes.set_ylabel("second axis")
    return canvas.svg(key, description)


def silhouettes(indices: pd.DataFrame, *, key: str, description: str) -> str:
    """Silhouette of each method by number of clusters, over what one Gaussian cloud gives."""
    canvas = Canvas(330, 300, left=52, right=10, top=10, bottom=42)
    axes = canvas.axes
    chance = indices[indices["method"] == "k_means"]
    axes.fill_between(
        chance["k"].to_numpy(float), 0, chance["silhouette_by_chance"].to_numpy(float),
        color=LINE, linewidth=0, label="one cloud, 95 of 100",
    )  # fmt: skip
    for place, (name, title) in enumerate(_METHODS.items()):
        rows = indices[indices["method"] == name]
        axes.plot(
            rows["k"].to_numpy(float), rows["silhouette"].to_numpy(float),
            marker=SHAPES[place], markersize=5, color=SERIES[place], linewidth=1.3, label=title,
        )  # fmt: skip
    known = np.append(indices["silhouette"], indices["silhouette_by_chance"]).astype(float)
    top = float(np.nanmax(known)) if np.isfinite(known).any() else 1.0
    low = float(np.nanmin(known)) if np.isfinite(known).any() else 0.0
    axes.set_ylim(min(0.0, low * 1.1), max(0.1, top * 1.55))
    numbers = sorted(set(indices["k"].astype(int)))
    svg.few_ticks(axes, x=0)
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.set_xlim(min(numbers) - 0.2, max(numbers) + 0.2)
    axes.set_xlabel("number of clusters")
    axes.set_ylabel("mean silhouette")
    axes.legend(loc="upper right", fontsize=9.5, ncols=2, columnspacing=1.0, handlelength=1.6)
    svg.quiet_grid(axes)
    return canvas.svg(key, description)
