"""Whether charts tell the truth about healthy people whom they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from commissure.models.charts import People, ReferenceCharts
from commissure.outputs import NORMATIVE_CHARTS
from commissure.study.design import DesignColumn

#: A sound chart has this share of its people beyond its limits.
LEVEL = 0.05


def fold_numbers(sites: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """A number from 0 for each person: every site is spread evenly over the folds."""
    rng = np.random.default_rng(seed)
    numbers = np.zeros(len(sites), dtype=int)
    for site in sorted(set(sites.astype(str))):
        of_site = rng.permutation(np.flatnonzero(sites.astype(str) == site))
        numbers[of_site] = (np.arange(len(of_site)) + rng.integers(folds)) % folds
    return numbers


def held_out_scores(
    charts: ReferenceCharts, values: np.ndarray, people: People, folds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Score each control by charts of the others.

    Parameters
    ----------
    charts
        How charts are learnt; what it has learnt itself does not count.
    values, people
        The controls, as :meth:`~commissure.models.charts.ReferenceCharts.fit` takes them.
    folds
        Parts.

    Returns
    -------
    scores
        Shape (people, markers).
    median
        What was expected of each, in the unit of the marker, same shape.
    """
    scores = np.full(values.shape, np.nan)
    median = np.full(values.shape, np.nan)
    numbers = fold_numbers(people.site, folds)
    # Who makes a chart with the others does so without a tenth of them, too.
    least = max(2, charts.min_controls // 2)
    for fold in range(folds):
        out = numbers == fold
        if not out.any():
            continue
        fitted = ReferenceCharts(charts.adjusted, least).fit(values[~out], people.some(~out))
        scores[out] = fitted.scores(values[out], people.some(out))
        median[out] = fitted.centiles(people.some(out), [0.0])[0]
    return scores, median


def chart_table(
    charts: ReferenceCharts,
    columns: Sequence[DesignColumn],
    units: Sequence[str],
    scores: np.ndarray,
    median: np.ndarray,
    values: np.ndarray,
    extreme: float,
) -> pd.DataFrame:
    """One row per chart: how well it describes controls who had no part in it.

    Parameters
    ----------
    charts
        Learnt on all controls.
    columns, units
        Of the markers.
    scores, median
        As :func:`held_out_scores` gives them.
    values
        The controls' markers.
    extreme
        Deviation beyond which a marker counts as extreme.
    """
    rows = []
    typical = np.exp(charts.variance_.coefficients[:, 0] / 2)
    site_sd = charts.offset_sd(0) if len(charts.sites_) > 1 else np.full(len(columns), np.nan)
    for index, column in enumerate(columns):
        z = scores[:, index][np.isfinite(scores[:, index])]
        chart = bool(charts.charted_[index])
        left = values[:, index] - median[:, index]
        known = np.isfinite(left)
        error = float(np.sqrt(np.mean(left[known] ** 2))) if known.any() else np.nan
        variance = float(np.var(values[known, index])) if known.any() else np.nan
        rows.append(
            (
                column.modality, column.region, column.marker, units[index],
                int(charts.counts_[index]), chart, len(z), error,
                1 - error**2 / variance if variance > 0 else np.nan,
                float(np.mean(np.abs(z) > extreme) * 100) if len(z) else np.nan,
                float(stats.skew(z)) if len(z) > 2 else np.nan,
                float(stats.kurtosis(z)) if len(z) > 3 else np.nan,
                float(stats.kstest(stats.norm.cdf(z), "uniform").pvalue) if len(z) else np.nan,
                float(site_sd[index]) if chart else np.nan,
                float(typical[index] * charts.spread_[index]) if chart else np.nan,
            )
        )  # fmt: skip
    return NORMATIVE_CHARTS.frame(rows)


def calibration(table: pd.DataFrame, scores: np.ndarray, extreme: float) -> dict[str, Any]:
    """How the charts do together, for ``normative.json``.

    Parameters
    ----------
    table
        As :func:`chart_table` gives it.
    scores
        Held-out scores of the controls.
    extreme
        Deviation beyond which a marker counts as extreme.
    """
    known = np.isfinite(scores)
    charted = table[table["charted"] & (table["n_held_out"] > 0)]
    if not len(charted):
        return {"charts": 0}
    expected = 2 * float(stats.norm.sf(extreme))
    n = charted["n_held_out"].to_numpy()
    low, high = (stats.binom.ppf(limit, n, expected) / n * 100 for limit in (0.025, 0.975))
    share = charted["extreme_percent"].to_numpy()
    return {
        "charts": len(charted),
        "expected_percent": 100 * expected,
        "extreme_percent": float((np.abs(scores[known]) > extreme).mean() * 100),
        "in_binomial_band_percent": float(((share >= low) & (share <= high)).mean() * 100),
        "shape_rejected_percent": float((charted["p_shape"] < LEVEL).mean() * 100),
        "explained_variance_median": _median(charted["explained_variance"]),
    }


def _median(values: pd.Series) -> float:
    return float(values.median()) if values.notna().any() else np.nan
