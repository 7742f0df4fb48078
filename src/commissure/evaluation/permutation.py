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
from typing import Any, Protocol

import numpy as np

from commissure.evaluation.auc import AucEstimate, auc, auc_of_wins
from commissure.evaluation.held_out import HeldOut, held_out_each
from commissure.evaluation.pairs import PairwiseComparisons
from commissure.evaluation.settings import EvaluationSettings
from commissure.models.registry import ModelSpec, fit_models
from commissure.study.outcomes.kind import carries_outcome
from commissure.study.splits import (
    CV,
    LEAVE_SITE_OUT,
    Fold,
    folds_without_labels,
    unrelated,
)
from commissure.study.study import Study

#: What stands beside every p value of this test.
REDUCTION = (
    "p is that of a reduced procedure: labels permuted within site, folds dealt without the "
    "labels, penalty choice, calibration and stacking rerun, each logistic regression one Newton "
    "step"
)

#: Permutations with fewer than which nothing is said of variances: their root is known to 10 %.
FEWEST_PERMUTATIONS = 50
#: Permutations of which DeLong's variance of all repeats together is computed, for its mean.
MEASURED = 100


class PermutedMeasure(Protocol):
    """What the permutation test asks of a measure."""

    def permuted(self, study: Any, count: int, first: int) -> np.ndarray:
        """Labellings in columns, the observed one first."""

    def by_labelling(self, held: HeldOut) -> tuple[np.ndarray, np.ndarray]:
        """Value and variance of every labelling."""


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


def permuted_labels(
    labels: np.ndarray,
    sites: np.ndarray,
    count: int,
    seed: int,
    first: int = 0,
    families: np.ndarray | None = None,
) -> np.ndarray:
    """Labellings in columns, the observed one first; -1 stays where it is.

    Permutation ``first + b`` depends on its number and the seed only, so that parts of the
    permutations, each a job of its own, are together what one job would have made.

    Where people are related, families of like size and sites exchange their labels as a whole, and
    the members at one site among themselves: labels that run in families do so in every
    permutation (exchangeability blocks; Winkler et al. 2015, NeuroImage 123:253).

    Returns
    -------
    numpy.ndarray
        Shape (people, count + 1); every site keeps its numbers of ones and zeros.
    """
    table = np.repeat(labels[:, None], count + 1, axis=1)
    blocks = _exchangeable(carries_outcome(labels), sites, families)
    for number in range(count):
        rng = np.random.default_rng(np.random.SeedSequence([seed, 3, first + number]))
        for people in blocks:
            if people.shape[1] == 1:
                table[people[:, 0], number + 1] = rng.permutation(labels[people[:, 0]])
                continue
            mixed = labels[people[rng.permutation(len(people))]]
            for site in np.unique(sites[people[0]]):
                members = np.flatnonzero(sites[people[0]] == site)
                mixed[:, members] = rng.permuted(mixed[:, members], axis=1)
            table[people, number + 1] = mixed
    return table


def _exchangeable(
    known: np.ndarray, sites: np.ndarray, families: np.ndarray | None
) -> list[np.ndarray]:
    """Rows of families that may exchange their labels, each of shape (families, members).

    Families are alike that have as many members with a label at the same sites; a person without
    relatives is a family of one.
    """
    if families is None:
        families = np.arange(len(sites))
    rows = np.lexsort((sites, families))
    rows = rows[known[rows]]
    starts = np.flatnonzero(np.diff(families[rows])) + 1
    alike: dict[tuple[str, ...], list[np.ndarray]] = {}
    for members in np.split(rows, starts) if len(rows) else []:
        alike.setdefault(tuple(sites[members]), []).append(members)
    return [np.array(alike[places]) for places in sorted(alike)]


