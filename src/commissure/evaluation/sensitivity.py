"""Whether the result stands under other exclusions, without a site, and in parts of the people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from commissure.evaluation.auc import NO_AUC, AucEstimate, widened
from commissure.evaluation.held_out import HeldOut, held_out
from commissure.evaluation.null_distribution import NullDistribution, auc_within_site
from commissure.models.preparation import has_block
from commissure.models.registry import ModelSpec, model_specs, primary_name
from commissure.models.settings import ModelSettings
from commissure.study.splits import Fold, enough_to_train
from commissure.study.study import Study


def exclusion_sensitivity(
    study: Study[ModelSettings], main: ModelSpec, folds: Sequence[Fold]
) -> list[dict[str, Any]]:
    """The main result with each exclusion rule lifted, each site left away, and complete people.

    All rows are of one repeat of the cross-validation, in the same folds.

    Parameters
    ----------
    study, main, folds
        The study, its main model, and the divisions of one repeat.

    Returns
    -------
    list of dict
        ``analysis``, ``rule`` (``declared``, ``lifted``, ``site`` or ``complete``), ``n``,
        ``n_positive``, ``auc_within_site`` with all fields of an estimate, and ``description``;
        :func:`widened_rows` makes of them what stands in metrics.json.
    """
    y, rules = study.y, study.rules
    everyone = np.ones(len(y), dtype=bool)

    def result(
        analysis: str, rule: str, kept: np.ndarray, other: Study[ModelSettings] = study
    ) -> dict[str, Any]:
        return {"analysis": analysis, "rule": rule, **_main_result(other, kept, folds)}

    rows = [result("as declared", "declared", everyone)]
    names = sorted(rules["rule"].dropna().unique()) if "rule" in rules else []
    for name in names:
        lifted = study.under(rules[rules["rule"] != name])
        rows.append(result(f"without the rule {name}", "lifted", everyone, lifted))
    if len(names) > 1:
        lifted = study.under(rules.iloc[:0])
        rows.append(result("without any rule", "lifted", everyone, lifted))
    sites = np.unique(study.design.sites[study.labelled])
    for site in sites if len(sites) > 1 else ():
        rows.append(result(f"without site {site}", "site", study.design.sites != site))
    complete = np.all([has_block(study.design.values, block) for block in main.blocks], axis=0)
    if not complete[study.labelled].all():
        kept = complete | ~study.labelled
        rows.append(result("only people with all modalities", "complete", kept))
    return rows


def widened_rows(rows: Sequence[Mapping[str, Any]], widening: float) -> list[dict[str, Any]]:
    """The rows of :func:`exclusion_sensitivity` with wider intervals.

    Parameters
    ----------
    rows
        The rows.
    widening
        What DeLong's standard errors are multiplied by, from the permutations of the main model.
    """
    return [
        {
            **row,
            "auc_within_site": widened(AucEstimate(**row["auc_within_site"]), widening).record(),
        }
        for row in rows
    ]


def _main_result(
    study: Study[ModelSettings], kept: np.ndarray, folds: Sequence[Fold]
) -> dict[str, Any]:
    """The main result among the people who are kept."""
    part = study.with_labels(np.where(kept, study.y, -2))
    counts = [int((part.y == label).sum()) for label in (1, 0)]
    specs, _ = model_specs(part)
    name = primary_name(specs, study.settings)
    if name is None or min(counts) < study.settings.min_per_class:
        return {
            "n": sum(counts),
            "n_positive": counts[0],
            "auc_within_site": asdict(NO_AUC),
            "description": "too few people are left",
        }
    spec = next(spec for spec in specs if spec.name == name)
    among = [replace(fold, train=fold.train[kept[fold.train]]) for fold in folds]
    held = held_out(part, spec, [fold for fold in among if enough_to_train(part.y[fold.train])])
    scored = np.isfinite(held.logits)
    return {
        "n": int(scored.sum()),
        "n_positive": int((part.y[scored] == 1).sum()),
        "auc_within_site": asdict(held.auc()),
        "description": "" if name == study.settings.primary else f"by the {name} model",
    }


def missingness_patterns(
    study: Study[ModelSettings],
    spec: ModelSpec,
    repeats: Sequence[HeldOut],
    null: NullDistribution | None,
) -> list[dict[str, Any]]:
    """The main result among the people of each pattern of missing modalities.

    Parameters
    ----------
    study, spec
        The study and its main model.
    repeats
        Predictions of the main model in each repeat.
    null
        Its permutation test.

    Returns
    -------
    list of dict
        ``modalities``, ``n``, ``n_positive``, ``auc_within_site`` and the mean ``predicted``
        probability beside the ``observed`` share; the commonest pattern first.
    """
    y = study.y
    measured = np.column_stack([has_block(study.design.values, block) for block in spec.blocks])
    names = np.array([block.name for block in spec.blocks])
    patterns = np.array([" ".join(names[row]) or "none" for row in measured])
    rows = []
    for pattern in np.unique(patterns[study.labelled]):
        people = (patterns == pattern) & study.labelled
        labels = np.where(people, y, -1)
        pairs = [replace(repeat, labels=labels).comparisons() for repeat in repeats]
        p = np.mean([1 / (1 + np.exp(-repeat.logits[people])) for repeat in repeats], axis=0)
        rows.append({
            "modalities": str(pattern),
            "n": int(people.sum()),
            "n_positive": int((y[people] == 1).sum()),
            "auc_within_site": auc_within_site(pairs, null).record(),
            "predicted": float(np.nanmean(p)) if np.isfinite(p).any() else math.nan,
            "observed": float((y[people] == 1).mean()),
        })  # fmt: skip
    return sorted(rows, key=lambda row: (-row["n"], row["modalities"]))
