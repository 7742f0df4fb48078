"""The permutation test: what the whole procedure reaches on labels that mean nothing.

Labels are permuted within site. Its folds are dealt within site without a look at labels, so that
the observed labelling is one of equals: the test is exact whatever the sample size. Everything that
depends on labels is rerun for each labelling - choice of penalty, weights, calibration, stacking.
What is reduced, and declared: each logistic regression makes its first Newton step only (ridge
regression), for the observed labels too; repeats are ``permutation_repeats``.

The same permutations say by how much DeLong's intervals are too narrow for this procedure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from commissure.evaluation.auc import pair_shares
from commissure.evaluation.settings import EvaluationSettings
from commissure.models.registry import ModelSpec, fit_models
from commissure.study.design import Design
from commissure.study.splits import enough_to_train, stratified_folds

#: What stands beside every p value of this test.
REDUCTION = (
    "p is that of a reduced procedure: labels permuted within site, folds dealt without the "
    "labels, penalty choice, calibration and stacking rerun, each logistic regression one Newton "
    "step"
)


#: Permutations with fewer than which nothing is said of variances: their root is known to 10 %.
FEWEST = 50


@dataclass(frozen=True)
class Null:
    """AUC within site of the reduced procedure.

    Attributes
    ----------
    areas
        Shape (repeats, 1 + permutations), the true labels first.
    variances
        DeLong's variance of each; the same shape.
    left_out
        The same with one site after the other left out, a single repeat; None where no site can be.
    """

    areas: np.ndarray
    variances: np.ndarray
    left_out: Null | None = None

    @property
    def observed(self) -> float:
        """With the true labels, mean over the repeats."""
        return float(self.areas[:, 0].mean())

    @property
    def permuted(self) -> np.ndarray:
        """With permuted labels, mean over the repeats; shape (permutations,)."""
        return self.areas[:, 1:].mean(axis=0)

    @property
    def p(self) -> float:
        """Share of labellings, the observed one counted, that do at least as well."""
        if not len(self.permuted) or not np.isfinite(self.observed):
            return float("nan")
        better = (self.permuted >= self.observed - 1e-12).sum()
        return float((better + 1) / (len(self.permuted) + 1))

    def variance(self, repeats: int) -> float:
        """Variance of the null AUC of a cross-validation with so many repeats.

        That over the permutations, with the part that the folds have in it brought from the repeats
        that were made to those that are asked for. Of one repeat nothing is known of that part, and
        it stays whole.
        """
        made = len(self.areas)
        if made == 1:
            return float(np.nanvar(self.permuted, ddof=1))
        folds = float(np.nanmean(self.areas[:, 1:].var(axis=0, ddof=1)))
        return max(0.0, float(np.nanvar(self.permuted, ddof=1)) + folds * (1 / repeats - 1 / made))

    def widening(self, repeats: int) -> float:
        """By how much DeLong's standard error is too small for this procedure, never below 1.

        DeLong's variance takes the scores as given: it knows nothing of models whose training
        people are other models' test people. Permutations rerun all of that, so the variance of
        their AUC is the true one of the null, and its ratio to the mean of DeLong's in the same
        tables is what is missing. 1 with fewer than :data:`FEWEST` permutations.
        """
        if len(self.permuted) < FEWEST:
            return 1.0
        formula = float(np.nanmean(self.variances[:, 1:]))
        if not formula > 0:
            return 1.0
        return max(1.0, math.sqrt(self.variance(repeats) / formula))


def permuted_labels(
    labels: np.ndarray, sites: np.ndarray, count: int, seed: int, first: int = 0
) -> np.ndarray:
    """Labellings in columns, the observed one first; -1 stays where it is.

    Permutation ``first + b`` depends on its number and the seed only, so that parts of the
    permutations, each a job of its own, are together what one job would have made.

    Returns
    -------
    numpy.ndarray
        Shape (people, count + 1); every site keeps its numbers of ones and zeros.
    """
    table = np.repeat(labels[:, None], count + 1, axis=1)
    rows = [np.flatnonzero((sites == site) & (labels >= 0)) for site in np.unique(sites)]
    for number in range(count):
        rng = np.random.default_rng(np.random.SeedSequence([seed, 3, first + number]))
        for own in rows:
            table[own, number + 1] = rng.permutation(table[own, 0])
    return table


def null_areas(
    design: Design,
    labels: np.ndarray,
    specs: Sequence[ModelSpec],
    settings: EvaluationSettings,
    first: int = 0,
) -> Mapping[str, Null]:
    """Run the reduced procedure on the observed and all permuted labels at once.

    Beside the repeats of the cross-validation, each site is left out once that can be: permuting
    within site leaves the numbers of both labels at the others as they are.

    Parameters
    ----------
    design
        The matrix.
    labels
        1, 0 and -1, shape (people,).
    specs
        The models.
    settings
        ``permutations``, ``permutation_repeats``, folds, penalties and seed.
    first
        Number of the first permutation, where this is a part of them.
    """
    table = permuted_labels(labels, design.sites, settings.permutations, settings.seed, first)
    labelled = labels >= 0
    strata = np.char.add(np.where(labelled, "labelled ", "reference "), design.sites)
    sites = [
        site for site in np.unique(design.sites)
        if enough_to_train(labels[design.sites != site]) and labelled[design.sites == site].any()
    ]  # fmt: skip
    rounds = []
    for repeat in range(settings.permutation_repeats):
        fold = stratified_folds(strata, settings.outer_folds, (settings.seed, 4, repeat)).astype(
            str
        )
        rounds.append(_one_round(design, table, specs, settings, fold, np.unique(fold)))
    away = _one_round(design, table, specs, settings, design.sites, sites) if sites else {}
    found = {}
    for spec in specs:
        areas, variances = np.stack([one[spec.name] for one in rounds], axis=1)
        left_out = Null(*away[spec.name][:, None]) if sites else None
        found[spec.name] = Null(areas, variances, left_out)
    return found


def _one_round(
    design: Design,
    table: np.ndarray,
    specs: Sequence[ModelSpec],
    settings: EvaluationSettings,
    fold: np.ndarray,
    tested: Sequence[str] | np.ndarray,
) -> Mapping[str, np.ndarray]:
    """AUC within site and DeLong's variance of every labelling, by model; shape (2, labellings)."""
    labelled = table[:, 0] >= 0
    logits = {spec.name: np.full(table.shape, np.nan) for spec in specs}
    for name in tested:
        train, test = fold != name, (fold == name) & labelled
        fitted = fit_models(
            specs, design.values[train], table[train], settings=settings, solver="one_step"
        )
        for model, one in fitted.items():
            logits[model][test] = one.logits(design.values[test])
    cells = np.char.add(np.char.add(design.sites, "\t"), fold)[labelled]
    return {
        model: np.array(pair_shares(table[labelled].astype(float), own[labelled], cells))
        for model, own in logits.items()
    }
