"""Deviations as predictors: nothing but training controls defines them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from commissure.models.deviations import ChartColumns, ChartDeviations, DeviationModel
from commissure.models.fitting import fit_models
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.design import Block

COLUMNS = ChartColumns((0, 1, 2), age=3, sex=4, sites=(5, 6))
BLOCK = Block("anat", (0, 1, 2))


def cohort(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """80 controls, 60 and 60 patients: those of label 1 are young and low for their age."""
    rng = np.random.default_rng(seed)
    y = np.repeat([-1, 1, 0], [80, 60, 60])
    age = np.where(y == 1, rng.uniform(20, 45, 200), rng.uniform(20, 70, 200))
    sex = rng.integers(0, 2, 200)
    site = np.eye(2)[rng.integers(0, 2, 200)]
    x = rng.normal(size=(200, 3)) - 0.08 * age[:, None] - 1.2 * (y == 1)[:, None]
    return np.column_stack([x, age, sex, site]), y


def test_patients_and_people_who_are_tested_teach_it_nothing() -> None:
    X, y = cohort()
    learnt = ChartDeviations(COLUMNS).fit(X, y)
    changed = X.copy()
    changed[y >= 0, :3] += 100.0
    again = ChartDeviations(COLUMNS).fit(changed, y)
    np.testing.assert_array_equal(learnt.transform(X), again.transform(X))
    alone = np.concatenate([learnt.transform(X[i : i + 1]) for i in range(10)])
    np.testing.assert_allclose(alone, learnt.transform(X[:10]), rtol=1e-10)


def test_deviations_are_free_of_age_and_show_the_loss() -> None:
    X, y = cohort()
    z = ChartDeviations(COLUMNS).fit(X, y).transform(X)
    np.testing.assert_array_equal(z[:, 3:], X[:, 3:])
    assert abs(np.nanmean(z[y == 1, :3]) + 1.2) < 0.35
    healthy = np.isfinite(z[:, 0]) & (y == 0)
    assert abs(np.corrcoef(z[healthy, 0], X[healthy, 3])[0, 1]) < 0.3


def test_the_model_tells_labels_apart_by_deviations_and_says_nothing_without_controls() -> None:
    X, y = cohort()
    spec = ModelSpec("deviations", "index", "", ("anat",), (BLOCK,), charts=COLUMNS)
    model = fit_models([spec], X, y, settings=ModelSettings())["deviations"]
    logits = model.logits(X)[:, 0]
    known = np.isfinite(logits) & (y >= 0)
    assert np.mean(logits[known & (y == 1)]) > np.mean(logits[known & (y == 0)]) + 1
    few = np.concatenate([np.flatnonzero(y < 0)[:10], np.flatnonzero(y >= 0)])
    bare = DeviationModel((BLOCK,), columns=COLUMNS).fit(X[few], y[few])
    assert len(np.unique(bare.logits(X))) == 1


def test_it_can_be_cloned() -> None:
    model = clone(DeviationModel((BLOCK,), columns=COLUMNS, min_controls=30))
    assert model.columns == COLUMNS and model.min_controls == 30


@pytest.mark.parametrize("sex", [4, None])
def test_without_a_sex_charts_do_without_it(sex: int | None) -> None:
    X, y = cohort()
    columns = ChartColumns((0, 1, 2), age=3, sex=sex, sites=(5, 6))
    z = ChartDeviations(columns).fit(X, y).transform(X)
    assert np.isfinite(z[y < 0]).all()
