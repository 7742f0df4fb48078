"""How far repeated measurements agree: intraclass correlations."""

from __future__ import annotations

import numpy as np


def icc_a1(values: np.ndarray) -> float:
    """Agreement of measurements: ICC(A,1), two-way, single measure, absolute agreement.

    Parameters
    ----------
    values
        (n, k): k measurements of the same n people.

    Returns
    -------
    float
        NaN for fewer than three people or no variance at all.

    Notes
    -----
    McGraw KO, Wong SP, Forming inferences about some intraclass correlation coefficients, Psychol
    Methods 1:30-46, 1996, case 2A: (MSR - MSE) / (MSR + (k-1) MSE + k (MSC - MSE) / n).
    """
    values = np.asarray(values, dtype=float)
    n, k = values.shape
    if n < 3:
        return float("nan")
    grand = values.mean()
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    between = k * ((rows - grand) ** 2).sum() / (n - 1)
    methods = n * ((columns - grand) ** 2).sum() / (k - 1)
    residual = ((values - rows[:, None] - columns + grand) ** 2).sum() / ((n - 1) * (k - 1))
    total = between + (k - 1) * residual + k * (methods - residual) / n
    return float((between - residual) / total) if total > 0 else float("nan")


def icc_c1(values: np.ndarray) -> np.ndarray:
    """Agreement of measurements up to a constant: ICC(C,1), or ICC(3,1).

    Parameters
    ----------
    values
        (n, k, features): k measurements of each feature of the same n people or lesions.

    Returns
    -------
    numpy.ndarray
        (features,). NaN for fewer than three of them, without variance, or where a value is not
        finite.

    Notes
    -----
    McGraw KO, Wong SP, Psychol Methods 1:30-46, 1996, case 3: (MSR - MSE) / (MSR + (k-1) MSE).
    """
    values = np.asarray(values, float)
    n, k, features = values.shape
    if n < 3 or k < 2:
        return np.full(features, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        rows, columns = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
        grand = values.mean(axis=(0, 1), keepdims=True)
        between = k * ((rows - grand) ** 2).sum(axis=(0, 1)) / (n - 1)
        rest = ((values - rows - columns + grand) ** 2).sum(axis=(0, 1))
        residual = rest / ((n - 1) * (k - 1))
        total = between + (k - 1) * residual
        # Rounding leaves a little variance of a constant.
        scale = np.square(values).mean(axis=(0, 1))
        return np.where(total > 1e-24 * scale, (between - residual) / total, np.nan)
