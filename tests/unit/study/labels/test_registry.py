"""Every label rule that the settings offer is there, and no other."""

from typing import get_args

import pandas as pd
import pytest

from commissure.study.labels.registry import RULES
from commissure.study.settings import LABEL_RULES, LabelSettings, LabelSource, StudySettings

PEOPLE = pd.DataFrame(
    {"participant_id": ["sub-1", "sub-2"], "group": ["control", "patient"], "tr": [None, "yes"]}
)


def test_settings_and_registry_name_the_same_rules() -> None:
    assert set(RULES) == set(LABEL_RULES) == set(get_args(LabelSource))
    description = LabelSettings.model_fields["source"].description or ""
    assert all(f"{name}: {sentence}" in description for name, sentence in LABEL_RULES.items())


@pytest.mark.parametrize("name", RULES)
def test_a_rule_labels_everybody_and_knows_controls(name: str) -> None:
    settings = StudySettings(label={"source": name, "column": "tr", "positive": "yes"})
    labels = RULES[name].label(None, PEOPLE, settings)
    assert list(labels.columns) == ["participant_id", "label", "reason"]
    assert labels["participant_id"].tolist() == ["sub-1", "sub-2"]
    assert labels["label"][0] == "control"
    assert all(isinstance(words, str) for words in RULES[name].cautions(labels, PEOPLE, settings))
