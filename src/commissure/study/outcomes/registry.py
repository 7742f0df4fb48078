"""The kinds of outcome, by the name that ``fusion.outcome.kind`` gives them."""

from __future__ import annotations

from collections.abc import Mapping

from commissure.study.outcomes.binary import Binary
from commissure.study.outcomes.classes import Classes
from commissure.study.outcomes.continuous import Continuous
from commissure.study.outcomes.kind import OutcomeKind
from commissure.study.outcomes.time_to_event import TimeToEvent
from commissure.study.settings import OutcomeKindName

OUTCOME_KINDS: Mapping[OutcomeKindName, OutcomeKind] = {
    "binary": Binary(),
    "continuous": Continuous(),
    "classes": Classes(),
    "time_to_event": TimeToEvent(),
}
