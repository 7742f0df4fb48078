"""What is learnt of a number, of classes and of a time, against the libraries that learn the same."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.duration.hazard_regression import PHReg

from commissure.models.cox import cox_path, null_residuals, partial_loss, ridge_cox
from commissure.models.estimators import BlockModel, LateFusion, StackedFusion
from commissure.models.logistic import axes_of
from commissure.models.responses import Cox, Gaussian, OneVersusRest
from commissure.models.two_labels import inner_fold_numbers
from commissure.study.design import Block

PENALTIES = (0.1, 1.0, 10.0, 100.0)


def gapped(rng, people, columns):
    X = rng.normal(size=(people, columns)) * rng.uniform(0.5, 5, columns) + rng.normal(size=columns)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X


@pytest.mark.parametrize(("people", "columns"), [(90, 12), (50, 140)])
def test_a_number_is_learnt_as_by_scikit_learns_ridge(people, columns):
    rng = np.random.default_rng(0)
    everybody = gapped(rng, people + 30, columns)
    X, new = everybody[:people], everybody[people:]
    y = 40 + 9 * np.nan_to_num(X[:, 0] - np.nanmean(X[:, 0])) + rng.normal(0, 10, people)
    block = Block("all", tuple(range(columns)))
    ours = BlockModel((block,), PENALTIES, 5, 3, response=Gaussian()).fit(X, y)
    # Scaled to a unit mean square norm, a penalty weighs as many times as there are columns.
    theirs = GridSearchCV(
        make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), Ridge(solver="cholesky")),
        {"ridge__alpha": [penalty * columns for penalty in PENALTIES]},
        cv=PredefinedSplit(inner_fold_numbers(people, 5, 3)),
        scoring="neg_mean_squared_error",
    ).fit(X, y)
    assert theirs.best_params_["ridge__alpha"] == pytest.approx(ours.penalty_[0] * columns)
    expected = theirs.predict(new)
    assert ours.logits(new)[:, 0] == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_covariates_are_taken_out_in_training_and_added_again():
    rng = np.random.default_rng(1)
    severity, marker = rng.normal(90, 10, 200), rng.normal(size=200)
    y = 2 * severity + 5 * marker + rng.normal(size=200)
    X = np.column_stack([marker, severity])
    model = BlockModel((Block("m", (0,)),), PENALTIES, response=Gaussian((1,))).fit(X, y)
    assert model.freed_[0, 0] == pytest.approx(2, abs=0.1)
    assert model.logits(X)[:, 0] == pytest.approx(y, abs=6)
    assert abs(np.corrcoef(model.evidence(X)[:, 0], severity)[0, 1]) < 0.15


def test_each_labelling_is_learnt_as_if_alone():
    rng = np.random.default_rng(2)
    X = gapped(rng, 60, 8)
    blocks = (Block("a", (0, 1, 2)), Block("b", (3, 4, 5, 6, 7)))
    times = rng.exponential(size=(60, 3)) * rng.choice([1, 1, -1], 60)[:, None]
    for response, y in (
        (Gaussian(), rng.normal(size=(60, 3))),
        (OneVersusRest(3), rng.integers(0, 3, (60, 3))),
        (Cox(), times),
    ):
        for kind in (LateFusion, StackedFusion):
            options = (blocks, PENALTIES, 3, 0, "one_step", response)
            together = kind(*options).fit(X, y).logits(X)
            for number in range(3):
                alone = kind(*options).fit(X, y[:, number]).logits(X)
                part = slice(number * response.width, (number + 1) * response.width)
                assert together[:, part] == pytest.approx(alone, abs=1e-6)


def test_classes_are_each_against_the_rest():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 150)
    X = rng.normal(size=(150, 5)) + 1.5 * (y[:, None] == np.arange(5))
    model = BlockModel((Block("m", tuple(range(5))),), (4.0,), response=OneVersusRest(3)).fit(X, y)
    prepared = model.prepared_markers(X)
    for label in range(3):
        theirs = LogisticRegression(C=1 / 4.0, tol=1e-10, max_iter=1000).fit(prepared, y == label)
        expected = theirs.decision_function(prepared)
        assert model.logits(X)[:, label] == pytest.approx(expected, abs=1e-4)


def censored(rng, people, risk):
    time = np.round(rng.exponential(20 * np.exp(-risk)), 1) + 0.1
    end = rng.exponential(40, people) + 0.1
    return np.where(time <= end, time, -np.round(end, 1) - 0.1)


def test_without_a_penalty_the_hazards_are_those_of_statsmodels():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(150, 3))
    y = censored(rng, 150, X @ [0.8, -0.5, 0.0])
    assert len(np.unique(np.abs(y))) < 150  # ties
    theirs = PHReg(np.abs(y), X, status=(y > 0).astype(int), ties="breslow").fit(disp=0)
    assert ridge_cox(X, y, 0.0) == pytest.approx(theirs.params, abs=1e-5)


def test_with_a_penalty_the_gradient_is_that_of_statsmodels():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(80, 30))
    y = censored(rng, 80, X[:, 0])
    axes = axes_of(X - X.mean(axis=0))
    _, weights = cox_path(axes, y[:, None], np.array([1.0, 50.0]))
    model = PHReg(np.abs(y), axes.scores, status=(y > 0).astype(int), ties="breslow")
    for penalty, fitted in zip((1.0, 50.0), weights[:, 0], strict=True):
        gradient = model.score(fitted) - penalty * fitted
        assert np.abs(gradient).max() < 1e-3
    loss = partial_loss(y[:, None], (axes.scores @ weights[0, 0])[None, :, None])
    assert loss[0, 0] == pytest.approx(-model.loglike(weights[0, 0]), rel=1e-9)


def test_null_residuals_are_the_gradient_at_nothing():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(60, 4))
    y = censored(rng, 60, X[:, 0])
    gradient = PHReg(np.abs(y), X, status=(y > 0).astype(int), ties="breslow").score(np.zeros(4))
    assert X.T @ null_residuals(y[:, None])[:, 0] == pytest.approx(gradient, abs=1e-9)
    assert null_residuals(y[:, None]).sum() == pytest.approx(0, abs=1e-9)
