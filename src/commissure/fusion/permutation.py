"""The permutation test: what the whole procedure reaches on labels that mean nothing.

Labels are permuted within site. Its folds are dealt within site without a look at labels, so that
the observed labelling is one of equals: the test is exact whatever the sample size. Everything that
depends on labels is rerun for each labelling - choice of penalty, weights, calibration, stacking.
What is reduced, and declared: each logistic regression makes its first Newton step only (ridge
regression), for the observed labels too; repeats are ``permutation_repeats``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from commissure.fusion.blocks import Design
from commissure.fusion.evaluation import pair_shares
from commissure.fusion.panel import ModelSpec, fitted_panel
from commissure.fusion.settings import FusionSettings
from commissure.fusion.splits import dealt_folds

#: What stands beside every p value of this test.
REDUCTION = (
    "p is that of a reduced procedure: labels permuted within site, folds dealt without the "
    "labels, penalty choice, calibration and stacking rerun, each logistic regression one Newton "
    "step"
)


@dataclass(frozen=True)
class Null:
    """AUC within site of the reduced procedure.

    Attributes
    ----------
    observed
        With the true labels.
    permuted
        With permuted labels, shape (permutations,).
    """

    observed: float
    permuted: np.ndarray

    @property
    def p(self) -> float:
        """Share of labellings, the observed one counted, that do at least as well."""
        if not len(self.permuted) or not np.isfinite(self.observed):
            return float("nan")
        better = (self.permuted >= self.observed - 1e-12).sum()
        return float((better + 1) / (len(self.permuted) + 1))


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
    settings: FusionSettings,
    first: int = 0,
) -> Mapping[str, Null]:
    """Run the reduced procedure on the observed and all permuted labels at once.

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
    total = {spec.name: np.zeros(table.shape[1]) for spec in specs}
    for repeat in range(settings.permutation_repeats):
        fold = dealt_folds(strata, settings.outer_folds, (settings.seed, 4, repeat))
        logits = {spec.name: np.full(table.shape, np.nan) for spec in specs}
        for number in range(settings.outer_folds):
            train, test = fold != number, (fold == number) & labelled
            fitted = fitted_panel(
                specs, design.values[train], table[train], settings=settings, solver="one_step"
            )
            for name, model in fitted.items():
                logits[name][test] = model.logits(design.values[test])
        cells = np.char.add(np.char.add(design.sites, "\t"), fold.astype(str))[labelled]
        for name, own in logits.items():
            total[name] += pair_shares(table[labelled].astype(float), own[labelled], cells)
    return {
        name: Null(float(areas[0]), areas[1:])
        for name, areas in ((n, t / settings.permutation_repeats) for n, t in total.items())
    }