def permutation_test(
    study: Study[EvaluationSettings],
    specs: Sequence[ModelSpec],
    *,
    first: int = 0,
    count: int | None = None,
    measure: PermutedMeasure | None = None,
) -> Mapping[str, NullDistribution]:
    """Run the reduced procedure on the observed and all permuted labels at once.

    Beside the repeats of the cross-validation, each site is left out once that can be: permuting
    within site leaves the numbers of both labels at the others as they are.

    Parameters
    ----------
    study
        The study; its settings say ``permutations``, ``permutation_repeats``, folds, penalties and
        seed.
    specs
        The models.
    first, count
        Number of the first permutation and how many are run, where this is a part of them.
    measure
        By what the labellings are judged; the AUC of two labels by default. A model that is named
        by its import path takes part in as many permutations as its entry says.
    """
    settings, sites = study.settings, study.design.sites
    count = settings.permutations if count is None else count
    families = study.design.families
    if measure is None:
        table = permuted_labels(study.y, sites, count, settings.seed, first, families)
    else:
        table = measure.permuted(study, count, first)
    can_be_left_out = [
        site for site in np.unique(sites)
        if study.kind.enough_to_train(study.y[sites != site])
        and study.labelled[sites == site].any()
    ]  # fmt: skip
    away = _divisions(LEAVE_SITE_OUT, sites, can_be_left_out, families)
    nulls: dict[str, NullDistribution] = {}
    taking_part = {spec.name: _labellings(spec, first, count) for spec in specs}
    for labellings in sorted(set(taking_part.values()) - {0}):
        same = [spec for spec in specs if taking_part[spec.name] == labellings]
        part = table[:, :labellings]
        rounds = []
        for repeat in range(settings.permutation_repeats):
            seed = (settings.seed, 4, repeat)
            fold = folds_without_labels(
                study.labelled, sites, settings.outer_folds, seed, families
            ).astype(str)
            divisions = _divisions(CV, fold, np.unique(fold), families)
            rounds.append(_one_round(study, part, same, divisions, 1 + MEASURED - first, measure))
        left_out = _one_round(study, part, same, away, 0, measure) if away else {}
        nulls |= {
            spec.name: _joined(
                [made[spec.name] for made in rounds], left_out.get(spec.name), labellings
            )
            for spec in same
        }
    return {spec.name: nulls[spec.name] for spec in specs if spec.name in nulls}


def _labellings(spec: ModelSpec, first: int, count: int) -> int:
    """In how many labellings of a part of the permutations a model takes part; 0 for none."""
    if spec.estimator is None:
        return count + 1
    permuted = min(count, spec.estimator.permutations - first)
    return permuted + 1 if permuted > 0 else 0


def _joined(rounds: Sequence[_Round], left_out: _Round | None, labellings: int) -> NullDistribution:
    """The null distribution of a model from its repeats."""
    of_mean = None
    measured = rounds[0].labels.shape[1]
    if len(rounds) > 1 and measured:
        of_mean = np.full(labellings, np.nan)
        _, of_mean[:measured] = auc_of_wins(
            rounds[0].labels.astype(float),
            np.sum([made.won for made in rounds], axis=0, dtype=float),
            np.sum([made.compared for made in rounds], axis=0, dtype=float),
        )
    without_site = None
    if left_out is not None:
        without_site = NullDistribution(left_out.aucs[None], left_out.variances[None])
    return NullDistribution(
        np.stack([made.aucs for made in rounds]),
        np.stack([made.variances for made in rounds]),
        without_site,
        of_mean,
    )


def _divisions(
    scheme: str,
    fold: np.ndarray,
    tested: Sequence[str] | np.ndarray,
    families: np.ndarray | None,
) -> list[Fold]:
    """The divisions in which each of the named folds is tested once."""
    divisions = []
    for name in tested:
        test = np.flatnonzero(fold == name)
        train = unrelated(np.flatnonzero(fold != name), test, families)
        divisions.append(Fold(scheme, 0, str(name), train, test))
    return divisions


@dataclass(frozen=True)
class _Round:
    """One repeat under every labelling, of one model.

    Attributes
    ----------
    aucs, variances
        AUC within site and DeLong's variance, shape (labellings,).
    labels, won, compared
        Of the first labellings, as :func:`commissure.evaluation.auc.wins_by_labelling` has them;
        without columns where another measure than the AUC judges. Small numbers and halves of
        them: single precision holds them exactly, in half the memory.
    """

    aucs: np.ndarray
    variances: np.ndarray
    labels: np.ndarray
    won: np.ndarray
    compared: np.ndarray


def _one_round(
    study: Study[EvaluationSettings],
    table: np.ndarray,
    specs: Sequence[ModelSpec],
    folds: Sequence[Fold],
    measured: int,
    measure: PermutedMeasure | None,
) -> Mapping[str, _Round]:
    """AUC within site and DeLong's variance of every labelling, by model.

    What each person won is kept of the first ``measured`` labellings, of the observed one always.
    """
    values = study.design.values

    def scores(fold: Fold, test: np.ndarray) -> Mapping[str, np.ndarray]:
        fitted = fit_models(
            specs, values[fold.train], table[fold.train], settings=study.settings, solver="one_step"
        )
        return {name: model.logits(values[test]) for name, model in fitted.items()}

    held = held_out_each(study, [spec.name for spec in specs], folds, scores, labels=table)
    kept = slice(0, max(1, measured))
    rounds = {}
    for name, scored in held.items():
        if measure is not None:
            nothing = np.zeros((0, 0))
            rounds[name] = _Round(*measure.by_labelling(scored), nothing, nothing, nothing)
            continue
        labels, won, compared = scored.wins_by_labelling()
        aucs, variances = auc_of_wins(labels, won, compared)
        rounds[name] = _Round(
            aucs,
            variances,
            labels[:, kept].astype(np.int8),
            won[:, kept].astype(np.float32),
            compared[:, kept].astype(np.float32),
        )
    return rounds
