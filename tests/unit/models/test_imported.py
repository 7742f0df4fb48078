"""Any scikit-learn estimator as a model, and those that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import roc_auc_score

from commissure.errors import ConfigError
from commissure.models.imported import ImportedModel, check_estimator
from commissure.models.registry import stored_types
from commissure.models.responses import LOGISTIC, Cox, Gaussian, OneVersusRest
from commissure.models.settings import EstimatorSettings
from commissure.study.design import Block

EXAMPLES = [
    {"name": "svm", "estimator": "sklearn.svm.SVC", "grid": {"C": [0.1, 1.0], "kernel": ["rbf"]}},
    {"name": "forest", "estimator": "sklearn.ensemble.RandomForestClassifier",
     "options": {"n_estimators": 30}, "grid": {"max_depth": [2, None]}},
    {"name": "net", "estimator": "sklearn.linear_model.LogisticRegression",
     "options": {"solver": "saga", "max_iter": 500}, "grid": {"l1_ratio": [0.1, 0.9], "C": [1.0]}},
]  # fmt: skip


class Untrusted(ClassifierMixin, BaseEstimator):
    """An estimator of a type that skops does not know."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return np.asarray(X)[:, 0]


def planted(seed=0, people=160):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, people)
    X = rng.normal(size=(people, 6)) + 0.9 * y[:, None] * (np.arange(6) < 3)
    X[rng.random(X.shape) < 0.03] = np.nan
    return X, y


@pytest.mark.parametrize("entry", EXAMPLES, ids=lambda entry: entry["name"])
def test_an_estimator_is_chosen_fitted_calibrated_and_stored(entry):
    settings = EstimatorSettings(**entry)
    check_estimator(settings, LOGISTIC)
    X, y = planted()
    blocks = (Block("a", (0, 1, 2)), Block("b", (3, 4, 5)))
    model = ImportedModel(
        blocks, inner_folds=3, estimator=settings.estimator, options=settings.options,
        grid=settings.grid,
    ).fit(X[:110], y[:110])  # fmt: skip
    logits = model.logits(X[110:])[:, 0]
    assert roc_auc_score(y[110:], logits) > 0.75
    assert set(model.chosen_[0]) == set(settings.grid)
    assert 0.2 < (1 / (1 + np.exp(-logits))).mean() < 0.8
    again = ImportedModel(
        blocks, inner_folds=3, estimator=settings.estimator, options=settings.options,
        grid=settings.grid,
    ).fit(X[:110], y[:110])  # fmt: skip
    assert np.array_equal(again.logits(X[110:])[:, 0], logits)
    stored = skops.io.loads(skops.io.dumps(model), trusted=list(stored_types()))
    assert np.array_equal(stored.logits(X[110:])[:, 0], logits)


def test_noise_stays_at_chance_and_in_modest_probabilities():
    rng = np.random.default_rng(1)
    aucs, sizes = [], []
    for _ in range(15):
        X, y = rng.normal(size=(120, 5)), rng.integers(0, 2, 120)
        model = ImportedModel(inner_folds=3, estimator="sklearn.svm.SVC", grid={"C": [1.0, 10.0]})
        logits = model.fit(X[:80], y[:80]).logits(X[80:])[:, 0]
        aucs.append(roc_auc_score(y[80:], logits))
        sizes.append(np.abs(logits).mean())
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.06)
    assert np.mean(sizes) < 0.6


