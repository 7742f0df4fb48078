"""Attempts with a known answer: noise for markers, a planted difference, planted leaks."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from commissure.evaluation.held_out import held_out, held_out_each
from commissure.fusion.divided import DividedStudy
from commissure.fusion.falsification.check import Verdict
from commissure.fusion.falsification.leakage_audit import (
    AUDIT_TRIALS,
    Procedure,
    sees_other_people,
    sees_test_labels,
    study_procedure,
)
from commissure.fusion.fitted import FittedStudy
from commissure.modalities import modality_title
from commissure.models.preparation import has_block
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.design import Block
from commissure.study.splits import Fold
from commissure.study.study import Study

#: Draws of noise in the two checks on drawn features.
DRAWS = 10
#: Planted difference between the labels, in standard deviations along its own direction.
PLANTED_D = 3.0
#: AUC within site at which the planted difference counts as found.
FOUND = 0.70
#: Markers that the planted leak selects.
SELECTED = 10

_NOBODY = "no two people of different labels were at one site in one fold"


def noise_features(fitted: FittedStudy) -> Verdict:
    """Noise in place of every marker must give chance.

    Who has which gaps is dealt anew within each site for every draw. Gaps that stay with their
    people are no noise: what they tell of the labels by chance is in every draw, and more draws do
    not take it away (a clean study stood at 0.45 +- 0.01 over sixty draws, at 0.50 with its gaps
    dealt anew).
    """
    aucs = fitted.result_of(aucs_in_noise)
    return noise_verdict(aucs, fitted.main.name, spread=fitted.null_spread)


def aucs_in_noise(divided: DividedStudy) -> list[float]:
    """AUC within site of the main model in each draw of noise."""
    return noise_aucs(divided.study, divided.main, divided.first_repeat)


def noise_aucs(study: Study[ModelSettings], main: ModelSpec, folds: list[Fold]) -> list[float]:
    """AUC within site in each draw of noise.

    Parameters
    ----------
    study, main, folds
        The study, its main model and the divisions of one repeat.
    """
    plain = dataclasses.replace(main, blocks=tuple(_plain(block) for block in main.blocks))
    return [
        held_out(study, plain, folds, values=noise, solver="one_step").auc().value
        for noise in _draws(study)
    ]


def noise_verdict(aucs: Sequence[float], name: str, *, spread: float) -> Verdict:
    """Whether a model finds nothing in noise.

    Parameters
    ----------
    aucs
        What it reaches in each draw.
    name
        The model's name.
    spread
        Standard deviation of the null AUC of one repeat, for the tolerance.
    """
    mean = float(np.mean(aucs))
    band = 0.01 + 3.5 * spread / math.sqrt(len(aucs))
    expected = f"0.50 +- {band:.2f}"
    if not math.isfinite(mean):
        return Verdict(None, expected, None, _NOBODY)
    passed = abs(mean - 0.5) <= band
    return Verdict(
        mean, expected, passed,
        f"with noise in place of all markers the {name} model reaches {mean:.2f} (mean of "
        f"{len(aucs)} draws)" + ("" if passed else ", which chance does not: there is a leak"),
    )  # fmt: skip


def planted_signal(divided: DividedStudy) -> Verdict:
    """A difference that was planted in noise must be found."""
    return signal_verdict(divided.study, divided.main, divided.first_repeat)


def signal_verdict(study: Study[ModelSettings], main: ModelSpec, folds: list[Fold]) -> Verdict:
    """Whether the model of the block that most people have finds a difference planted in noise.

    Where so few people hold so many markers that nobody can find it, nothing is decided: that is
    told by the difference of the training means, the plainest of all classifiers, on the same
    draws. A model that misses half of what the means find has failed.
    """
    values = study.design.values
    largest = max(main.blocks, key=lambda block: int(has_block(values, block).sum()))
    spec = ModelSpec("planted", "modality", "", (largest.name,), (_plain(largest),))
    columns = list(largest.columns)
    aucs, by_means = [], []
    for noise in _draws(study):
        noise[:, columns] += PLANTED_D / math.sqrt(len(columns)) * (study.y == 1)[:, None]
        aucs.append(held_out(study, spec, folds, values=noise, solver="one_step").auc().value)
        by_means.append(_by_means(study, noise[:, columns], folds))
    mean, findable, expected = float(np.mean(aucs)), float(np.mean(by_means)), f">= {FOUND:.2f}"
    if not math.isfinite(mean):
        return Verdict(None, expected, None, _NOBODY)
    description = (
        f"a difference of {PLANTED_D:g} SD, spread over {len(columns)} noise markers of "
        f"{modality_title(largest.name)}, gives {mean:.2f} (mean of {DRAWS} draws)"
    )
    passed: bool | None = True
    if mean < FOUND:
        missed = findable >= FOUND and mean - 0.5 < (findable - 0.5) / 2
        passed = False if missed else None
        description += (
            f", and the difference of the means alone {findable:.2f}: the procedure is broken"
            if missed
            else ": among so few people nobody could find it"
        )
    return Verdict(mean, expected, passed, description)


def _by_means(study: Study[ModelSettings], markers: np.ndarray, folds: list[Fold]) -> float:
    """AUC within site along the difference of the training means."""

    def scores(fold: Fold, test: np.ndarray) -> Mapping[str, np.ndarray]:
        y = study.y[fold.train]
        means = []
        for label in (1, 0):
            rows = markers[fold.train[y == label]]
            known = np.isfinite(rows)
            total = np.where(known, rows, 0.0).sum(axis=0)
            means.append(total / np.maximum(known.sum(axis=0), 1))
        new = markers[test]
        score = np.nan_to_num(new - (means[0] + means[1]) / 2) @ (means[0] - means[1])
        return {"means": np.where(np.isfinite(new).any(axis=1), score, np.nan)}

    return held_out_each(study, ["means"], folds, scores)["means"].auc().value


def planted_leaks(divided: DividedStudy) -> Verdict:
    """Make the study's own procedure leak in two ways; the audit must find both.

    The markers are drawn, with a difference planted in each block: a model that finds nothing in a
    study listens to nothing, and then no leak can change what it says.
    """
    return leaks_verdict(divided.study, divided.main, divided.first_repeat[0])


def leaks_verdict(study: Study[ModelSettings], spec: ModelSpec, fold: Fold) -> Verdict:
    """Whether the audit finds two leaks planted in the procedure of a study."""
    y, seed = study.y, study.settings.seed
    procedure = study_procedure(spec, study.settings)
    columns = [column for block in spec.blocks for column in block.columns]
    drawn = _planted_everywhere(study, spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns that nobody has
        by_label = sees_test_labels(
            _selecting(procedure, columns), drawn, y, fold, seed=seed, trials=AUDIT_TRIALS
        )
        by_people = sees_other_people(
            _ranking(procedure, columns), drawn, y, fold, seed=seed, trials=AUDIT_TRIALS
        )
    count = int(by_label > 0) + int(by_people > 0)
    return Verdict(
        count, "2", count == 2,
        "markers were selected by the labels of everybody, and ranked among everybody, before the "
        f"folds; the audit found {count} of the 2 leaks",
    )  # fmt: skip


def _draws(study: Study[ModelSettings]) -> Iterator[np.ndarray]:
    """Matrices of noise, with the study's gaps dealt anew."""
    for draw in range(DRAWS):
        rng = np.random.default_rng(np.random.SeedSequence([study.settings.seed, 5, draw]))
        noise = rng.standard_normal(study.design.values.shape)
        noise[_shuffled_gaps(study, rng)] = np.nan
        yield noise


