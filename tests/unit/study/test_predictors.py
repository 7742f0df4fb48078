"""Columns of the people as numbers, and those that must not predict."""

import numpy as np
import pandas as pd
import pytest

from commissure.errors import ConfigError, DatasetError
from commissure.fusion.settings import FusionSettings
from commissure.study.predictors import coded_columns, refuse_post_outcome


@pytest.mark.parametrize("name", ["hospitalisations", "clozapine_ever", "current_dose_mg", "sofas"])
def test_predictors_that_follow_the_outcome_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' follows or defines the outcome"):
        refuse_post_outcome(FusionSettings(clinical=[name]))
    refuse_post_outcome(FusionSettings(clinical=[name], allow_post_outcome=[name]))


def test_the_label_is_refused_as_a_predictor() -> None:
    with pytest.raises(ConfigError, match="the label or the group itself"):
        refuse_post_outcome(FusionSettings(confounds=["group"], allow_post_outcome=["group"]))
    with pytest.raises(ConfigError, match="the label or the group itself"):
        refuse_post_outcome(
            FusionSettings(clinical=["tr"], label={"source": "column", "column": "tr"})
        )


def coded(*values: object) -> tuple[pd.DataFrame, list[str]]:
    people = pd.DataFrame({"participant_id": [f"sub-{i}" for i in range(len(values))], "x": values})
    return coded_columns(people, FusionSettings(clinical=["x"]), "clinical")


def test_two_categories_are_one_column_and_three_are_three() -> None:
    columns, cautions = coded("F", "M", None)
    assert list(columns) == ["x=M"] and cautions == []
    np.testing.assert_array_equal(columns["x=M"], [0, 1, np.nan])
    assert list(coded("a", "b", "c")[0]) == ["x=a", "x=b", "x=c"]


def test_numbers_stay_and_what_can_be_none_is_missing() -> None:
    columns, cautions = coded(1.0, 2.0, np.inf)
    np.testing.assert_array_equal(columns["x"], [1, 2, np.nan])
    assert cautions == ["'x' is infinite in 1 people: missing."]
    assert "one value in everybody" in coded(4, 4, None)[1][0]


def test_a_word_among_numbers_and_many_words_are_refused() -> None:
    with pytest.raises(DatasetError, match="sub-2: x is 'old'"):
        coded(1, 2, "old")
    with pytest.raises(ConfigError, match="'x' has 11 different texts"):
        coded(*"abcdefghijk")
