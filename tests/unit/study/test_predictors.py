"""Columns of the people as numbers, and those that must not predict."""

import numpy as np
import pandas as pd
import pytest

from commissure.errors import ConfigError, DatasetError
from commissure.fusion.settings import FusionSettings
from commissure.study.outcome_words import outcome_word
from commissure.study.predictors import coded_columns, refuse_post_outcome


@pytest.mark.parametrize("name", ["hospitalisations", "clozapine_ever", "current_dose_mg", "sofas"])
def test_predictors_that_follow_the_outcome_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' follows or defines the outcome"):
        refuse_post_outcome(FusionSettings(clinical=[name]))
    refuse_post_outcome(FusionSettings(clinical=[name], allow_post_outcome=[name]))


#: Names that labs write, and whether they tell of what comes later or of the present treatment.
NAMES = {
    "hospitalisations": True, "clozapine_dose": True, "PANSS_N_change": True,
    "PANSS_T_change": True, "panss_week6": True, "endpoint_cgs": True, "current_age": False,
    "cgi_baseline": False, "gaf_baseline": False, "trial_making_test_a": False,
    "response_inhibition_d": False, "corresponding_site": False, "afternoon_scan": False,
    "panss_change_from_baseline": True, "DischargeGAF": True, "12_month_followup_panss": True,
    "panss_w12": True, "symptomImprovement": True, "cpz_eq_mg": True, "n_failed_trials": True,
    "treatment_response": True, "current_panss_total": True, "relapsed": True, "days_to_progression": True,
    "age_at_first_admission": False, "delta_panss": True, "eeg_delta_power": False,
    "baseline_dose_mg": False, "lh_G_cingul-Post-dorsal_thickness": False, "panss_post": True,
    "education_years": False, "M1_L": False, "trail_making_b": False, "BOLD_response_amygdala": False,
    "weekend_sleep": False, "doseq": False, "T1w_snr": False, "panss_total": False,
    "end_of_study_cgi": True, "visit2_gaf": True, "premorbid_adjustment": False,
}  # fmt: skip


@pytest.mark.parametrize(("name", "tells"), NAMES.items())
def test_whole_words_tell_whether_a_column_follows_the_outcome(name: str, tells: bool) -> None:
    assert bool(outcome_word(name)) == tells, outcome_word(name)


def test_a_word_may_mean_something_else_beside_others() -> None:
    assert outcome_word("delta_F3") and not outcome_word("delta_F3", ["theta_F3", "alpha_F3"])
    assert outcome_word("volume_post", ["volume_pre"]) and not outcome_word("volume_post")


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
