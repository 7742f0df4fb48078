"""Reference charts with the study's people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from commissure.report import text
from commissure.report.plots import svg
from commissure.report.plots.svg import INK, SERIES, SHAPES, SOFT, Canvas


def chart(
    curves: pd.DataFrame,
    groups: Sequence[tuple[str, int, np.ndarray, np.ndarray]],
    *,
    label: str,
    key: str,
    description: str,
) -> str:
    """Centiles of one marker over age, and people at their age.

    The band goes from the 5th to the 95th centile, the darker one from the 25th to the 75th, both
    sexes together in their mean.

    Parameters
    ----------
    curves
        Rows of ``normative/curves.tsv`` of the marker.
    groups
        Name, series, ages and values of each group. Values are moved to the average site, so that
        they lie among the curves as their deviations say.
    """
    canvas = Canvas(300, 216, left=62, right=6, top=8, bottom=38)
    axes = canvas.axes
    of_age = curves.groupby("age")[["p5", "p25", "p50", "p75", "p95"]].mean()
    factor, power = text.power_of_ten(of_age.to_numpy().ravel())
    of_age = of_age * factor
    ages = of_age.index.to_numpy(float)
    axes.fill_between(ages, of_age["p5"], of_age["p95"], color=SOFT, alpha=0.16, linewidth=0)
    axes.fill_between(ages, of_age["p25"], of_age["p75"], color=SOFT, alpha=0.22, linewidth=0)
    axes.plot(ages, of_age["p50"], color=INK, linewidth=1.4)
    for _, series, at, values in groups:
        order = svg.evenly(np.argsort(values, kind="stable"))
        axes.scatter(
            at[order], values[order] * factor, s=17, marker=SHAPES[series % len(SHAPES)],
            color=SERIES[series], alpha=0.62, linewidths=0, zorder=3,
        )  # fmt: skip
    svg.few_ticks(axes, x=5, y=5)
    axes.set_xlabel("age, years")
    axes.set_ylabel(f"{label} ({power.strip()})" if power else label)
    svg.quiet_grid(axes)
    return canvas.svg(key, description)
