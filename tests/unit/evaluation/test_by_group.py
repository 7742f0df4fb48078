from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from commissure.evaluation.by_group import results_by_group, results_by_site
from commissure.evaluation.held_out import HeldOut


def scored(study, logits: np.ndarray) -> HeldOut:
    return HeldOut(study.y, study.design.sites, np.full(len(study.y), "1"), logits)


def test_each_site_has_its_own_auc_and_calibration(drawn_study) -> None:
    # At N the logits are right, at S they are turned round and far too high.
    study = drawn_study(400, {"a": 0.0}, seed=1).study
    rng = np.random.default_rng(2)
    north = study.design.sites == "N"
    logit = rng.normal(size=400)
    study = study.with_labels((rng.random(400) < 1 / (1 + np.exp(-logit))).astype(int))
    held = scored(study, np.where(north, logit, 1.5 - logit))
    result = results_by_site(study, [held, held], held, None)
    assert set(result) == {"cv", "leave_site_out"}
    rows = {row["site"]: row for row in result["cv"]["sites"]}
    assert rows["N"]["auc"]["value"] == pytest.approx(0.76, abs=0.08)
    assert rows["N"]["auc"]["value"] + rows["S"]["auc"]["value"] == pytest.approx(1.0, abs=0.1)
    assert rows["N"]["calibration_slope"] == pytest.approx(1.0, abs=0.35)
    assert rows["S"]["calibration_slope"] < -0.5
    assert rows["S"]["calibration_intercept"] < -1.0
    assert rows["S"]["predicted"] - rows["S"]["observed"] > 0.2
    assert rows["N"]["n"] == 200 and rows["N"]["auc"]["pairs"] == (
        rows["N"]["n_positive"] * (200 - rows["N"]["n_positive"])
    )
    # Two sites that contradict each other: all the variance is between them.
    assert result["cv"]["random_effects"]["i2"] > 0.9


def test_a_site_of_one_pair_has_an_interval_that_says_nothing(drawn_study) -> None:
    study = drawn_study(40, {"a": 0.0}, seed=1).study
    sites = study.design.sites.copy()
    sites[:2] = "T"
    study = study.with_design(replace(study.design, sites=sites))
    [row] = [
        row
        for row in results_by_site(study, [scored(study, study.y * 1.0)], None, None)["cv"]["sites"]
        if row["site"] == "T"
    ]
    assert row["auc"]["value"] == 1.0 and row["auc"]["ci_low"] < 0.3
    assert np.isnan(row["calibration_slope"])


def test_sites_stand_in_the_order_of_their_numbers(drawn_study) -> None:
    study = drawn_study(60, {"a": 0.0}, seed=1).study
    sites = np.array(["site 10", "site 2", "Ulm"])[np.arange(60) % 3]
    study = study.with_design(replace(study.design, sites=sites))
    rows = results_by_site(study, [scored(study, study.y * 1.0)], None, None)["cv"]["sites"]
    assert [row["site"] for row in rows] == ["Ulm", "site 2", "site 10"]


def test_women_men_and_thirds_of_the_ages_have_results_of_their_own(drawn_study) -> None:
    study = drawn_study(240, {"a": 0.0}, seed=3).study
    rng = np.random.default_rng(4)
    women, age = rng.random(240) < 0.5, rng.normal(40, 10, 240)
    # Women are ranked without error, men not at all.
    logit = np.where(women, 3.0 * study.y, rng.normal(size=240))
    people = pd.DataFrame({"participant_id": study.design.participants,
                           "sex": np.where(women, "F", "M"), "age": age})  # fmt: skip
    study = replace(study, people=people.sample(frac=1, random_state=1))
    rows = {row["group"]: row for row in results_by_group(study, [scored(study, logit)], None)}
    assert len(rows) == 5
    assert rows["F"]["auc_within_site"]["value"] == 1.0
    assert rows["M"]["auc_within_site"]["value"] == pytest.approx(0.5, abs=0.16)
    thirds = [row for row in rows.values() if row["by"] == "age"]
    assert sorted(row["n"] for row in thirds) == [80, 80, 80]
    assert results_by_group(replace(study, people=people[["participant_id"]]),
                            [scored(study, logit)], None) == []  # fmt: skip
