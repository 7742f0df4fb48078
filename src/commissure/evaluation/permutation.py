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
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from commissure.evaluation.held_out import HeldOut, held_out_each
from commissure.evaluation.null_distribution import MEASURED, NullDistribution
from commissure.evaluation.pairs import wins_by_labelling
from commissure.evaluation.permutation_parts import BLOCK, Divisions
from commissure.evaluation.settings import EvaluationSettings
from commissure.evaluation.tallies import Tally, Together
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
    "The p value is that of a shorter procedure: labels are shuffled within site, folds are dealt "
    "without them, and all that looks at labels is run again, but each logistic regression makes "
    "one step only"
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
    block: int = BLOCK,
    measure: PermutedMeasure | None = None,
    divisions: Divisions = "all",
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
        Number of the first permutation and how many are run, where this is a part of them
        (:func:`commissure.evaluation.permutation_parts.part_of`).
    block
        How many permutations are worked on together; parts are the whole to the last bit where they
        consist of whole blocks.
    measure
        By what the labellings are judged; the AUC of two labels by default. A model that is named
        by its import path, and embedding_tuned, take part in as many permutations as settings say.
    divisions
        Whether folds, sites left out or both are gone through: a distribution without folds has no
        repeat.
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
    if divisions == "folds":
        away = []
    repeats = 0 if divisions == "sites" else settings.permutation_repeats
    nulls: dict[str, NullDistribution] = {}
    grid = (first, block)
    taking_part = {spec.name: _labellings(spec, first, count) for spec in specs}
    for labellings in sorted(set(taking_part.values()) - {0}):
        same = [spec for spec in specs if taking_part[spec.name] == labellings]
        part = table[:, :labellings]
        several = repeats > 1 and measure is None
        measured = max(1, 1 + MEASURED - first) if several else 0
        together = Together(part[:, :measured], same)
        rounds = []
        for repeat in range(repeats):
            seed = (settings.seed, 4, repeat)
            fold = folds_without_labels(
                study.labelled, sites, settings.outer_folds, seed, families
            ).astype(str)
            tested = _divisions(CV, fold, np.unique(fold), families)
            rounds.append(_one_round(study, part, grid, same, tested, measure, together))
        left_out = _one_round(study, part, grid, same, away, measure) if away else {}
        for spec in same:
            within = np.array([made[spec.name] for made in rounds])
            aucs, variances = within.reshape(-1, 2, labellings).swapaxes(0, 1).copy()
            without_site = None
            if left_out:
                away_aucs, away_variances = left_out[spec.name]
                without_site = NullDistribution(away_aucs[None], away_variances[None])
            nulls[spec.name] = NullDistribution(
                aucs,
                variances,
                without_site,
                together.variances(spec.name, labellings),
            )
    return {spec.name: nulls[spec.name] for spec in specs if spec.name in nulls}


def _labellings(spec: ModelSpec, first: int, count: int) -> int:
    """In how many labellings of a part of the permutations a model takes part; 0 for none."""
    most = spec.most_permutations
    if most is None:
        return count + 1
    permuted = min(count, most - first)
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


def _one_round(
    study: Study[EvaluationSettings],
    table: np.ndarray,
    grid: tuple[int, int],
    specs: Sequence[ModelSpec],
    folds: Sequence[Fold],
    measure: PermutedMeasure | None,
    together: Together | None = None,
) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """AUC within site (or another measure) and its variance of every labelling, by model.

    Folds one after the other, and in each some labellings at once (:func:`_blocks`): what does not
    depend on labels is learnt once a fold.

    Parameters
    ----------
    grid
        Number of the first permutation of the table, and how many are worked on together.
    together
        Takes what each person won under the first labellings.
    """
    if measure is not None:
        blocks = _blocks(grid, table.shape[1], len(table))
        held = held_out_each(
            study, [spec.name for spec in specs], folds,
            lambda fold, test: _said(study, table, grid, specs, fold, test), labels=table,
        )  # fmt: skip
        return {name: block_by_block(measure, scored, blocks) for name, scored in held.items()}
    tallies = {spec.name: Tally(table.shape[1]) for spec in specs}
    for fold in folds:
        test = fold.test[study.labelled[fold.test]]
        sites = study.design.sites[test]
        for first, said in _said_in_parts(study, table, grid, specs, fold, test):
            for name, logits in said.items():
                labels = table[test, first : first + logits.shape[1]]
                won, compared = wins_by_labelling(labels, logits, sites)
                tallies[name].add(first, labels, won, compared)
                if together is not None:
                    together.add(name, test, first, won, compared)
    return {name: tally.result() for name, tally in tallies.items()}


def _blocks(grid: tuple[int, int], labellings: int, people: int) -> list[slice]:
    """Columns of a table of labellings that are worked on at once.

    A product of matrices may round a column by how many stand beside it. So that the result does
    not depend on the number of jobs, the same permutations stand together whichever job they are
    in: those of one block, the observed labelling with the first of them, and not more than fit
    into :data:`TOGETHER`.

    Parameters
    ----------
    grid
        Number of the first permutation, which starts a block, and permutations of a block.
    labellings
        Columns of the table; the first is the observed labelling.
    people
        Its rows.
    """
    number, block = grid
    step = max(1, TOGETHER // max(1, people))
    # In a later part the observed labelling stands alone: that of the first part counts.
    starts = [0] if number == 0 or labellings == 1 else [0, 1]
    starts += range(block + 1, labellings, block)
    ends = [*starts[1:], labellings]
    return [
        slice(begin, min(begin + step, end))
        for start, end in zip(starts, ends, strict=True)
        for begin in range(start, end, step)
    ]


def block_by_block(
    measure: PermutedMeasure, held: HeldOut, blocks: Sequence[slice]
) -> tuple[np.ndarray, np.ndarray]:
    """Value and variance of every labelling, as many at once as a block holds."""
    labellings = held.labels.shape[1]
    # Of classes each labelling has a column of each.
    width = held.logits.shape[1] // labellings
    found = [
        measure.by_labelling(
            replace(
                held,
                labels=held.labels[:, block],
                logits=held.logits[:, block.start * width : block.stop * width],
            )
        )
        for block in blocks
    ]
    values, variances = zip(*found, strict=True)
    return np.concatenate(values), np.concatenate(variances)


def _said_in_parts(
    study: Study[EvaluationSettings],
    table: np.ndarray,
    grid: tuple[int, int],
    specs: Sequence[ModelSpec],
    fold: Fold,
    test: np.ndarray,
) -> Iterator[tuple[int, Mapping[str, np.ndarray]]]:
    """Logits of the test people under some labellings after the others, and which is the first.

    Shape (test people, labellings, or columns of several for each).
    """
    values = study.design.values
    blocks = _blocks(grid, table.shape[1], len(fold.train))
    training = training_people(
        values[fold.train], table[fold.train, 0], study.settings, again=len(blocks) > 1
    )
    for block in blocks:
        fitted = fit_models(
            specs, training.X, table[fold.train, block], settings=study.settings,
            solver="one_step", training=training,
        )  # fmt: skip
        yield block.start, {name: model.logits(values[test]) for name, model in fitted.items()}


def _said(
    study: Study[EvaluationSettings],
    table: np.ndarray,
    grid: tuple[int, int],
    specs: Sequence[ModelSpec],
    fold: Fold,
    test: np.ndarray,
) -> Mapping[str, np.ndarray]:
    """Logits of the test people under all labellings."""
    parts = [said for _, said in _said_in_parts(study, table, grid, specs, fold, test)]
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
