"""What permutations of the labels say: a p value, and by how much intervals are too narrow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commissure.evaluation.auc import AucEstimate, auc
from commissure.evaluation.pairs import PairwiseComparisons

#: Permutations with fewer than which nothing is said of variances: their root is known to 10 %.
FEWEST_PERMUTATIONS = 50
#: Permutations of which DeLong's variance of all repeats together is computed, for its mean.
MEASURED = 100


@dataclass(frozen=True)
class NullDistribution:
    """AUC within site of the reduced procedure.

    Attributes
    ----------
    aucs
        Shape (repeats, 1 + permutations), the true labels first.
    variances
        DeLong's variance of each; the same shape.
    left_out
        The same with one site after the other left out, a single repeat; None where no site can be.
    of_mean
        DeLong's variance of all repeats together, of the true labels and of the first
        :data:`MEASURED` permutations; NaN beyond, None where there is one repeat.
    """

    aucs: np.ndarray
    variances: np.ndarray
    left_out: NullDistribution | None = None
    of_mean: np.ndarray | None = None

    @property
    def observed(self) -> float:
        """With the true labels, mean over the repeats."""
        return float(_over_repeats(self.aucs[:, :1])[0])

    @property
    def permuted(self) -> np.ndarray:
        """With permuted labels, mean over the repeats that compare anybody.

        Shape (permutations,), NaN where no repeat does.
        """
        return _over_repeats(self.aucs[:, 1:])

    @property
    def known(self) -> np.ndarray:
        """The permuted AUCs that are numbers."""
        return self.permuted[np.isfinite(self.permuted)]

    @property
    def p(self) -> float:
        """Share of labellings, the observed one counted, that do at least as well."""
        known = self.known
        if not len(known) or not np.isfinite(self.observed):
            return float("nan")
        better = (known >= self.observed - 1e-12).sum()
        return float((better + 1) / (len(known) + 1))

    def variance(self, repeats: int) -> float:
        """Variance of the null AUC of a cross-validation with so many repeats.

        That over the permutations, with the part that the folds have in it brought from the repeats
        that were made to those that are asked for. Of one repeat nothing is known of that part, and
        it stays whole.
        """
        made = len(self.aucs)
        total = float(self.known.var(ddof=1))
        if made == 1:
            return total
        by_repeat = self.aucs[:, 1:]
        by_repeat = by_repeat[:, np.isfinite(by_repeat).all(axis=0)]
        folds = float(by_repeat.var(axis=0, ddof=1).mean()) if by_repeat.size else 0.0
        return max(0.0, total + folds * (1 / repeats - 1 / made))

    def widening(self, repeats: int) -> float:
        """By how much DeLong's standard error is too small for this procedure, never below 1.

        DeLong's variance takes the scores as given: it knows nothing of models whose training
        people are other models' test people. Permutations rerun all of that, so the variance of
        their AUC is the true one of the null, and its ratio to the mean of DeLong's in the same
        tables is what is missing. 1 with fewer than :data:`FEWEST_PERMUTATIONS` permutations.
        """
        if len(self.known) < FEWEST_PERMUTATIONS:
            return 1.0
        return self._ratio(repeats, float(np.nanmean(self.variances[:, 1:])))

    def widening_of_mean(self, repeats: int) -> float | None:
        """The same for DeLong's standard error of all repeats together; None where it is unknown.

        DeLong's variance of R repeats together is ``a + b / R``; both come from that of one and
        of all repeats of the permutations.
        """
        made = len(self.aucs)
        if self.of_mean is None or made < 2 or len(self.known) < FEWEST_PERMUTATIONS:
            return None
        measured = np.flatnonzero(np.isfinite(self.of_mean[1:])) + 1
        if len(measured) < FEWEST_PERMUTATIONS:
            return None
        single = float(np.nanmean(self.variances[:, measured]))
        together = float(self.of_mean[measured].mean())
        folds = (single - together) / (1 - 1 / made)
        return self._ratio(repeats, single - folds + folds / repeats)

    def _ratio(self, repeats: int, formula: float) -> float:
        if not formula > 0:
            return 1.0
        return max(1.0, math.sqrt(self.variance(repeats) / formula))


def auc_within_site(
    repeats: Sequence[PairwiseComparisons], null: NullDistribution | None
) -> AucEstimate:
    """AUC over the repeats with an interval as wide as the permutations, where any, say.

    Parameters
    ----------
    repeats
        The comparisons of each repeat of the cross-validation.
    null
        The permutation test of the model.
    """
    if null is None:
        return auc(repeats)
    of_mean = null.widening_of_mean(len(repeats))
    if of_mean is None:
        return auc(repeats, null.widening(len(repeats)))
    return auc(repeats, of_mean, of_mean=True)


def _over_repeats(aucs: np.ndarray) -> np.ndarray:
    """Mean of the numbers in each column, NaN where there is none."""
    known = np.isfinite(aucs)
    total = np.where(known, aucs, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
