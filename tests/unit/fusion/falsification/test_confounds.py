from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from commissure.fusion.falsification.checks import transports
from commissure.fusion.falsification.confounds import beyond_confounds, curves
from commissure.fusion.fitted import FittedStudy, fit_study
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import ModelSpec
from commissure.study.design import Block, Design, DesignColumn
from commissure.study.study import Study

FEW = FusionSettings(repeats=2, inner_folds=3, permutations=0, penalties=[0.1, 1.0, 10.0])


def fitted_on(markers: np.ndarray, y: np.ndarray, age: np.ndarray, sex: np.ndarray) -> FittedStudy:
    """A study of one modality with age and sex as confounds."""
    n = len(y)
    values = np.column_stack([markers, age, sex])
    blocks = {
        "anat": Block("anat", tuple(range(markers.shape[1]))),
        "confounds": Block("confounds", (markers.shape[1], markers.shape[1] + 1)),
    }
    columns = [DesignColumn("anat", f"r{i}", "fa") for i in range(markers.shape[1])]
    columns += [DesignColumn("confounds", "", name) for name in ("age", "sex=M")]
    who = np.array([f"sub-{i:03d}" for i in range(n)])
    sites = np.array(["N", "S"])[np.arange(n) // 2 % 2]
    study = Study(FEW, Design(who, sites, values, tuple(columns), blocks, ("anat",)), y)
    specs = [
        ModelSpec("anat", "modality", "", ("anat",), (blocks["anat"],)),
        ModelSpec("confounds", "baseline", "", (), (blocks["confounds"],)),
    ]
    return fit_study(study, specs, specs[0], None, lambda line: None)


def test_markers_that_hold_the_square_of_age_are_not_beyond_it() -> None:
    # Patients are young and old, controls in between: a straight line in age sees nothing.
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    age = 45 + np.where(y == 1, rng.choice([-1, 1], 160) * rng.normal(18, 4, 160),
                        rng.normal(0, 7, 160))  # fmt: skip
    square = (age - 45)[:, None] ** 2 / 300
    fitted = fitted_on(square + 0.3 * rng.normal(size=(160, 5)), y, age, np.arange(160) // 2 % 2.0)
    assert fitted.main_auc.value > 0.9
    assert fitted.aucs["confounds"]["within"].value < 0.65
    verdict = beyond_confounds(fitted)
    assert verdict.passed is False, verdict.description


def test_markers_that_hold_an_interaction_of_age_and_sex_are_not_beyond_it() -> None:
    rng = np.random.default_rng(1)
    y, sex = np.arange(160) % 2, np.arange(160) // 2 % 2 * 1.0
    age = rng.normal(40, 6, 160) + 14 * np.where(sex == 1, y - 0.5, 0.5 - y)
    product = ((age - 40) * (sex - 0.5))[:, None] / 5
    verdict = beyond_confounds(fitted_on(product + 0.3 * rng.normal(size=(160, 5)), y, age, sex))
    assert verdict.passed is False, verdict.description


def test_markers_that_tell_more_than_the_confounds_are_beyond_them() -> None:
    rng = np.random.default_rng(2)
    y = np.arange(160) % 2
    markers = rng.normal(size=(160, 5)) + y[:, None]
    fitted = fitted_on(markers, y, rng.normal(40, 9, 160), np.arange(160) // 2 % 2.0)
    assert beyond_confounds(fitted).passed is True
    without = replace(fitted, scores={"anat": fitted.scores["anat"]})
    assert beyond_confounds(without).passed is None


def test_a_study_whose_markers_turn_round_between_sites_fails_to_transport() -> None:
    # Patients have high values at N and low ones at S.
    rng = np.random.default_rng(4)
    y, north = np.arange(160) % 2, np.arange(160) // 2 % 2 == 0
    turned = rng.normal(size=(160, 4)) + 1.2 * np.where(north, y, -y)[:, None]
    fitted = fitted_on(turned, y, rng.normal(40, 9, 160), np.arange(160) // 4 % 2.0)
    verdict = transports(fitted)
    assert verdict.value < 0.2 and verdict.passed is False
    straight = rng.normal(size=(160, 4)) + 1.2 * y[:, None]
    assert transports(fitted_on(straight, y, np.arange(160.0), north * 1.0)).passed is True


def test_curves_are_learnt_in_the_training_people_and_leave_gaps() -> None:
    rng = np.random.default_rng(3)
    values = np.column_stack([rng.normal(40, 9, 40), np.arange(40) % 2.0])
    values[3, 0], values[5] = np.nan, np.nan
    design = Design(
        np.arange(40).astype(str), np.full(40, "N"), values,
        (DesignColumn("confounds", "", "age"), DesignColumn("confounds", "", "sex=M")),
        {"confounds": Block("confounds", (0, 1))}, (),
    )  # fmt: skip
    train, test = np.arange(30), np.arange(30, 40)
    of_train, of_test = curves(design, train, test)
    assert of_train.shape == (30, 2 + 5 + 5) and of_test.shape == (10, 12)
    assert np.isnan(of_train[5]).all() and np.isfinite(of_train[3, 2:]).all()
    moved = design.values.copy()
    moved[35:, 0] = pd.Series(moved[35:, 0]).add(100)
    other, _ = curves(replace(design, values=moved), train, test)
    assert (np.nan_to_num(other) == np.nan_to_num(of_train)).all()
    assert pytest.approx(of_test[0, :2]) == values[30]
