"""What no cluster has seen, and in which clusters should differ."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.errors import ConfigError
from commissure.files import read_table
from commissure.outputs import LABELS
from commissure.study.outcomes.classes import class_names
from commissure.study.outcomes.time_to_event import EVENT
from commissure.study.predictors import coded_columns
from commissure.study.settings import StudySettings
from commissure.study.tables import refuse_duplicate_people
from commissure.subtypes.external import ExternalVariable
from commissure.subtypes.settings import SubtypesSettings


def external_variables(
    people: pd.DataFrame, labels: Path, study: StudySettings, settings: SubtypesSettings
) -> list[ExternalVariable]:
    """The outcome of the classifier's question, and the columns that the settings name."""
    variables = _outcome(people, labels, study)
    for name in settings.external:
        if name in settings.items or any(fnmatchcase(name, item) for item in settings.items):
            raise ConfigError(
                "subtypes.external",
                found=f"'{name}' is one of subtypes.items",
                wanted="columns that no cluster has seen",
                mend="Remove it from one of the two in config.yaml",
            )
        alone = settings.model_copy(update={"external": [name]})
        coded, _ = coded_columns(people, alone, "external", section="subtypes")
        variables += [ExternalVariable(str(c), coded[c].to_numpy(float)) for c in coded]
    return variables


def _outcome(people: pd.DataFrame, labels: Path, study: StudySettings) -> list[ExternalVariable]:
    """The outcome by the table of labels; each class against the others where they are several."""
    table = read_table(labels, text=LABELS.text)
    refuse_duplicate_people(table)
    table = table.set_index("participant_id").reindex(people["participant_id"])
    kind, label = study.outcome.kind, table["label"].to_numpy(object)
    if kind in ("continuous", "time_to_event"):
        name = study.outcome.name or study.outcome.column or "outcome"
        if "outcome" not in table:
            return []
        values = pd.to_numeric(table["outcome"], errors="coerce").to_numpy(float)
        events = label == EVENT if kind == "time_to_event" else None
        return [ExternalVariable(name, values, events)] if np.isfinite(values).any() else []
    if kind == "classes":
        words = list(class_names(study))
    else:
        words = [study.label.negative, study.label.positive]
    known = np.isin(label, words)
    one_each = words if len(words) > 2 else words[1:]
    return [
        ExternalVariable(word, np.where(known, (label == word).astype(float), np.nan))
        for word in one_each
        if 0 < (label == word).sum() < known.sum()
    ]
