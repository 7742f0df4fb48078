import math

import pandas as pd
import pytest

from commissure.errors import DatasetError
from commissure.study.labels.trrip import (
    panss_reduction,
    treatment_labels,
    unchecked_criteria,
)
from commissure.study.settings import TrripSettings

FAILED = {"cpz_eq_mg": 600, "weeks_at_dose": 6, "adherence": 0.8, "adherence_sources": 2,
          "panss_before": 90, "panss_after": 79}  # fmt: skip


def label_of(*trials: dict, person: dict | None = None, **criteria: object) -> tuple[str, str]:
    who = {"participant_id": "sub-01", "group": "patient", **(person or {})}
    rows = [{"participant_id": "sub-01", **FAILED, **trial} for trial in trials]
    table = treatment_labels(
        pd.DataFrame(rows) if rows else None,
        pd.DataFrame([who]),
        criteria=TrripSettings(**criteria),
    )
    assert list(table.columns) == ["participant_id", "label", "reason"]
    return table["label"][0], table["reason"][0]


def test_panss_reduction_is_taken_above_the_floor_of_30() -> None:
    # golden.json, panss_response: 90 to 60 is 50 %, not 33.3 %.
    assert panss_reduction(90, 60) == pytest.approx(0.5)
    assert math.isnan(panss_reduction(30, 30))
    assert math.isnan(panss_reduction(90, math.nan))


def test_two_different_drugs_that_failed_are_resistance() -> None:
    assert label_of({"drug": "olanzapine"}, {"drug": "risperidone"})[0] == "resistant"


def test_the_same_drug_twice_is_one_drug() -> None:
    label, reason = label_of({"drug": "olanzapine"}, {"drug": " Olanzapine"})
    assert label == "indeterminate"
    assert "1 of 2 drugs failed" in reason


def test_twenty_per_cent_is_a_response_and_less_is_not() -> None:
    # 20 % of the 60 points above the floor are 12: 78 responded, 79 did not.
    assert label_of({"drug": "a", "panss_after": 78})[0] == "responsive"
    assert label_of({"drug": "a", "panss_after": 79})[0] == "indeterminate"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"adherence": 0.5}, "adherence 0.5 of doses, below 0.8"),
        ({"adherence": None}, "adherence unknown"),
        ({"adherence_sources": 1}, "adherence from 1 source"),
        ({"adherence_sources": "pharmacy"}, "adherence from 1 source"),
        ({"cpz_eq_mg": 599}, "dose 599 mg CPZ, below 600"),
        ({"weeks_at_dose": 5}, "duration 5 weeks, below 6"),
        ({"panss_after": None}, "PANSS reduction is unknown"),
    ],
)
def test_pseudo_resistance_is_indeterminate_with_its_reason(change: dict, reason: str) -> None:
    label, told = label_of({"drug": "olanzapine", **change}, {"drug": "risperidone", **change})
    assert label == "indeterminate"
    assert reason in told


def test_sources_may_be_named() -> None:
    named = {"adherence_sources": "pill count; plasma level"}
    assert label_of({"drug": "a", **named}, {"drug": "b", **named})[0] == "resistant"


def test_failures_outweigh_a_later_response() -> None:
    trials = [{"drug": "a"}, {"drug": "b"}, {"drug": "clozapine", "panss_after": 50}]
    assert label_of(*trials)[0] == "resistant"


def test_severity_and_functioning_decide_where_they_are_known() -> None:
    trials = ({"drug": "a"}, {"drug": "b"})
    assert label_of(*trials, person={"sofas": 45})[0] == "resistant"
    assert "sofas" in label_of(*trials, person={"sofas": 70})[1]
    assert label_of(*trials, person={"sofas": None})[0] == "indeterminate"
    assert label_of(*trials, min_current_panss=75)[0] == "resistant"
    assert "79, below 80" in label_of(*trials, min_current_panss=80)[1]


def test_what_cannot_be_checked_is_told() -> None:
    assert len(unchecked_criteria(pd.DataFrame({"sofas": [50]}), TrripSettings())) == 1
    assert len(unchecked_criteria(pd.DataFrame({"age": [50]}), TrripSettings())) == 2


def test_people_without_trials() -> None:
    assert label_of(person={"group": "control"}) == ("control", "")
    assert label_of(person={"group": "patient"}) == (
        "indeterminate", "no treatment trial is recorded"
    )  # fmt: skip
    assert label_of({"drug": "a"}, person={"group": "control"})[0] == "indeterminate"


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(DatasetError, match="sub-01: adherence is 85 .* from 0 to 1"):
        label_of({"drug": "a", "adherence": 85})
    with pytest.raises(DatasetError, match="panss_before is 20"):
        label_of({"drug": "a", "panss_before": 20})
    with pytest.raises(DatasetError, match="'drug'"):
        treatment_labels(pd.DataFrame({"participant_id": ["sub-01"]}), pd.DataFrame())
