"""The permutation test: what the whole procedure reaches on labels that mean nothing.

Labels are permuted within site. Its folds are dealt within site without a look at labels, so that
the observed labelling is one of equals: the test is exact whatever the sample size. Everything that
depends on labels is rerun for each labelling - choice of penalty, weights, calibration, stacking.
What is reduced, and declared: each logistic regression makes its first Newton step only (ridge
regression), for the observed labels too; repeats are ``permutation_repeats``.

The same permutations say by how much DeLong's intervals are too narrow for this procedure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from commissure.evaluation.auc import auc_of_wins
from commissure.evaluation.held_out import HeldOut, held_out_each
from commissure.evaluation.null_distribution import MEASURED, NullDistribution
from commissure.evaluation.pairs import wins_by_labelling
from commissure.evaluation.settings import EvaluationSettings
from commissure.models.fitting import fit_models, training_people
from commissure.models.registry import ModelSpec
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

#: Numbers of a table of people and labellings that is worked on at once (16 MB).
TOGETHER = 2_000_000


class PermutedMeasure(Protocol):
    """What the permutation test asks of a measure."""

    def permuted(self, study: Any, count: int, first: int) -> np.ndarray:
        """Labellings in columns, the observed one first."""

    def by_labelling(self, held: HeldOut) -> tuple[np.ndarray, np.ndarray]:
        """Value and variance of every labelling."""


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
        several = settings.permutation_repeats > 1 and measure is None
        measured = max(1, 1 + MEASURED - first) if several else 0
        together = _Together(part[:, :measured], same)
        rounds = []
        for repeat in range(settings.permutation_repeats):
            seed = (settings.seed, 4, repeat)
            fold = folds_without_labels(
                study.labelled, sites, settings.outer_folds, seed, families
            ).astype(str)
            divisions = _divisions(CV, fold, np.unique(fold), families)
            rounds.append(_one_round(study, part, same, divisions, measure, together))
        left_out = _one_round(study, part, same, away, measure) if away else {}
        for spec in same:
            aucs, variances = zip(*(made[spec.name] for made in rounds), strict=True)
            without_site = None
            if left_out:
                away_aucs, away_variances = left_out[spec.name]
                without_site = NullDistribution(away_aucs[None], away_variances[None])
            nulls[spec.name] = NullDistribution(
                np.stack(aucs),
                np.stack(variances),
                without_site,
                together.variances(spec.name, labellings),
            )
    return {spec.name: nulls[spec.name] for spec in specs if spec.name in nulls}


def _labellings(spec: ModelSpec, first: int, count: int) -> int:
    """In how many labellings of a part of the permutations a model takes part; 0 for none."""
    if spec.estimator is None:
        return count + 1
    permuted = min(count, spec.estimator.permutations - first)
    return permuted + 1 if permuted > 0 else 0


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


class _Together:
    """What each person won in all repeats together, by model.

    Under the first labellings only, ``table``, of which there may be none. Small numbers and
    halves of them: single precision holds them exactly, in half the memory.
    """

    def __init__(self, table: np.ndarray, specs: Sequence[ModelSpec]) -> None:
        self._labels = table
        shape = (2, len(specs), *table.shape)
        self._place = {spec.name: place for place, spec in enumerate(specs)}
        self._won, self._compared = np.zeros(shape, dtype=np.float32)

    def add(
        self, name: str, rows: np.ndarray, first: int, won: np.ndarray, compared: np.ndarray
    ) -> None:
        """Take what the people of some rows won, from labelling ``first`` on."""
        kept = slice(first, min(first + won.shape[1], self._labels.shape[1]))
        if kept.stop > kept.start:
            size = kept.stop - kept.start
            self._won[self._place[name], rows, kept] += won[:, :size]
            self._compared[self._place[name], rows, kept] += compared[:, :size]

    def variances(self, name: str, labellings: int) -> np.ndarray | None:
        """DeLong's variance of all repeats together; NaN beyond the first labellings."""
        measured = self._labels.shape[1]
        if not measured:
            return None
        place = self._place[name]
        of_mean = np.full(labellings, np.nan)
        _, of_mean[:measured] = auc_of_wins(
            np.maximum(self._labels, 0).astype(float),
            self._won[place].astype(float),
            self._compared[place].astype(float),
        )
        return of_mean


