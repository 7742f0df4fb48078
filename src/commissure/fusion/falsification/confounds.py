"""Whether the main model tells more than age, sex and the quality of the measurement can."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.preprocessing import SplineTransformer

from commissure.evaluation.auc import AucEstimate, auc, auc_difference
from commissure.evaluation.comparisons import difference_to
from commissure.evaluation.held_out import HeldOut, held_out_each
from commissure.fusion.divided import DividedStudy
from commissure.fusion.falsification.check import Verdict
from commissure.fusion.falsification.checks import SUSPICIOUS, surely_above_chance
from commissure.fusion.fitted import FittedStudy
from commissure.models.estimators import BlockModel
from commissure.models.settings import ModelSettings
from commissure.study.design import CONFOUNDS, Block, Design
from commissure.study.splits import CV, Fold
from commissure.study.study import Study

#: Different values from which a confound is a quantity and gets a spline.
QUANTITY = 8
#: Knots of a cubic spline, at quantiles of the training people: five columns a confound.
KNOTS = 4


def beyond_confounds(fitted: FittedStudy) -> Verdict:
    """The main model must tell more than the confounds, along straight lines or curves."""
    main = fitted.main.name
    straight = difference_to(CONFOUNDS, fitted.study, main, fitted.scores)
    if straight is None or not math.isfinite(straight.value):
        return Verdict(None, "> 0", None, "there is no such model")
    pairs = [
        HeldOut(
            fitted.study.y, fitted.study.design.sites, np.array(repeat["fold"]),
            np.array(repeat["logits"]),
        ).comparisons()
        for repeat in fitted.result_of(curved_predictions)
    ]  # fmt: skip
    gaps = {
        "the confounds": straight,
        "splines of them with age by sex": auc_difference(
            [repeat.comparisons() for repeat in fitted.main_repeats], pairs
        ),
    }
    return confounds_verdict(gaps, [fitted.aucs[CONFOUNDS]["within"], auc(pairs)], main)


def curved_predictions(divided: DividedStudy) -> list[dict[str, Any]]:
    """Fold and logit of everybody by the confounds with splines and interactions, by repeat.

    Empty where there are no confounds.
    """
    if CONFOUNDS not in divided.study.design.blocks:
        return []
    folds = [fold for fold in divided.usable_folds if fold.scheme == CV]
    return [
        {"fold": held.fold, "logits": held.logits}
        for held in curved_confounds(divided.study, folds)
    ]


def confounds_verdict(
    gaps: Mapping[str, AucEstimate], confounds: Sequence[AucEstimate], main: str
) -> Verdict:
    """Whether a model exceeds every way of telling the labels apart by the confounds.

    Parameters
    ----------
    gaps
        By how much it exceeds each, by what that is.
    confounds
        AUCs within site of the confounds.
    main
        Name of the model.
    """
    description = f"the {main} model exceeds " + " and ".join(
        f"{name} by {gap.value:.2f} ({gap.ci_low:.2f} to {gap.ci_high:.2f})"
        for name, gap in gaps.items()
    )
    description += " on the same people"
    suspicious = any(area.value > SUSPICIOUS and surely_above_chance(area) for area in confounds)
    above = all(gap.ci_low > 0 for gap in gaps.values())
    passed: bool | None = True if above else False if suspicious else None
    if passed is False:
        description += ": what it tells may be age, sex, motion or noise and nothing else"
    elif passed is None:
        description += ": among so few people that may be chance"
    return Verdict(min(gap.value for gap in gaps.values()), "> 0", passed, description)


def curved_confounds(study: Study[ModelSettings], folds: Sequence[Fold]) -> list[HeldOut]:
    """Predictions of the confounds with splines and interactions, by repeat.

    Splines and their knots are learnt in the training people of each fold.
    """
    settings = study.settings

    def scores(fold: Fold, test: np.ndarray) -> Mapping[str, np.ndarray]:
        train, new = curves(study.design, fold.train, test)
        block = Block(CONFOUNDS, tuple(range(train.shape[1])))
        model = BlockModel((block,), tuple(settings.penalties), settings.inner_folds, settings.seed)
        return {CONFOUNDS: model.fit(train, study.y[fold.train]).logits(new)[:, 0]}

    return [
        held_out_each(study, [CONFOUNDS], [f for f in folds if f.repeat == repeat], scores)[
            CONFOUNDS
        ]
        for repeat in sorted({fold.repeat for fold in folds})
    ]


def curves(design: Design, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The confounds of training and test people, with curves and interactions.

    Each quantity has a cubic spline beside itself. Quantities and categories of the people (age,
    sex) have the products of their columns; those of a person without the block stay missing.

    Parameters
    ----------
    design
        The matrix, with the block of the confounds.
    train, test
        Row numbers.
    """
    columns = list(design.blocks[CONFOUNDS].columns)
    values = design.values[:, columns]
    of_people = np.array([design.columns[column].modality == CONFOUNDS for column in columns])
    known = np.isfinite(values)
    distinct = np.array(
        [len(np.unique(column[keep])) for column, keep in zip(values[train].T, known[train].T,
                                                              strict=True)]
    )  # fmt: skip
    parts = [values]
    categories = values[:, of_people & (distinct > 1) & (distinct < QUANTITY)]
    for index in np.flatnonzero(distinct >= QUANTITY):
        column = values[:, [index]]
        column = np.where(np.isfinite(column), column, np.nanmedian(column[train]))
        spline = SplineTransformer(
            KNOTS, knots="quantile", extrapolation="linear", include_bias=False
        ).fit(column[train])
        basis = spline.transform(column)
        parts.append(basis)
        if of_people[index]:
            centred = categories - np.nanmean(categories[train], axis=0)
            parts += [basis * category[:, None] for category in np.nan_to_num(centred).T]
    whole = np.concatenate(parts, axis=1)
    whole[~known.any(axis=1)] = np.nan
    return whole[train], whole[test]
