"""How well probabilities tell two labels apart, and how sure that is.

Two people are compared only where that is fair. For the AUC *within site* they come from one site
and were scored by one fitted model: base rates of folds and sites then cannot rank anybody, a
site-only model has exactly 0.5, and under the null the expectation is 0.5. Intervals are DeLong's,
from the same table of comparisons, and may be widened by what permutations of the labels show
(:class:`commissure.evaluation.null_distribution.NullDistribution`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from commissure.evaluation.pairs import (
    PairwiseComparisons,
    difference_of,
    distinct_pairs,
    together,
    wins_by_labelling,
)
from commissure.markers.intervals import Z_95
from commissure.models.logistic import sigmoid

#: What an interval is called that nothing widens.
DELONG = "DeLong"
# Standard errors that a normal variate exceeds in one of twenty draws.
_Z_ONE_SIDED = 1.6448536269514722


@dataclass(frozen=True)
class AucEstimate:
    """An area under the ROC curve (AUC) with its 95 % interval; NaN where nobody can be compared.

    Attributes
    ----------
    value, ci_low, ci_high, standard_error
        The AUC, its interval, and the standard error that the interval is made of.
    interval
        What the interval is, in words.
    n_compared, pairs
        People who were compared with anybody, and pairs of people who were compared, in any repeat.
    """

    value: float
    ci_low: float
    ci_high: float
    standard_error: float
    interval: str
    n_compared: int = 0
    pairs: int = 0

    def record(self) -> dict[str, Any]:
        """The entry in metrics.json."""
        return {"value": self.value, "ci_low": self.ci_low, "ci_high": self.ci_high,
                "interval": self.interval, "n_compared": self.n_compared,
                "pairs": self.pairs}  # fmt: skip


NO_AUC = AucEstimate(math.nan, math.nan, math.nan, math.nan, "none: nobody can be compared")


def auc(
    repeats: Sequence[PairwiseComparisons], widening: float = 1.0, *, of_mean: bool = False
) -> AucEstimate:
    """AUC over the repeats of a cross-validation, with its 95 % interval.

    The value weighs every comparison alike. By default the variance is the mean of DeLong's over
    the repeats, not that of the average: repeats share their people, so averaging them takes away
    the noise of the folds but hardly that of the sample. (On null cohorts of 32 people and 5
    repeats the AUC within site scatters by 0.147; this gives 0.145, DeLong's formula on the average
    0.105.) Where permutations of several repeats tell what the average lacks, ``of_mean`` takes
    DeLong's variance of the average: with many small sites each repeat compares few pairs, and
    the default is a third too wide. The interval is computed on the logit scale; a model that ties
    everybody has exactly 0.5 and no uncertainty.

    Parameters
    ----------
    repeats
        The comparisons of each repeat, over the same people.
    widening
        What DeLong's standard error is multiplied by.
    of_mean
        Whether that is the error of all repeats together, and not the mean of theirs.
    """
    compared = sum(pairs.count for pairs in repeats)
    if not compared:
        return NO_AUC
    value = sum(pairs.total_won for pairs in repeats) / compared
    shown = [pairs for pairs in repeats if pairs.count]
    if of_mean:
        shown = [together(shown)]
    variance = float(np.mean([delong_variance(pairs) for pairs in shown]))
    n1, n0, met = _people_and_pairs(repeats)
    if value in (0.0, 1.0):
        low, high = newcombe_interval(value, n1, n0)
        return AucEstimate(
            value, low, high, (high - low) / Z_95, "Newcombe: no pair is ordered otherwise",
            n1 + n0, met,
        )  # fmt: skip
    interval = f"{DELONG} of all repeats" if of_mean else DELONG
    return widened(
        AucEstimate(value, value, value, math.sqrt(variance), interval, n1 + n0, met), widening
    )


def widened(estimate: AucEstimate, widening: float) -> AucEstimate:
    """An AUC with DeLong's standard error, multiplied, and the interval that it makes.

    An AUC of 0 or 1, whose interval is another, stays as it is, and so does none.
    """
    value = estimate.value
    if not 0 < value < 1:
        return estimate
    error = widening * estimate.standard_error
    logit = math.log(value / (1 - value))
    width = Z_95 * error / (value * (1 - value))
    low, high = (float(sigmoid(np.array(logit + side * width))) for side in (-1, 1))
    interval = estimate.interval
    if widening != 1:
        interval += f", widened by {widening:.2f} from permutations"
    return replace(estimate, ci_low=low, ci_high=high, standard_error=error, interval=interval)


def _people_and_pairs(repeats: Sequence[PairwiseComparisons]) -> tuple[int, int, int]:
    """Positive people, negative people and pairs of them that are compared in any repeat."""
    everybody = together(repeats)
    return (
        int(everybody.positive.sum()), int(everybody.negative.sum()), distinct_pairs(repeats),
    )  # fmt: skip


def delong_variance(pairs: PairwiseComparisons) -> float:
    """Variance of the AUC of one table of comparisons (DeLong et al. 1988, Biometrics 44:837).

    Where not all pairs are compared, that of the U statistic weighted by the comparisons.
    """
    value = pairs.total_won / pairs.count
    square = ((pairs.won - value * pairs.compared) / pairs.count) ** 2
    return sum(
        float(square[side].sum()) * size / (size - 1)
        for side in (pairs.positive, pairs.negative)
        if (size := int(side.sum())) > 1
    )


def auc_difference(
    first: Sequence[PairwiseComparisons], second: Sequence[PairwiseComparisons]
) -> AucEstimate:
    """How much larger the first AUC is, with DeLong's paired 95 % interval.

    Only pairs of people that both models compare are taken; the variance is the mean over the
    repeats, as in :func:`auc`.

    Parameters
    ----------
    first, second
        The comparisons of two models in the same repeats.
    """
    total, count, variances, shared = 0.0, 0.0, [], []
    for left, right in zip(first, second, strict=True):
        gap = difference_of(left, right)
        if gap is not None:
            total, count = total + gap.total_won, count + gap.count
            shared.append(gap)
            variances.append(delong_variance(gap))
    if not count:
        return NO_AUC
    value, error = total / count, math.sqrt(float(np.mean(variances)))
    n1, n0, met = _people_and_pairs(shared)
    return AucEstimate(
        value, value - Z_95 * error, value + Z_95 * error, error, f"{DELONG}, paired", n1 + n0, met
    )


def auc_of_chance(sites: Sequence[tuple[int, int]]) -> float:
    """AUC within site that a classifier knowing nothing exceeds in one of twenty studies.

    From the variance of the Mann-Whitney statistic without ties, (n1 + n0 + 1) / (12 n1 n0) in
    each site, sites weighted by their pairs n1 n0, in the normal approximation.

    Parameters
    ----------
    sites
        People with the positive and with the negative label, per site.

    Returns
    -------
    float
        NaN where no site has both labels.
    """
    pairs = sum(n1 * n0 for n1, n0 in sites)
    if not pairs:
        return math.nan
    variance = sum(n1 * n0 * (n1 + n0 + 1) / 12 for n1, n0 in sites) / pairs**2
    return min(1.0, 0.5 + _Z_ONE_SIDED * math.sqrt(variance))


def hanley_mcneil_variance(value: float, n1: int, n0: int) -> float:
    """Variance of the AUC of so many positive and negative people where the true one is known.

    Hanley and McNeil 1982, Radiology 143:29. Unlike DeLong's it does not vanish where few people
    happen to be in perfect order.
    """
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (n1 - 1) * (q1 - value**2) + (n0 - 1) * (q2 - value**2)
    return spread / (n1 * n0)


def newcombe_interval(value: float, n1: int, n0: int) -> tuple[float, float]:
    """95 % interval of an AUC, for any numbers of people and any value (Newcombe 2006).

    Holds the AUCs ``a`` with ``|value - a| <= z SE(a)``, the standard error that of Hanley and
    McNeil (Stat Med 25:559, method 5).
    """
    ends = []
    for far in (0.0, 1.0):
        inside, outside = value, far
        for _ in range(60):
            a = (inside + outside) / 2
            within = abs(value - a) <= Z_95 * math.sqrt(hanley_mcneil_variance(a, n1, n0))
            inside, outside = (a, outside) if within else (inside, a)
        ends.append(inside)
    return ends[0], ends[1]


def auc_by_labelling(
    labels: np.ndarray, scores: np.ndarray, stratum: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUC within strata of many labellings, each with scores of its own, and DeLong's variance.

    They are those of :func:`auc` and :func:`delong_variance`.

    Parameters
    ----------
    labels, scores
        Shape (people, labellings).
    stratum
        Shape (people,).

    Returns
    -------
    aucs, variances : numpy.ndarray
        Shape (labellings,); NaN where no pair can be compared.
    """
    return auc_of_wins(labels, *wins_by_labelling(labels, scores, stratum))


def auc_of_wins(
    labels: np.ndarray, won: np.ndarray, compared: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUC and DeLong's variance from what each person won; shapes as in :func:`wins_by_labelling`.

    Returns
    -------
    aucs, variances : numpy.ndarray
        Shape (labellings,); NaN where no pair was compared.
    """
    pairs = (labels * compared).sum(axis=0)
    total = np.maximum(pairs, 1)
    aucs = (labels * won).sum(axis=0) / total
    square = ((won - aucs * compared) / total) ** 2
    variances = np.zeros(labels.shape[1])
    for side in (labels, 1 - labels):
        size = (side * (compared > 0)).sum(axis=0)
        part = (side * square).sum(axis=0) * size / np.maximum(size - 1, 1)
        variances += np.where(size > 1, part, 0.0)
    return np.where(pairs > 0, aucs, np.nan), np.where(pairs > 0, variances, np.nan)
