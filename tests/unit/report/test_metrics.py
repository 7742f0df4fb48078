"""What several sections read from metrics.json."""

from __future__ import annotations

from commissure.report.metrics import (
    main_model,
    people_needed,
    value_and_interval,
    with_interval,
)

MODELS = {
    "anat": {"kind": "modality", "auc_within_site": {"value": 0.9}},
    "late": {"kind": "fusion", "auc_within_site": {"value": 0.5}},
    "stacked": {"kind": "fusion", "auc_within_site": {"value": 0.8}},
}


def test_the_main_model_is_chosen_by_its_place_not_by_its_result():
    assert main_model({"models": MODELS}) == "late"
    assert main_model({"models": MODELS, "primary": "stacked"}) == "stacked"
    assert main_model({}) is None


def test_an_interval_stands_where_there_is_one():
    assert with_interval({"value": 0.66, "ci_low": 0.48, "ci_high": 0.82}) == "0.66 (0.48 to 0.82)"
    assert with_interval({"value": 0.66, "ci_low": None, "ci_high": 0.82}) == "0.66"
    assert with_interval({"value": None}) == with_interval(None) == "–"
    assert value_and_interval({"value": 0.5}) == ("0.50", "")


def test_the_sample_size_is_that_of_the_run():
    metrics = {"sample_size": {"rows": [{"auc": 0.7, "people_needed": {"6": 1, "10": 695}}]}}
    assert people_needed(metrics, predictors=10, auc=0.7) == 695
    assert people_needed(metrics, predictors=10, auc=0.8) is None
    assert people_needed({}, predictors=10, auc=0.7) is None
