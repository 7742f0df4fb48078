"""Random effects over sites: the mean AUC, how sites differ, and what a new site may see.

Estimates of sites are combined on the AUC's own scale. Each has the variance of Hanley and McNeil
at the *common* AUC: the variance that a small site estimates of itself is smallest where it
happens to be in perfect order, and would weigh most there. Intervals are turned to the logit scale
at their centre, so that they stay between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2
from scipy.stats import t as student

from commissure.evaluation.auc import hanley_mcneil_variance
from commissure.models.logistic import sigmoid

#: Sites without whom nothing is said of a new one.
FEWEST_SITES = 3
#: Quantiles of the distribution of the variance between sites.
QUANTILES = 100


@dataclass(frozen=True)
class SiteAuc:
    """The AUC of one site, and the people of either label who were compared there."""

    value: float
    n_positive: int
    n_negative: int


@dataclass(frozen=True)
class RandomEffects:
    """A random-effects meta-analysis; NaN where there are too few sites.

    Attributes
    ----------
    value, ci_low, ci_high
        Mean over sites with its 95 % interval.
    prediction_low, prediction_high
        Where the AUC of a new site lies in 95 of 100 cases.
    tau2
        Variance of the true AUCs between sites.
    i2
        Share of the variance between the estimates that is not sampling error, 0 to 1.
    sites
        Sites that count.
    """

    value: float
    ci_low: float
    ci_high: float
    prediction_low: float
    prediction_high: float
    tau2: float
    i2: float
    sites: int

    def record(self) -> dict[str, Any]:
        """The entry in metrics.json."""
        return asdict(self)


def random_effects(sites: Sequence[SiteAuc], widening: float = 1.0) -> RandomEffects:
    """Mean AUC over sites, heterogeneity and prediction interval.

    The variance between sites is that of DerSimonian and Laird (1986, Control Clin Trials 7:177),
    the interval of the mean that of Hartung and Knapp (2001, Stat Med 20:3875), never narrower than
    without their factor. The prediction interval goes over all variances between sites that the
    estimates leave possible (Nagashima et al. 2019, Stat Methods Med Res 28:1689): one that takes
    the estimate for the truth holds a new one of ten sites in 86 of 100 cases.

    Parameters
    ----------
    sites
        AUC and numbers of people of each site; those that compare nobody are left out.
    widening
        What the standard error of the mean is multiplied by: models that share training people do
        not err independently at different sites.
    """
    known = [site for site in sites if math.isfinite(site.value)]
    count = len(known)
    if count < 2:
        unknown = math.nan
        return RandomEffects(
            unknown, unknown, unknown, unknown, unknown, unknown, unknown, sites=count
        )
    values = np.array([site.value for site in known])
    pairs = np.array([site.n_positive * site.n_negative for site in known], float)
    common = float(np.clip(values @ pairs / pairs.sum(), 0.05, 0.95))
    variance = np.array(
        [hanley_mcneil_variance(common, site.n_positive, site.n_negative) for site in known]
    )
    tau2, i2 = _dersimonian_laird(values, variance)
    weight = 1 / (variance + tau2)
    mean = float(weight @ values / weight.sum())
    spread = float(weight @ (values - mean) ** 2) / (count - 1)
    error = widening * math.sqrt(max(1.0, spread) / weight.sum())
    low, high = _on_the_logit_scale(mean, float(student.ppf(0.975, count - 1)) * error)
    new_low, new_high = math.nan, math.nan
    if count >= FEWEST_SITES:
        ends = _prediction_ends(values, variance, widening)
        new_low, new_high = (
            _on_the_logit_scale(mean, abs(end - mean))[side] for side, end in enumerate(ends)
        )
    return RandomEffects(mean, low, high, new_low, new_high, tau2, i2, count)


def _prediction_ends(
    values: np.ndarray, variance: np.ndarray, widening: float
) -> tuple[float, float]:
    """2.5 and 97.5 % points of the AUC of a new site.

    Cochran's Q at the true variance between sites is chi-squared. The variances at which it has
    the quantiles of that distribution are equally likely (Viechtbauer 2007, Stat Med 26:37).
    """
    degrees = len(values) - 1
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    means, spreads = np.empty(QUANTILES), np.empty(QUANTILES)
    for index, wanted in enumerate(chi2.ppf(levels, degrees)):
        between = _variance_with_q(values, variance, float(wanted))
        weight = 1 / (variance + between)
        means[index] = weight @ values / weight.sum()
        spreads[index] = math.sqrt(between + widening**2 / weight.sum())
    ends = []
    for level in (0.025, 0.975):
        low, high = -1.0, 2.0
        for _ in range(50):
            middle = (low + high) / 2
            below = float(student.cdf((middle - means) / spreads, degrees).mean()) < level
            low, high = (middle, high) if below else (low, middle)
        ends.append(high)
    return ends[0], ends[1]


def _variance_with_q(values: np.ndarray, variance: np.ndarray, wanted: float) -> float:
    """Variance between sites at which Q has a value, 0 where it is smaller at all of them."""

    def q(between: float) -> float:
        weight = 1 / (variance + between)
        mean = weight @ values / weight.sum()
        return float(weight @ (values - mean) ** 2)

    if q(0.0) <= wanted:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if q(middle) > wanted else (low, middle)
    return high


def _dersimonian_laird(values: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    weight = 1 / variance
    mean = weight @ values / weight.sum()
    q = float(weight @ (values - mean) ** 2)
    degrees = len(values) - 1
    scale = float(weight.sum() - (weight**2).sum() / weight.sum())
    return max(0.0, (q - degrees) / scale), max(0.0, (q - degrees) / q) if q > 0 else 0.0


def _on_the_logit_scale(value: float, reach: float) -> tuple[float, float]:
    """Ends of an interval whose half width is ``reach`` at its centre."""
    centre = float(np.clip(value, 0.005, 0.995))
    width = reach / (centre * (1 - centre))
    logit = math.log(centre / (1 - centre))
    low, high = (float(sigmoid(np.array(logit + side * width))) for side in (-1, 1))
    return min(low, value), max(high, value)