def _shuffled_gaps(study: Study[ModelSettings], rng: np.random.Generator) -> np.ndarray:
    """Gaps of the labelled people, whole rows of them, dealt anew within each site."""
    sites = study.design.sites
    gaps = ~np.isfinite(study.design.values)
    for site in np.unique(sites):
        people = np.flatnonzero((sites == site) & study.labelled)
        gaps[people] = gaps[rng.permutation(people)]
    return gaps


def _plain(block: Block) -> Block:
    """The block without corrections: drawn noise has neither head size nor site in it."""
    return Block(block.name, block.columns)


def _planted_everywhere(study: Study[ModelSettings], spec: ModelSpec) -> np.ndarray:
    """The study's matrix with noise in the blocks of a model, and a difference in each."""
    columns = [column for block in spec.blocks for column in block.columns]
    rng = np.random.default_rng(np.random.SeedSequence([study.settings.seed, 16]))
    drawn = study.design.values.copy()
    drawn[:, columns] = rng.standard_normal((len(drawn), len(columns)))
    for block in spec.blocks:
        shift = PLANTED_D / math.sqrt(len(block.columns)) * (study.y == 1)
        drawn[:, list(block.columns)] += shift[:, None]
    drawn[~np.isfinite(study.design.values)] = np.nan
    return drawn


def _selecting(procedure: Procedure, columns: list[int]) -> Procedure:
    """The procedure after a selection of markers by the labels of everybody."""

    def selecting(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
        gap = np.nanmean(values[labels == 1], axis=0) - np.nanmean(values[labels == 0], axis=0)
        size = np.abs(gap / np.maximum(np.nanstd(values, axis=0), 1e-300))[columns]
        best = np.argsort(-np.nan_to_num(size))[: min(SELECTED, (len(columns) + 1) // 2)]
        values = values.copy()
        values[:, np.setdiff1d(columns, np.array(columns)[best])] = np.nan
        return procedure(values, labels, fold)

    return selecting


def _ranking(procedure: Procedure, columns: list[int]) -> Procedure:
    """The procedure after every marker was ranked among everybody."""

    def ranking(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
        values = values.copy()
        values[:, columns] = rankdata(values[:, columns], axis=0, nan_policy="omit")
        return procedure(values, labels, fold)

    return ranking
