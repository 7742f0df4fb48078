import pytest

from commissure.evaluation.sample_size import (
    cox_snell_r2,
    people_needed,
    predictors_carried,
    sample_size_advice,
)


def test_people_needed_by_riley() -> None:
    # methods C5: prevalence 0.3; AUC 0.70 (R2 0.105) 486, 810, 1619 and AUC 0.75 304, 510, 1013 at
    # 6, 10 and 20 predictors; 323 for the prevalence.
    assert cox_snell_r2(0.70, 0.3) == pytest.approx(0.105, abs=0.002)
    for auc, expected in ((0.70, (486, 810, 1619)), (0.75, (304, 510, 1013))):
        for predictors, people in zip((6, 10, 20), expected, strict=True):
            found = people_needed(auc, 0.3, predictors)
            assert found["shrinkage"] == pytest.approx(people, rel=0.025)
            assert found["prevalence"] == 323
            assert found["needed"] >= found["shrinkage"]
    assert predictors_carried(0.70, 0.3, 830) == 10
    assert cox_snell_r2(0.5, 0.3) == pytest.approx(0.0, abs=1e-12)


def test_advice_at_a_modest_auc_and_at_the_one_that_was_found() -> None:
    advice = sample_size_advice(0.753, 100, 30)
    assert [row["auc"] for row in advice["rows"]] == [0.70, 0.75]
    assert advice["rows"][0]["people_needed"]["10"] == people_needed(0.70, 0.3, 10)["needed"]
    assert len(sample_size_advice(0.5, 100, 30)["rows"]) == 1
