"""The measures, by the kind of outcome that they judge."""

from __future__ import annotations

from collections.abc import Mapping

from commissure.evaluation.measures.area import Area
from commissure.evaluation.measures.concordance import Concordance
from commissure.evaluation.measures.correlation import Correlation
from commissure.evaluation.measures.hand_till import HandTill
from commissure.evaluation.measures.measure import Measure
from commissure.study.settings import OutcomeKindName

MEASURES: Mapping[OutcomeKindName, Measure] = {
    "binary": Area(),
    "continuous": Correlation(),
    "classes": HandTill(),
    "time_to_event": Concordance(),
}


def permuted_measure(kind: OutcomeKindName) -> Measure | None:
    """What the permutation test is given: None for two labels, whose AUC it knows best itself."""
    return None if kind == "binary" else MEASURES[kind]
