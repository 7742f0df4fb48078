import pandas as pd
import pytest

from commissure.errors import ConfigError
from commissure.study.labels.column import column_labels
from commissure.study.settings import LabelSettings


def test_a_column_as_label() -> None:
    people = pd.DataFrame(
        {"participant_id": list("abcd"), "is_control": [False, True, None, True],
         "group": [None, None, None, "control"]}
    )  # fmt: skip
    asked = LabelSettings(source="column", column="is_control", positive="False", negative="True")
    assert column_labels(people, asked)["label"].tolist() == [
        "False", "True", "indeterminate", "True"
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="neither 'yes' nor 'no'"):
        column_labels(people, asked.model_copy(update={"positive": "yes", "negative": "no"}))
    with pytest.raises(ConfigError, match="no column 'diagnosis'"):
        column_labels(people, asked.model_copy(update={"column": "diagnosis"}))
