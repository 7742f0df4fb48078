"""What a study of each kind of outcome goes through, and what is written of it.

One entry a kind: by what its predictions are judged, what is tried against the result, what stands
beside it, and how its predictions stand in ``predictions.tsv``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from commissure.evaluation.measures.hand_till import class_probabilities
from commissure.evaluation.out_of_fold import FoldScores
from commissure.fusion import measured, secondary
from commissure.fusion.cautions import reading_cautions
from commissure.fusion.falsification.check import FalsificationCheck
from commissure.fusion.falsification.registry import CHECKS, MEASURED_CHECKS
from commissure.fusion.fitted import FittedStudy
from commissure.fusion.settings import FusionSettings
from commissure.study.outcomes.classes import class_names
from commissure.study.settings import OutcomeKindName

#: Labels or classes whose probability is told (nothing of a number), and the numbers, shape
#: (people, labels).
Predicted = tuple[Sequence[str], np.ndarray]


@dataclass(frozen=True)
class ResultKind:
    """What a study of one kind of outcome goes through.

    Attributes
    ----------
    checks
        The attempts to prove it wrong, in their order.
    secondary
        Entries of metrics.json beside those of the models.
    cautions
        Sentences without which a reader would take the numbers for more than they are.
    predictions
        What ``predictions.tsv`` says of the people in one division.
    stored
        Whether the model is stored for other datasets.
    """

    checks: Sequence[FalsificationCheck]
    secondary: Callable[[FittedStudy, Callable[[str], None]], dict[str, Any]]
    cautions: Callable[[FittedStudy], list[str]]
    predictions: Callable[[FoldScores, FusionSettings], Predicted]


def _probabilities(part: FoldScores, settings: FusionSettings) -> Predicted:
    return (settings.label.positive,), part.probabilities[:, None]


def _numbers(part: FoldScores, settings: FusionSettings) -> Predicted:
    return ("",), part.logits[:, None]


def _classes(part: FoldScores, settings: FusionSettings) -> Predicted:
    return tuple(class_names(settings)), np.atleast_2d(class_probabilities(part.logits))


RESULT_KINDS: Mapping[OutcomeKindName, ResultKind] = {
    "binary": ResultKind(CHECKS, secondary.secondary_results, reading_cautions, _probabilities),
    "continuous": ResultKind(
        MEASURED_CHECKS, measured.secondary_results, measured.reading_cautions, _numbers
    ),
    "classes": ResultKind(
        MEASURED_CHECKS, measured.secondary_results, measured.reading_cautions, _classes
    ),
    "time_to_event": ResultKind(
        MEASURED_CHECKS, measured.secondary_results, measured.reading_cautions, _numbers
    ),
}