def test_markers_are_selected_in_the_training_people_and_stored_with_the_model():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 160)
    X = rng.normal(size=(160, 300))
    X[:, :3] += 1.0 * y[:, None]
    entry = {"name": "few", "estimator": "sklearn.linear_model.LogisticRegression",
             "grid": {"C": [0.1, 1.0]}, "select": [3, 300]}  # fmt: skip
    settings = EstimatorSettings(**entry)
    check_estimator(settings, LOGISTIC)
    model = ImportedModel(
        (Block("a", tuple(range(300))),), inner_folds=3, estimator=settings.estimator,
        grid=settings.grid, select=settings.select,
    ).fit(X[:110], y[:110])  # fmt: skip
    assert model.chosen_[0]["select"] == 3 and model.chosen_[0]["C"] in (0.1, 1.0)
    assert model.fitted_[0][0].get_support(indices=True).tolist() == [0, 1, 2]
    logits = model.logits(X[110:])[:, 0]
    assert roc_auc_score(y[110:], logits) > 0.85
    stored = skops.io.loads(skops.io.dumps(model), trusted=list(stored_types()))
    assert np.array_equal(stored.logits(X[110:])[:, 0], logits)
    # Of a number, too.
    number = X[:, 0] * 10 + rng.normal(size=160)
    model = ImportedModel(
        estimator="sklearn.linear_model.Ridge", select=[1], response=Gaussian(), inner_folds=3
    ).fit(X[:110], number[:110])
    assert model.fitted_[0][0].get_support(indices=True).tolist() == [0]


def test_a_regressor_predicts_a_number_and_a_classifier_several_classes():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(150, 4))
    y = 50 + 10 * X[:, 0] + rng.normal(size=150)
    model = ImportedModel(
        estimator="sklearn.linear_model.ElasticNet", grid={"alpha": [0.01, 0.1]},
        response=Gaussian(),
    ).fit(X[:100], y[:100])  # fmt: skip
    assert np.corrcoef(model.logits(X[100:])[:, 0], y[100:])[0, 1] > 0.95
    assert model.logits(X[100:])[:, 0] == pytest.approx(y[100:], abs=12)
    grade = np.digitize(X[:, 0], [-0.5, 0.5])
    model = ImportedModel(estimator="sklearn.svm.SVC", response=OneVersusRest(3))
    said = model.fit(X[:100], grade[:100]).logits(X[100:]).argmax(axis=1)
    assert (said == grade[100:]).mean() > 0.7


@pytest.mark.parametrize(
    ("entry", "response", "words"),
    [
        ({"estimator": "sklearn.svm.SVD"}, LOGISTIC, "cannot be imported"),
        ({"estimator": "nothing.at.All"}, LOGISTIC, "cannot be imported"),
        ({"estimator": "SVC"}, LOGISTIC, "cannot be imported"),
        ({"estimator": "sklearn.metrics.accuracy_score"}, LOGISTIC, "no scikit-learn estimator"),
        ({"estimator": "sklearn.preprocessing.StandardScaler"}, LOGISTIC, "no decision_function"),
        ({"estimator": "sklearn.linear_model.Ridge"}, LOGISTIC, "predicts a number"),
        ({"estimator": "sklearn.svm.SVC"}, Gaussian(), "tells classes apart"),
        ({"estimator": "sklearn.svm.SVC", "grid": {"D": [1.0]}}, LOGISTIC, "no parameter 'D'"),
        ({"estimator": "sklearn.svm.SVC", "options": {"D": 1.0}}, LOGISTIC, "these options"),
        ({"estimator": "sklearn.svm.SVC", "grid": {"C": [-1.0]}}, LOGISTIC, "does not fit"),
        ({"estimator": f"{__name__}.Untrusted"}, LOGISTIC, "cannot be stored"),
        ({"estimator": "sklearn.svm.SVC"}, Cox(), "time to an event"),
    ],
)
def test_an_estimator_that_cannot_be_a_model_is_refused_in_words(entry, response, words):
    with pytest.raises(ConfigError, match=words):
        check_estimator(EstimatorSettings(name="one", **entry), response)


@pytest.mark.parametrize(
    "entry", [{"name": "late"}, {"name": "Big"}, {"name": "one", "grid": {"C": []}}]
)
def test_a_name_that_is_taken_and_an_empty_grid_are_refused(entry):
    with pytest.raises(ValueError):
        EstimatorSettings(**{"estimator": "sklearn.svm.SVC", **entry})
