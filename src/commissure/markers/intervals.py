"""What every 95 % interval is made of."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import binomtest

#: Half-width of a 95 % interval in standard errors.
Z_95 = 1.959963984540054


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson EB, J Am Stat Assoc 22:209-212, 1927); 0 to 1 of none."""
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of a mean in the normal approximation; NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan, math.nan
    half = Z_95 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return mean - half, mean + half
