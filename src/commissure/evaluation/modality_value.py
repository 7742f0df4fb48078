"""Which modality earns its scanner time, and how sure that is.

All of it is measured on people who were left out of training, in the folds of the main result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from commissure.evaluation.auc import Pairs, area, compared_pairs
from commissure.evaluation.importance import haufe_patterns
from commissure.evaluation.permutation import permuted_labels
from commissure.evaluation.settings import EvaluationSettings
from commissure.models.estimators import BlockModel
from commissure.models.preparation import has_block
from commissure.models.registry import ModelSpec, fit_coalitions, fit_models
from commissure.study.design import CLINICAL, Block, Design
from commissure.study.splits import MIN_TRAINING, Fold

#: Blocks above which the coalitions (2 to their number) are not walked through.
MOST_PLAYERS = 6
#: Bootstrap samples of the people for intervals of the shares.
BOOTSTRAPS = 400
#: Shuffles of a modality among the test people.
SHUFFLES = 3
#: Half samples, permuted labellings and share of the markers in the stability of the selection.
HALVES, NULLS, SELECTED = 12, 19, 0.1

Coalition = frozenset[str]


@dataclass(frozen=True)
class Game:
    """Comparisons of the test people under every coalition of blocks.

    Attributes
    ----------
    players
        Names of the blocks.
    won
        Per coalition the comparisons won, shape (positive, negative), summed over repeats.
    compared
        How often each pair was compared.
    """

    players: tuple[str, ...]
    won: Mapping[Coalition, np.ndarray]
    compared: np.ndarray

    def value(self, who: Coalition, ones: np.ndarray, zeros: np.ndarray) -> np.ndarray:
        """AUC within site of a coalition with people weighted; weights (samples, people)."""
        if not who:
            return np.full(len(ones), 0.5)
        top = np.einsum("bi,ij,bj->b", ones, self.won[who], zeros)
        return top / np.maximum(np.einsum("bi,ij,bj->b", ones, self.compared, zeros), 1e-12)


def played(
    design: Design,
    y: np.ndarray,
    spec: ModelSpec,
    blocks: Sequence[Block],
    folds: Sequence[Fold],
    settings: EvaluationSettings,
) -> Game:
    """Fit every coalition of blocks in the same folds.

    Everybody counts under every coalition: who has none of its blocks ties with others like him.

    Parameters
    ----------
    design, y
        The study.
    spec
        The main model; coalitions are joined as it joins.
    blocks
        The players.
    folds
        Divisions of one or more repeats.
    settings
        The settings.
    """
    players = tuple(block.name for block in blocks)
    joined = [who for size in range(1, len(blocks) + 1) for who in combinations(blocks, size)]
    coalitions = [frozenset(block.name for block in who) for who in joined]
    repeats = sorted({fold.repeat for fold in folds})
    shape = (len(repeats), len(y))
    scores = {who: np.full(shape, np.nan) for who in coalitions}
    cell = np.full(shape, "", dtype="U160")
    for fold in folds:
        at = repeats.index(fold.repeat)
        X, labels = design.values[fold.train], y[fold.train]
        test = fold.test[y[fold.test] >= 0]
        cell[at, test] = np.char.add(f"{fold.name}\t", design.sites[test])
        models = fit_coalitions(spec.name, joined, X, labels, settings=settings)
        for who, model in zip(coalitions, models, strict=True):
            logit = model.logits(design.values[test])[:, 0]
            scores[who][at, test] = np.where(np.isfinite(logit), logit, model.base_[0])
    won, compared = {}, np.zeros((0, 0))
    for who in coalitions:
        pairs = [compared_pairs(y, scores[who][at], cell[at]) for at in range(len(repeats))]
        won[who] = np.sum([one.won for one in pairs], axis=0)
        compared = np.sum([one.compared for one in pairs], axis=0)
    return Game(players, won, compared)


def shapley_shares(
    players: Sequence[str], value: Mapping[Coalition, np.ndarray]
) -> dict[str, np.ndarray]:
    """Shapley's shares: what each player adds, averaged over all orders of joining.

    Parameters
    ----------
    players
        Their names.
    value
        Value of every coalition, the empty one included; numbers or arrays of one shape.

    Returns
    -------
    dict
        The shares; they sum to the value of all minus that of none.
    """
    count = len(players)
    shares = {}
    for name in players:
        others = [other for other in players if other != name]
        total = np.zeros_like(np.asarray(value[frozenset()], float))
        for size in range(count):
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            for who in combinations(others, size):
                total = total + weight * (value[frozenset((*who, name))] - value[frozenset(who)])
        shares[name] = total
    return shares


def modality_shares(game: Game, seed: int) -> list[dict[str, Any]]:
    """Shares, leave-one-out and gain over the clinical model, with bootstrap intervals of people.

    Returns
    -------
    list of dict
        Per player ``name shapley alone leave_one_out added_to_clinical``, each but the name with
        ``value ci_low ci_high``; the last is None where there is no clinical model.
    """
    n1, n0 = game.compared.shape
    rng = np.random.default_rng(np.random.SeedSequence([seed, 12]))
    ones = np.vstack([np.ones(n1), rng.multinomial(n1, np.full(n1, 1 / n1), BOOTSTRAPS)])
    zeros = np.vstack([np.ones(n0), rng.multinomial(n0, np.full(n0, 1 / n0), BOOTSTRAPS)])
    value = {who: game.value(who, ones, zeros) for who in [frozenset(), *game.won]}
    everyone = frozenset(game.players)
    shares = shapley_shares(game.players, value)
    clinical = frozenset({CLINICAL})
    rows = []
    for name in game.players:
        gain = (
            None if name == CLINICAL or CLINICAL not in game.players
            else _interval(value[clinical | {name}] - value[clinical])
        )  # fmt: skip
        rows.append({
            "name": name,
            "shapley": _interval(shares[name]),
            "alone": _interval(value[frozenset({name})]),
            "leave_one_out": _interval(value[everyone] - value[everyone - {name}]),
            "added_to_clinical": gain,
        })  # fmt: skip
    return rows


def permutation_importance(
    design: Design,
    y: np.ndarray,
    spec: ModelSpec,
    folds: Sequence[Fold],
    settings: EvaluationSettings,
) -> dict[str, float]:
    """AUC within site that is lost where a modality is shuffled among the test people of a site.

    Parameters
    ----------
    design, y, spec, folds, settings
        The study, its main model and the divisions of one repeat.
    """
    names = [block.name for block in spec.blocks]
    shape = (1 + SHUFFLES * len(names), len(y))
    scores, cell = np.full(shape, np.nan), np.full(len(y), "", dtype="U160")
    for fold in folds:
        model = fit_models([spec], design.values[fold.train], y[fold.train], settings=settings)
        test = fold.test[y[fold.test] >= 0]
        cell[test] = np.char.add(f"{fold.name}\t", design.sites[test])
        scores[0, test] = model[spec.name].logits(design.values[test])[:, 0]
        for at, block in enumerate(spec.blocks):
            for shuffle in range(SHUFFLES):
                seeds = [settings.seed, 13, fold.repeat, at, shuffle]
                rng = np.random.default_rng(np.random.SeedSequence(seeds))
                values = design.values.copy()
                there = has_block(values, block)
                for site in np.unique(design.sites[test]):
                    own = test[(design.sites[test] == site) & there[test]]
                    columns = np.array(block.columns)
                    values[np.ix_(own, columns)] = values[np.ix_(rng.permutation(own), columns)]
                row = 1 + at * SHUFFLES + shuffle
                scores[row, test] = model[spec.name].logits(values[test])[:, 0]
    areas = [area([compared_pairs(y, one, cell)]).value for one in scores]
    return {
        name: float(areas[0] - np.mean(areas[1 + at * SHUFFLES : 1 + (at + 1) * SHUFFLES]))
        for at, name in enumerate(names)
    }


def nogueira_index(selected: np.ndarray) -> float:
    """Stability of a selection (Nogueira, Sechidis and Brown 2018, JMLR 18:174).

    1 for the same markers every time, 0 for what chance gives.

    Parameters
    ----------
    selected
        Zeros and ones, shape (samples, markers).
    """
    count, size = selected.shape
    share = selected.mean(axis=0)
    chosen = float(selected.sum(axis=1).mean())
    by_chance = chosen / size * (1 - chosen / size)
    if count < 2 or by_chance == 0:
        return math.nan
    return float(1 - (count / (count - 1) * share * (1 - share)).mean() / by_chance)


def stability(
    design: Design, y: np.ndarray, spec: ModelSpec, settings: EvaluationSettings
) -> dict[str, Any] | None:
    """How stable it is which markers the model follows, beside labels that mean nothing.

    Half samples of the people, drawn evenly by label and site; in each, ridge regression on all
    blocks side by side and the tenth of the markers with the largest patterns. The null is the same
    with labels permuted within site.

    Returns
    -------
    dict or None
        ``index``, ``null_mean``, ``null_95``, ``markers``, ``selected`` and ``frequent``: the
        columns that at least 80 % of the halves select with one sign in at least 95 %, as
        (modality, region, marker, share); None where markers or people are too few.
    """
    labelled = np.flatnonzero(y >= 0)
    columns = [at for block in spec.blocks for at in block.columns]
    count = max(3, math.ceil(SELECTED * len(columns)))
    if len(columns) < 2 * count or min((y == 1).sum(), (y == 0).sum()) < 2 * MIN_TRAINING:
        return None
    table = permuted_labels(y, design.sites, NULLS, settings.seed)
    chosen = np.zeros((HALVES, NULLS + 1, len(columns)))
    signs = np.zeros((HALVES, len(columns)))
    middle = (float(np.median(settings.penalties)),)
    strata = np.char.add(y.astype(str), design.sites)
    for half in range(HALVES):
        rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 14, half]))
        rows = np.concatenate([
            rng.permutation(own)[: math.ceil(len(own) / 2)]
            for own in (labelled[strata[labelled] == one] for one in np.unique(strata[labelled]))
        ])  # fmt: skip
        model = BlockModel(spec.blocks, middle, 2, settings.seed, "one_step")
        model.fit(design.values[rows], table[rows])
        patterns = haufe_patterns(model, design.values[rows])
        where = {at: place for place, at in enumerate(columns)}
        place = [where[at] for _, at in model.kept_columns()]
        strength = np.zeros((NULLS + 1, len(columns)))
        strength[:, place] = patterns.T
        signs[half] = np.sign(strength[0])
        best = np.argsort(-np.abs(strength), axis=1, kind="stable")[:, :count]
        np.put_along_axis(chosen[half], best, 1.0, axis=1)
    index = [nogueira_index(chosen[:, at]) for at in range(NULLS + 1)]
    share, agreed = chosen[:, 0].mean(axis=0), np.abs(signs.mean(axis=0)) / 2 + 0.5
    frequent = [
        [design.columns[at].modality, design.columns[at].region, design.columns[at].marker,
         float(share[place])]
        for place, at in enumerate(columns)
        if share[place] >= 0.8 and agreed[place] >= 0.95
    ]  # fmt: skip
    return {
        "index": index[0],
        "null_mean": float(np.mean(index[1:])),
        "null_95": float(np.quantile(index[1:], 0.95)),
        "markers": len(columns),
        "selected": count,
        "frequent": frequent,
    }


def missingness_patterns(
    design: Design, y: np.ndarray, spec: ModelSpec, rounds: Sequence[tuple[np.ndarray, np.ndarray]]
) -> list[dict[str, Any]]:
    """The main result among the people of each pattern of missing modalities.

    Parameters
    ----------
    design, y, spec
        The study and its main model.
    rounds
        Logit and fold of each person, per repeat.

    Returns
    -------
    list of dict
        ``modalities``, ``n``, ``n_positive``, ``auc_within_site`` and the mean ``predicted``
        probability beside the ``observed`` share; the commonest pattern first.
    """
    there = np.column_stack([has_block(design.values, block) for block in spec.blocks])
    names = np.array([block.name for block in spec.blocks])
    words = np.array([" ".join(names[row]) or "none" for row in there])
    rows = []
    for pattern in np.unique(words[y >= 0]):
        own = (words == pattern) & (y >= 0)
        marked = np.where(own, y, -1)
        pairs: list[Pairs] = [
            compared_pairs(marked, logit, np.char.add(np.char.add(design.sites, "\t"), fold))
            for logit, fold in rounds
        ]
        p = np.mean([1 / (1 + np.exp(-logit[own])) for logit, _ in rounds], axis=0)
        rows.append({
            "modalities": str(pattern),
            "n": int(own.sum()),
            "n_positive": int((y[own] == 1).sum()),
            "auc_within_site": area(pairs).record(),
            "predicted": float(np.nanmean(p)) if np.isfinite(p).any() else math.nan,
            "observed": float((y[own] == 1).mean()),
        })  # fmt: skip
    return sorted(rows, key=lambda row: (-row["n"], row["modalities"]))


def _interval(samples: np.ndarray) -> dict[str, float]:
    """The value (first) with the 2.5 and 97.5 % quantiles of its bootstrap samples."""
    low, high = np.quantile(samples[1:], (0.025, 0.975))
    return {"value": float(samples[0]), "ci_low": float(low), "ci_high": float(high)}
