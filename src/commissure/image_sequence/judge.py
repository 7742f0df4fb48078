"""What the predictions of the network are worth beside those of the fusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from commissure.evaluation.comparisons import comparisons
from commissure.evaluation.null_distribution import NullDistribution
from commissure.evaluation.out_of_fold import FoldScores, model_aucs, model_record
from commissure.fusion.settings import FusionSettings
from commissure.image_sequence.crops import VisitSequence
from commissure.image_sequence.finished_run import FinishedRun
from commissure.models.registry import ModelSpec
from commissure.study.splits import Fold
from commissure.study.study import Study

#: Names of the network and of what looks at no image in the tables of predictions.
SEQUENCE, VISITS_ALONE = "image_sequence", "visits_alone"

_SPEC = ModelSpec(
    SEQUENCE, "modality",
    "A network that looks at cubes around the lesions: convolutions, then an LSTM over the visits.",
    ("lesion",), (),
)  # fmt: skip
_ALONE = ModelSpec(
    VISITS_ALONE, "baseline",
    "How many visits a person has, and on which day the last was: no image.", ("lesion",), (),
)  # fmt: skip


def visits_alone(
    study: Study[FusionSettings], sequences: Mapping[int, VisitSequence], folds: Sequence[Fold]
) -> list[FoldScores]:
    """What the number of visits and the day of the last tell: logistic regression in the folds.

    The network sees both; where they tell the outcome it need not look at an image.
    """
    known = np.full((len(study.y), 2), np.nan)
    for row, person in sequences.items():
        known[row] = len(person.days), np.nan_to_num(person.days[-1])
    seen = np.isfinite(known).all(axis=1)
    scores = []
    for fold in folds:
        train = fold.train[study.labelled[fold.train] & seen[fold.train]]
        rows = fold.test[study.labelled[fold.test]]
        logits = np.full(len(rows), np.nan)
        if study.kind.enough_to_train(study.y[train]):
            mean, spread = known[train].mean(axis=0), known[train].std(axis=0)
            spread = np.where(spread > 0, spread, 1.0)
            model = LogisticRegression().fit((known[train] - mean) / spread, study.y[train])
            there = seen[rows]
            if there.any():
                logits[there] = model.decision_function((known[rows[there]] - mean) / spread)
        scores.append(FoldScores(fold, rows, logits))
    return scores


def judged(
    run: FinishedRun,
    sequences: Mapping[int, VisitSequence],
    scores: Sequence[FoldScores],
    null: NullDistribution | None,
) -> dict[str, Any]:
    """The entries of metrics.json: the network, what looks at no image, and the fusion's models.

    All in the same divisions; differences are those of the network to each other one on the people
    that both score, as :func:`commissure.evaluation.comparisons.comparisons` gives them.
    """
    study, folds = run.study, [part.fold for part in scores]
    alone = visits_alone(study, sequences, folds)
    together: dict[str, Sequence[FoldScores]] = {SEQUENCE: scores, VISITS_ALONE: alone}
    fused = {
        str(name): run.scores_of(str(name), folds) for name in dict.fromkeys(run.predicted["model"])
    }
    together |= fused
    models = {
        spec.name: model_record(study, spec, together[spec.name],
                                model_aucs(study, together[spec.name], of_spec), of_spec)
        for spec, of_spec in ((_SPEC, null), (_ALONE, None))
    }  # fmt: skip
    return {
        "models": models,
        "fusion": {
            name: {f"auc_{where}_site" if where == "within" else f"auc_{where}": estimate.record()
                   for where, estimate in model_aucs(study, of_model).items()}
            for name, of_model in fused.items()
        },
        "comparisons": comparisons(study, SEQUENCE, together),
    }  # fmt: skip