class _Tally:
    """AUC and DeLong's variance of every labelling, gathered over people who are compared apart.

    All that is added up are numbers of pairs, halves and quarters of them: the sums are exact.
    """

    def __init__(self, labellings: int) -> None:
        self._sums = np.zeros((2, 5, labellings))
        self._people = np.zeros((2, labellings))

    def add(self, first: int, labels: np.ndarray, won: np.ndarray, compared: np.ndarray) -> None:
        """Take what people won, shape (people, labellings from ``first`` on)."""
        part = slice(first, first + labels.shape[1])
        for side, of_side in enumerate((labels == 1, labels == 0)):
            met, had = np.where(of_side, compared, 0.0), np.where(of_side, won, 0.0)
            sums = self._sums[side, :, part]
            sums[0] += met.sum(axis=0)
            sums[1] += had.sum(axis=0)
            for row, (a, b) in enumerate(((had, had), (had, met), (met, met)), 2):
                sums[row] += np.einsum("ij,ij->j", a, b)
            self._people[side, part] += (met > 0).sum(axis=0)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """As :func:`commissure.evaluation.auc.auc_of_wins`."""
        pairs = self._sums[0, 0]
        total = np.maximum(pairs, 1)
        aucs = self._sums[0, 1] / total
        variances = np.zeros(len(pairs))
        for sums, size in zip(self._sums, self._people, strict=True):
            square = sums[2] - 2 * aucs * sums[3] + aucs**2 * sums[4]
            part = np.maximum(square, 0.0) / total**2 * size / np.maximum(size - 1, 1)
            variances += np.where(size > 1, part, 0.0)
        return np.where(pairs > 0, aucs, np.nan), np.where(pairs > 0, variances, np.nan)


def _one_round(
    study: Study[EvaluationSettings],
    table: np.ndarray,
    specs: Sequence[ModelSpec],
    folds: Sequence[Fold],
    measure: PermutedMeasure | None,
    together: _Together | None = None,
) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """AUC within site (or another measure) and its variance of every labelling, by model.

    Folds one after the other, and in each as many labellings at once as fit into
    :data:`TOGETHER`: what does not depend on labels is learnt once a fold.

    Parameters
    ----------
    together
        Takes what each person won under the first labellings.
    """
    if measure is not None:
        held = held_out_each(
            study, [spec.name for spec in specs], folds,
            lambda fold, test: _said(study, table, specs, fold, test), labels=table,
        )  # fmt: skip
        return {name: measure.by_labelling(scored) for name, scored in held.items()}
    tallies = {spec.name: _Tally(table.shape[1]) for spec in specs}
    for fold in folds:
        test = fold.test[study.labelled[fold.test]]
        sites = study.design.sites[test]
        for first, said in _said_in_parts(study, table, specs, fold, test):
            for name, logits in said.items():
                labels = table[test, first : first + logits.shape[1]]
                won, compared = wins_by_labelling(labels, logits, sites)
                tallies[name].add(first, labels, won, compared)
                if together is not None:
                    together.add(name, test, first, won, compared)
    return {name: tally.result() for name, tally in tallies.items()}


def _said_in_parts(
    study: Study[EvaluationSettings],
    table: np.ndarray,
    specs: Sequence[ModelSpec],
    fold: Fold,
    test: np.ndarray,
) -> Iterator[tuple[int, Mapping[str, np.ndarray]]]:
    """Logits of the test people under some labellings after the others, and which is the first.

    Shape (test people, labellings, or columns of several for each).
    """
    values, step = study.design.values, max(1, TOGETHER // max(1, len(fold.train)))
    labellings = table.shape[1]
    training = training_people(
        values[fold.train], table[fold.train, 0], study.settings, again=step < labellings
    )
    for first in range(0, labellings, step):
        labels = table[fold.train, first : first + step]
        fitted = fit_models(
            specs, training.X, labels, settings=study.settings, solver="one_step",
            training=training,
        )  # fmt: skip
        yield first, {name: model.logits(values[test]) for name, model in fitted.items()}


def _said(
    study: Study[EvaluationSettings],
    table: np.ndarray,
    specs: Sequence[ModelSpec],
    fold: Fold,
    test: np.ndarray,
) -> Mapping[str, np.ndarray]:
    """Logits of the test people under all labellings."""
    parts = [said for _, said in _said_in_parts(study, table, specs, fold, test)]
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
