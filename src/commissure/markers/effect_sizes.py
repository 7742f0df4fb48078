"""Standardised group differences with intervals.

The estimator is Hedges' g with the large-sample variance of Borenstein, Hedges, Higgins and
Rothstein (Introduction to Meta-Analysis, 2009, chapter 4); with covariates the difference and its
standard deviation come from one linear model, so that g is in units of the spread among people who
agree in the covariates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control

from commissure.markers.intervals import Z_95

#: People that each group needs before a difference is standardised.
MIN_PER_GROUP = 3


@dataclass(frozen=True)
class Effect:
    """A standardised difference, first group minus second.

    Attributes
    ----------
    g
        Hedges' g, in standard deviations.
    low, high
        Ends of its 95 % interval.
    p
        Two-sided, from g over its standard error, so that it agrees with the interval.
    n_first, n_second
        People in each group.
    """

    g: float
    low: float
    high: float
    p: float
    n_first: int
    n_second: int


def hedges_g(
    first: np.ndarray, second: np.ndarray, covariates: np.ndarray | None = None
) -> Effect | None:
    """Hedges' g of two samples, first minus second, with its 95 % interval.

    Parameters
    ----------
    first, second
        Values, shape (n1,) and (n2,); must be finite.
    covariates
        Shape (n1 + n2, k), rows in the order of ``first`` then ``second``, without intercept.
        Columns that carry nothing new (constant or collinear) are harmless.

    Returns
    -------
    Effect or None
        None where a group has fewer than :data:`MIN_PER_GROUP` people, the values do not vary, or
        the covariates leave nothing of the group difference (one group per site, say).
    """
    n1, n2 = len(first), len(second)
    if min(n1, n2) < MIN_PER_GROUP:
        return None
    values = np.concatenate([first, second]).astype(float)
    group = np.r_[np.ones(n1), np.zeros(n2)]
    others = np.ones((n1 + n2, 1))
    if covariates is not None and covariates.size:
        centred = covariates - covariates.mean(axis=0)
        spread = centred.std(axis=0)
        others = np.column_stack([others, centred[:, spread > 0] / spread[spread > 0]])
    nuisance, sizes, _ = np.linalg.svd(others, full_matrices=False)
    nuisance = nuisance[:, sizes > 1e-8 * sizes[0]]
    contrast = group - nuisance @ (nuisance.T @ group)
    degrees_of_freedom = n1 + n2 - nuisance.shape[1] - 1
    information = float(contrast @ contrast)
    if degrees_of_freedom < 2 or information < 1e-8 * (n1 + n2):
        return None
    rest = values - nuisance @ (nuisance.T @ values)
    difference = float(contrast @ rest) / information
    residual = rest - difference * contrast
    sd = math.sqrt(float(residual @ residual) / degrees_of_freedom)
    if sd <= 1e-10 * float(np.abs(values).max()):
        return None
    d = difference / sd
    # 1 / information is 1/n1 + 1/n2 without covariates.
    variance = 1 / information + d**2 / (2 * (n1 + n2))
    correction = 1 - 3 / (4 * degrees_of_freedom - 1)
    g, error = correction * d, correction * math.sqrt(variance)
    p = math.erfc(abs(g) / error / math.sqrt(2))
    return Effect(g, g - Z_95 * error, g + Z_95 * error, p, n1, n2)


def covariate_matrix(columns: list[np.ndarray]) -> np.ndarray:
    """Put covariates side by side: numbers as they are, words as indicators of each level.

    Missing numbers take the mean of the others, missing words are a level of their own, so that
    nobody is lost to a covariate. The result has shape (people, k).
    """
    out: list[np.ndarray] = []
    for column in columns:
        if column.dtype.kind in "fiub":
            numbers = column.astype(float)
            known = np.isfinite(numbers)
            if known.any():
                out.append(np.where(known, numbers, numbers[known].mean()))
        else:
            words = column.astype(str)
            out += [(words == level).astype(float) for level in sorted(set(words))[1:]]
    return np.column_stack(out) if out else np.empty((len(columns[0]) if columns else 0, 0))


def false_discovery(p: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values (q), in the order given.

    Benjamini and Hochberg 1995, J R Stat Soc B 57:289.
    """
    p = np.asarray(p, dtype=float)
    return false_discovery_control(p) if len(p) else p
