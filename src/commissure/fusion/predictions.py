"""Out-of-fold predictions round by round, of which some may come from jobs of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any

import numpy as np

from commissure.evaluation.importance import Importance
from commissure.evaluation.out_of_fold import FoldScores, Scores, out_of_fold
from commissure.fusion.divided import DividedStudy
from commissure.study.splits import CV, Fold

#: A repeat of the cross-validation, or one site after the other left out.
Round = tuple[str, int]


def rounds(divided: DividedStudy) -> Mapping[Round, list[Fold]]:
    """The divisions that can be fitted, by their round and in their order."""
    by_round = groupby(divided.usable_folds, key=lambda fold: (fold.scheme, fold.repeat))
    return {key: list(folds) for key, folds in by_round}


def predictions(
    divided: DividedStudy, stored: Mapping[str, Any], say: Callable[[str], None]
) -> tuple[Scores, Importance]:
    """Predictions of all models, and what they listen to.

    Parameters
    ----------
    divided
        The study.
    stored
        Rounds of :func:`stored_rounds`; the others are computed here.
    say
        Takes a line per round that is computed.
    """
    scores: dict[str, list[FoldScores]] = {spec.name: [] for spec in divided.specs}
    importance = Importance(divided.study.design)
    for key, folds in rounds(divided).items():
        record = stored.get(_name(key))
        if record is None:
            fitted, listened = out_of_fold(divided.study, divided.specs, folds, say)
            gathered = listened.gathered()
        else:
            fitted, gathered = _fold_scores(divided, folds, record), record["importance"]
        for name, parts in fitted.items():
            scores[name] += parts
        importance.extend(gathered)
    return scores, importance


def stored_rounds(divided: DividedStudy, wanted: Iterable[Round]) -> dict[str, Any]:
    """Some rounds as a file keeps them: logits by model and division, and what models follow."""
    there = rounds(divided)
    records = {}
    for key in wanted:
        if key not in there:
            continue
        scores, importance = out_of_fold(
            divided.study, divided.specs, there[key], lambda line: None
        )
        records[_name(key)] = {
            "logits": {name: [part.logits for part in parts] for name, parts in scores.items()},
            "importance": importance.gathered(),
        }
    return records


def _fold_scores(
    divided: DividedStudy, folds: list[Fold], record: Mapping[str, Any]
) -> dict[str, list[FoldScores]]:
    labelled = divided.study.labelled
    return {
        name: [
            FoldScores(fold, fold.test[labelled[fold.test]], np.array(logits, dtype=float))
            for fold, logits in zip(folds, by_fold, strict=True)
        ]
        for name, by_fold in record["logits"].items()
    }


def _name(key: Round) -> str:
    scheme, repeat = key
    return f"repeat {repeat}" if scheme == CV else "one site after the other left out"
