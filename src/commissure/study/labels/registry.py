"""The label rules, by the name that ``fusion.label.source`` gives them.

Name and sentence of a rule stand in :data:`commissure.study.settings.LABEL_RULES`, which is read
without the rules.
"""

from __future__ import annotations

from collections.abc import Mapping

from commissure.study.labels import column, depression, trrip
from commissure.study.labels.rule import LabelRule
from commissure.study.settings import LabelSource

RULES: Mapping[LabelSource, LabelRule] = {
    "treatments": trrip.RULE,
    "depression": depression.RULE,
    "column": column.RULE,
}
