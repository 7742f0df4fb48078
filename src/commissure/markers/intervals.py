"""What every 95 % interval is made of."""

from __future__ import annotations

from scipy.stats import binomtest

#: Half-width of a 95 % interval in standard errors.
Z_95 = 1.959963984540054


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson EB, J Am Stat Assoc 22:209-212, 1927); 0 to 1 of none."""
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
