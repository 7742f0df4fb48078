"""Numbers beside the main result: comparisons, usefulness, exclusions, decisions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.evaluation import auc as evaluation
from commissure.evaluation import learning_curve as learning
from commissure.evaluation import modality_value as usefulness
from commissure.evaluation.held_out import Scored, rounds_of
from commissure.evaluation.settings import EvaluationSettings
from commissure.models.logistic import axes_of, sigmoid
from commissure.models.preparation import Preparation, has_block
from commissure.models.registry import ModelSpec, fit_models, model_specs, primary_name
from commissure.study.design import CLINICAL, Block, Design
from commissure.study.splits import Fold, enough_to_train

if TYPE_CHECKING:
    import pandas as pd

#: Threshold probabilities of the decision curve.
THRESHOLDS = np.round(np.arange(0.10, 0.501, 0.05), 2)


def further_numbers(
    design: Design,
    y: np.ndarray,
    specs: Sequence[ModelSpec],
    main: ModelSpec,
    scored: Mapping[str, Sequence[Scored]],
    folds: Sequence[Fold],
    settings: EvaluationSettings,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """What is said in metrics.json beside the results of the models.

    Parameters
    ----------
    design, y
        The study.
    specs, main
        The models, and the one whose result is the study's.
    scored
        Out-of-fold predictions by model.
    folds
        The divisions of the first repeat.
    settings
        The settings.
    say
        Takes a line on how far the work is.
    """
    rounds = rounds_of(scored[main.name], len(y))
    within = evaluation.area(_within(rounds, y, design.sites))
    told: dict[str, Any] = {
        "comparisons": comparisons(design, y, main.name, scored),
        "decision_curve": decision_curve(y, scored, main.name),
        "missingness_patterns": usefulness.missingness_patterns(design, y, main, rounds),
        "site_classifier": site_classifier(design, y, main, folds),
        "sample_size": learning.sample_advice(within.value, y),
    }
    if not settings.secondary_analyses:
        return told
    players = list(main.blocks)
    if CLINICAL in {spec.name for spec in specs}:
        players.insert(0, design.blocks[CLINICAL])
    modalities: list[dict[str, Any]] = []
    if 2 <= len(players) <= usefulness.MOST_PLAYERS:
        say("fusion: what each modality adds")
        game = usefulness.played(design, y, main, players, folds, settings)
        modalities = usefulness.modality_shares(game, settings.seed)
        lost = usefulness.permutation_importance(design, y, main, folds, settings)
        for row in modalities:
            row["permutation_importance"] = lost.get(row["name"])
    say("fusion: learning curve and stability")
    return told | {
        "modalities": modalities,
        "stability": usefulness.stability(design, y, main, settings),
        "learning_curve": learning.learning_curve(design, y, main, folds, settings),
    }


def comparisons(
    design: Design, y: np.ndarray, main: str, scored: Mapping[str, Sequence[Scored]]
) -> list[dict[str, Any]]:
    """By how much the main model exceeds each other one, by two methods.

    ``delong``: paired, over the people that both score. ``nadeau_bengio``: over the folds, with the
    variance corrected for training sets that overlap.
    """
    own = rounds_of(scored[main], len(y))
    rows = []
    for name in scored:
        if name == main:
            continue
        other = rounds_of(scored[name], len(y))
        pairs = _within(own, y, design.sites), _within(other, y, design.sites)
        gap = evaluation.area_difference(*pairs)
        by_fold = []
        for (first, fold), (second, _) in zip(own, other, strict=True):
            both = np.isfinite(first) & np.isfinite(second)
            for number in np.unique(fold[both]):
                at = np.where(both & (fold == number), y, -1)
                by_fold.append(
                    evaluation.area([evaluation.compared_pairs(at, first, design.sites)]).value
                    - evaluation.area([evaluation.compared_pairs(at, second, design.sites)]).value
                )
        parts = max(2, len(np.unique(own[0][1][own[0][1] != ""])))
        rows.append({
            "model": name,
            "delong": gap.record(),
            "nadeau_bengio": evaluation.corrected_t(np.array(by_fold), 1 / (parts - 1)),
        })  # fmt: skip
    return rows


def gap_to(
    name: str, design: Design, y: np.ndarray, main: str, scored: Mapping[str, Sequence[Scored]]
) -> evaluation.Area | None:
    """Paired difference of the main model and another within site; None where it is not there."""
    if name not in scored or name == main:
        return None
    pairs = (_within(rounds_of(scored[one], len(y)), y, design.sites) for one in (main, name))
    return evaluation.area_difference(*pairs)


def decision_curve(
    y: np.ndarray, scored: Mapping[str, Sequence[Scored]], main: str
) -> dict[str, Any]:
    """Net benefit of the main and the clinical model, of treating all and of treating none."""
    curve: dict[str, Any] = {"threshold": THRESHOLDS.tolist()}
    known = y >= 0
    share = float((y[known] == 1).mean())
    curve["all"] = (share - (1 - share) * THRESHOLDS / (1 - THRESHOLDS)).tolist()
    curve["none"] = [0.0] * len(THRESHOLDS)
    for name in (main, CLINICAL):
        if name not in scored:
            continue
        found = []
        for logit, _ in rounds_of(scored[name], len(y)):
            own = np.isfinite(logit)
            found.append(evaluation.net_benefit(y[own], sigmoid(logit[own]), THRESHOLDS))
        curve[name] = np.mean(found, axis=0).tolist()
    return curve


def site_classifier(
    design: Design, y: np.ndarray, main: ModelSpec, folds: Sequence[Fold]
) -> list[dict[str, Any]]:
    """How well the site is told from each modality, before and after ComBat in the folds.

    Ridge regression of each site against the others on markers prepared in the training people;
    the mean of the sites' AUC in people left out. 0.5 is what harmonisation should leave.

    Returns
    -------
    list of dict
        ``modality before after``; ``after`` is None where ComBat was not asked for.
    """
    rows = []
    for block in main.blocks:
        plain = dataclasses.replace(block, sites=())
        after = _site_area(design, y, block, folds) if block.sites else None
        before = _site_area(design, y, plain, folds)
        if np.isfinite(before):
            rows.append({"modality": block.name, "before": before, "after": after})
    return rows


def _site_area(design: Design, y: np.ndarray, block: Block, folds: Sequence[Fold]) -> float:
    people = (y >= 0) & has_block(design.values, block)
    names = [site for site in np.unique(design.sites[people])
             if (design.sites[people] == site).sum() >= len(folds)]  # fmt: skip
    if len(names) < 2:
        return math.nan
    scores = np.full((len(y), len(names)), np.nan)
    for fold in folds:
        train, test = fold.train[people[fold.train]], fold.test[people[fold.test]]
        prepared = Preparation(block).fit(design.values[train])
        axes = axes_of(prepared.transform(design.values[train]))
        own = np.column_stack([design.sites[train] == name for name in names]).astype(float)
        # The markers have unit mean square norm: a penalty of a tenth of the people is weak.
        strength = (axes.scores**2).sum(axis=0)[:, None] + 0.1 * len(train)
        weights = axes.scores.T @ (own - own.mean(axis=0)) / strength
        scores[test] = axes.project(prepared.transform(design.values[test])) @ weights
    fold_of = np.full(len(y), -1)
    for at, fold in enumerate(folds):
        fold_of[fold.test] = at
    areas = [
        evaluation.area([
            evaluation.compared_pairs(
                np.where(people, design.sites == name, -1), scores[:, at], fold_of
            )
        ]).value
        for at, name in enumerate(names)
    ]  # fmt: skip
    return float(np.nanmean(areas))


def exclusion_sensitivity(
    exclusions: pd.DataFrame,
    rebuilt: Callable[[pd.DataFrame], Design],
    y: np.ndarray,
    main: ModelSpec,
    folds: Sequence[Fold],
    settings: EvaluationSettings,
    widening: float = 1.0,
) -> list[dict[str, Any]]:
    """The main result with each exclusion rule lifted, each site left away, and complete people.

    All rows are of one repeat of the cross-validation, in the same folds.

    Parameters
    ----------
    exclusions
        ``participant_id session modality rule``.
    rebuilt
        Lays out the same people's markers under other exclusions.
    y, main, folds, settings
        Labels, main model, divisions of one repeat, settings.
    widening
        What DeLong's standard errors are multiplied by, from the permutations of the main model.

    Returns
    -------
    list of dict
        ``analysis``, ``rule`` (``declared``, ``lifted``, ``site`` or ``complete``), ``n``,
        ``n_positive`` and ``auc_within_site``.
    """
    design = rebuilt(exclusions)
    everyone = np.ones(len(y), dtype=bool)

    def result(analysis: str, rule: str, own: Design, kept: np.ndarray) -> dict[str, Any]:
        return _main_result(analysis, rule, own, y, kept, folds, settings, widening)

    rows = [result("as declared", "declared", design, everyone)]
    rules = sorted(exclusions["rule"].dropna().unique()) if "rule" in exclusions else []
    for rule in rules:
        lifted = rebuilt(exclusions[exclusions["rule"] != rule])
        rows.append(result(f"without the rule {rule}", "lifted", lifted, everyone))
    if len(rules) > 1:
        rows.append(result("without any rule", "lifted", rebuilt(exclusions.iloc[:0]), everyone))
    sites = np.unique(design.sites[y >= 0])
    for site in sites if len(sites) > 1 else ():
        rows.append(result(f"without site {site}", "site", design, design.sites != site))
    complete = np.all([has_block(design.values, block) for block in main.blocks], axis=0)
    if not complete[y >= 0].all():
        only = complete | (y < 0)
        rows.append(result("only people with all modalities", "complete", design, only))
    return rows


def _main_result(
    analysis: str,
    rule: str,
    design: Design,
    y: np.ndarray,
    kept: np.ndarray,
    folds: Sequence[Fold],
    settings: EvaluationSettings,
    widening: float,
) -> dict[str, Any]:
    own = np.where(kept, y, -2)
    counts = [int((own == label).sum()) for label in (1, 0)]
    specs, _ = model_specs(design, own, settings)
    name = primary_name(specs, settings)
    record: dict[str, Any] = {
        "analysis": analysis,
        "rule": rule,
        "n": sum(counts),
        "n_positive": counts[0],
    }
    if name is None or min(counts) < settings.min_per_class:
        nothing = evaluation.NO_AREA.record()
        return record | {"auc_within_site": nothing, "description": "too few people are left"}
    spec = next(one for one in specs if one.name == name)
    logits, cell = np.full(len(y), np.nan), np.full(len(y), "", dtype="U160")
    for fold in folds:
        train, test = fold.train[kept[fold.train]], fold.test[own[fold.test] >= 0]
        if not enough_to_train(y[train]):
            continue
        model = fit_models([spec], design.values[train], y[train], settings=settings)[name]
        logits[test] = model.logits(design.values[test])[:, 0]
        cell[test] = np.char.add(f"{fold.name}\t", design.sites[test])
    seen = np.isfinite(logits) & (own >= 0)
    found = evaluation.area([evaluation.compared_pairs(own, logits, cell)], widening)
    return record | {
        "n": int(seen.sum()),
        "n_positive": int((own[seen] == 1).sum()),
        "auc_within_site": found.record(),
        "description": "" if name == settings.primary else f"by the {name} model",
    }


def _within(
    rounds: Sequence[tuple[np.ndarray, np.ndarray]], y: np.ndarray, sites: np.ndarray
) -> list[evaluation.Pairs]:
    return [
        evaluation.compared_pairs(y, logit, np.char.add(np.char.add(sites, "\t"), fold))
        for logit, fold in rounds
    ]
