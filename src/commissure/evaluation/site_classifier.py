"""How much of the site is in the markers, before and after ComBat in the folds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.evaluation.auc import auc
from commissure.evaluation.held_out import held_out_each
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.models.logistic import axes_of
from commissure.models.preparation import Preparation, has_block
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.design import Block
from commissure.study.splits import Fold
from commissure.study.study import Study


def site_classifier(
    study: Study[ModelSettings], main: ModelSpec, folds: Sequence[Fold]
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
        after = _site_auc(study, block, folds) if block.sites else None
        before = _site_auc(study, plain, folds)
        if np.isfinite(before):
            rows.append({"modality": block.name, "before": before, "after": after})
    return rows


def _site_auc(study: Study[ModelSettings], block: Block, folds: Sequence[Fold]) -> float:
    values, sites = study.design.values, study.design.sites
    people = study.labelled & has_block(values, block)
    names = [site for site in np.unique(sites[people])
             if (sites[people] == site).sum() >= len(folds)]  # fmt: skip
    if len(names) < 2:
        return math.nan

    def scores(fold: Fold, test: np.ndarray) -> Mapping[str, np.ndarray]:
        train = fold.train[people[fold.train]]
        prepared = Preparation(block).fit(values[train])
        axes = axes_of(prepared.transform(values[train]))
        in_site = np.column_stack([sites[train] == name for name in names]).astype(float)
        # The markers have unit mean square norm: a penalty of a tenth of the people is weak.
        strength = (axes.scores**2).sum(axis=0)[:, None] + 0.1 * len(train)
        weights = axes.scores.T @ (in_site - in_site.mean(axis=0)) / strength
        scored = axes.project(prepared.transform(values[test])) @ weights
        return dict(zip(names, scored.T, strict=True))

    held = held_out_each(study, names, folds, scores, labels=np.where(people, 0, -1))
    aucs = [
        auc([
            pairwise_comparisons(
                np.where(people, sites == name, -1), held[name].logits, held[name].fold
            )
        ]).value
        for name in names
    ]  # fmt: skip
    return float(np.nanmean(aucs))
