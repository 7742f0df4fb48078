"""Sets of labels instead of one: both where a prediction is not sure enough."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from commissure.evaluation.decisions import ScoredPeople, scored_people, with_wilson
from commissure.evaluation.out_of_fold import Scores, repeats_of
from commissure.evaluation.settings import EvaluationSettings
from commissure.study.study import Study


def conformal_results(
    study: Study[EvaluationSettings], scores: Scores, models: Iterable[str]
) -> dict[str, Any]:
    """How often the sets of models hold the true label, and how often they say anything.

    Returns
    -------
    dict
        ``level``, and by model ``coverage_positive`` and ``coverage_negative`` (share of the people
        of a label whose set holds it, with Wilson's interval), and the shares of the people with
        one label in their set (``one``), ``both`` and ``none``; means over the repeats. A model
        that scores people of one label only is left out.
    """
    level, results = study.settings.conformal_level, {}
    for name in models:
        repeats = [scored_people(repeat) for repeat in repeats_of(study, scores[name])]
        positive = repeats[0].labels == 1
        if positive.all() or not positive.any():
            continue
        sets = np.array([label_sets(people, level) for people in repeats])
        labels = np.array([people.labels == 1 for people in repeats])
        size = sets.sum(axis=2)
        results[name] = {
            "coverage_positive": with_wilson(
                float(sets[:, :, 0][labels].mean()), int(positive.sum())
            ),
            "coverage_negative": with_wilson(
                float(sets[:, :, 1][~labels].mean()), int((~positive).sum())
            ),
            "one": float((size == 1).mean()),
            "both": float((size == 2).mean()),
            "none": float((size == 0).mean()),
        }
    return {"level": level, "models": results}


def label_sets(people: ScoredPeople, level: float) -> np.ndarray:
    """Which labels are not refuted at a level, shape (people, 2): the positive, the negative one.

    Cross-conformal and by label (Vovk 2015, Ann Math Artif Intell 74:9): a label is refuted where
    the person's logit is among the least typical ``1 - level`` of the people of other folds who
    have that label, by the predictions that were made while they were left out.
    """
    sets = np.zeros((len(people.labels), 2), dtype=bool)
    for fold in np.unique(people.fold):
        test, others = people.fold == fold, people.fold != fold
        for at, (label, sign) in enumerate(((1, 1.0), (0, -1.0))):
            typical = np.sort(sign * people.logits[others & (people.labels == label)])
            as_strange = np.searchsorted(typical, sign * people.logits[test], side="right")
            sets[test, at] = (1 + as_strange) / (1 + len(typical)) > 1 - level + 1e-12
    return sets
