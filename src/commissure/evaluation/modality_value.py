"""Which modality earns its scanner time.

All of it is measured on people who were left out of training, in the folds of the main result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from commissure.evaluation.held_out import held_out_each
from commissure.models.fitting import fit_coalitions, fit_models
from commissure.models.preparation import has_block
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.design import CLINICAL, Block
from commissure.study.splits import Fold
from commissure.study.study import Study

#: Blocks above which the coalitions (2 to their number) are not walked through.
MOST_MEMBERS = 6
#: Shuffles of a modality among the test people.
SHUFFLES = 3

Coalition = frozenset[str]


@dataclass(frozen=True)
class Coalitions:
    """Comparisons of the test people under every coalition of blocks.

    Attributes
    ----------
    members
        Names of the blocks.
    won
        Comparisons won under each coalition, summed over repeats.
    compared
        How many there were.
    """

    members: tuple[str, ...]
    won: Mapping[Coalition, float]
    compared: float

    def value(self, coalition: Coalition) -> float:
        """AUC within site of a coalition."""
        if not coalition:
            return 0.5
        return self.won[coalition] / max(self.compared, 1e-12)


def coalition_values(
    study: Study[ModelSettings],
    spec: ModelSpec,
    blocks: Sequence[Block],
    folds: Sequence[Fold],
) -> Coalitions:
    """Fit every coalition of blocks in the same folds.

    Everybody counts under every coalition: who has none of its blocks ties with others like them.

    Parameters
    ----------
    study
        The study.
    spec
        The main model; coalitions are joined as it joins
        (:func:`commissure.models.fitting.fit_coalitions`).
    blocks
        The members.
    folds
        Divisions of one or more repeats.
    """
    values, y = study.design.values, study.y
    joined = [who for size in range(1, len(blocks) + 1) for who in combinations(blocks, size)]
    coalitions = [frozenset(block.name for block in who) for who in joined]

    def scores(fold: Fold, test: np.ndarray) -> Mapping[Coalition, np.ndarray]:
        models = fit_coalitions(
            spec.name, joined, values[fold.train], y[fold.train], settings=study.settings
        )
        logits = {}
        for coalition, model in zip(coalitions, models, strict=True):
            logit = model.logits(values[test])[:, 0]
            logits[coalition] = np.where(np.isfinite(logit), logit, model.base_[0])
        return logits

    repeats = [
        held_out_each(study, coalitions, [f for f in folds if f.repeat == repeat], scores)
        for repeat in sorted({fold.repeat for fold in folds})
    ]
    won, compared = {}, 0.0
    for coalition in coalitions:
        pairs = [held[coalition].comparisons() for held in repeats]
        won[coalition] = sum(pair.total_won for pair in pairs)
        compared = sum(pair.count for pair in pairs)
    return Coalitions(tuple(block.name for block in blocks), won, compared)


def shapley_shares(members: Sequence[str], value: Mapping[Coalition, float]) -> dict[str, float]:
    """Shapley's shares: what each member adds, averaged over all orders of joining.

    Parameters
    ----------
    members
        Their names.
    value
        Value of every coalition, the empty one included.

    Returns
    -------
    dict
        The shares; they sum to the value of all minus that of none.
    """
    count = len(members)
    shares = {}
    for name in members:
        others = [other for other in members if other != name]
        shares[name] = sum(
            math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            * (value[frozenset((*who, name))] - value[frozenset(who)])
            for size in range(count)
            for who in combinations(others, size)
        )  # fmt: skip
    return shares


def modality_shares(coalitions: Coalitions) -> list[dict[str, Any]]:
    """Shares, what is lost without a member, and gain over the clinical model.

    They have no intervals. A bootstrap of the people refits nothing: its 95 % intervals held the
    truth in 90 % (shares) and 75 to 87 % (lost without it) of cohorts of 100 people.

    Returns
    -------
    list of dict
        Per member ``name shapley alone leave_one_out added_to_clinical``; the last is None where
        there is no clinical model.
    """
    value = {who: coalitions.value(who) for who in [frozenset[str](), *coalitions.won]}
    everyone = frozenset(coalitions.members)
    shares = shapley_shares(coalitions.members, value)
    clinical = frozenset({CLINICAL})
    return [
        {
            "name": name,
            "shapley": shares[name],
            "alone": value[frozenset({name})],
            "leave_one_out": value[everyone] - value[everyone - {name}],
            "added_to_clinical": None
            if name == CLINICAL or CLINICAL not in coalitions.members
            else value[clinical | {name}] - value[clinical],
        }
        for name in coalitions.members
    ]


def permutation_importance(
    study: Study[ModelSettings], spec: ModelSpec, folds: Sequence[Fold]
) -> dict[str, float]:
    """AUC within site that is lost where a modality is shuffled among the test people of a site.

    Parameters
    ----------
    study, spec, folds
        The study, its main model and the divisions of one repeat.
    """
    values, y = study.design.values, study.y
    unshuffled = (-1, 0)
    shuffles = [(index, draw) for index in range(len(spec.blocks)) for draw in range(SHUFFLES)]

    def scores(fold: Fold, test: np.ndarray) -> Mapping[tuple[int, int], np.ndarray]:
        model = fit_models([spec], values[fold.train], y[fold.train], settings=study.settings)[
            spec.name
        ]
        logits = {unshuffled: model.logits(values[test])[:, 0]}
        for index, draw in shuffles:
            seeds = [study.settings.seed, 13, fold.repeat, index, draw]
            rng = np.random.default_rng(np.random.SeedSequence(seeds))
            shuffled = _shuffled(study, spec.blocks[index], test, rng)
            logits[index, draw] = model.logits(shuffled[test])[:, 0]
        return logits

    held = held_out_each(study, [unshuffled, *shuffles], folds, scores)
    whole = held[unshuffled].auc().value
    return {
        block.name: float(
            whole - np.mean([held[index, draw].auc().value for draw in range(SHUFFLES)])
        )
        for index, block in enumerate(spec.blocks)
    }


def _shuffled(
    study: Study[ModelSettings], block: Block, test: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The matrix with a block dealt anew among the test people of each site who have it."""
    sites = study.design.sites[test]
    values = study.design.values.copy()
    measured = has_block(values, block)
    columns = np.array(block.columns)
    for site in np.unique(sites):
        people = test[(sites == site) & measured[test]]
        values[np.ix_(people, columns)] = values[np.ix_(rng.permutation(people), columns)]
    return values
