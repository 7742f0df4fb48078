import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from commissure.evaluation.permutation import permuted_labels
from commissure.models.logistic import axes_of, logistic_at
from commissure.models.nested import Division, column_auc, nested_auc

PENALTIES = np.array([1.0, 30.0, 300.0, 3000.0])


def divisions_of(people: int) -> list[Division]:
    inner = KFold(3, shuffle=True, random_state=1)
    return [
        Division(train, test, tuple((train[a], train[b]) for a, b in inner.split(train)))
        for train, test in KFold(4, shuffle=True, random_state=0).split(np.zeros(people))
    ]


def squared_error(model, X, y) -> float:
    return -float(np.mean((model.decision_function(X) - (2 * y - 1)) ** 2))


def peer(family: str) -> GridSearchCV:
    if family == "ridge":
        model, grid = RidgeClassifier(), {"ridgeclassifier__alpha": PENALTIES}
        scoring = squared_error
    else:
        model = LogisticRegression(max_iter=20_000, tol=1e-10)
        grid, scoring = {"logisticregression__C": 1 / PENALTIES}, "neg_log_loss"
    inner = KFold(3, shuffle=True, random_state=1)
    return GridSearchCV(make_pipeline(StandardScaler(), model), grid, scoring=scoring, cv=inner)


@pytest.mark.parametrize("columns", [20, 200])
@pytest.mark.parametrize("family", ["ridge", "logistic"])
def test_every_labelling_scores_as_with_scikit_learn(family: str, columns: int) -> None:
    rng = np.random.default_rng(columns)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, columns))
    X[:, :10] += 0.5 * y[:, None]
    X[:, 11] = 7.0  # a column that does not vary
    table = permuted_labels(y, np.where(np.arange(60) < 25, "N", "S"), 4, seed=0)
    divisions = divisions_of(60)
    outer = [(one.train, one.test) for one in divisions]
    found = nested_auc(X, table, divisions, PENALTIES, family=family)
    expected = [
        cross_val_score(peer(family), X, own, cv=outer, scoring="roc_auc").mean() for own in table.T
    ]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 1e4])
def test_newton_by_conjugate_gradients_reaches_the_optimum(penalty: float) -> None:
    # Gradient of the objective in double precision, also where nothing holds the labels together.
    rng = np.random.default_rng(4)
    X = rng.normal(size=(40, 500))
    X -= X.mean(axis=0)
    axes = axes_of(X)
    y = rng.integers(0, 2, size=(40, 6)).astype(float)
    intercept, weights = logistic_at(axes, y, np.full(6, penalty))
    p = 1 / (1 + np.exp(-(axes.scores @ weights.T + intercept)))
    gradient = axes.scores.T @ (p - y) + penalty * weights.T
    assert np.abs(gradient).max() < 1e-8
    assert np.abs((p - y).sum(axis=0)).max() < 1e-8


def test_axes_lead_from_columns_to_scores() -> None:
    rng = np.random.default_rng(5)
    for shape in ((12, 40), (40, 12)):
        X = rng.normal(size=shape)
        axes = axes_of(X)
        assert axes.project(X) == pytest.approx(axes.scores, abs=1e-9)
        assert axes.scores @ axes.scores.T == pytest.approx(X @ X.T, abs=1e-8)
        weights = rng.normal(size=(3, axes.scores.shape[1]))
        assert X @ axes.column_weights(weights) == pytest.approx(axes.scores @ weights.T, abs=1e-9)


def test_auc_of_columns_counts_ties_half_and_one_class_is_no_number() -> None:
    rng = np.random.default_rng(6)
    y, scores = rng.integers(0, 2, size=(30, 5)), np.round(rng.normal(size=(30, 5)), 1)
    expected = [roc_auc_score(y[:, b], scores[:, b]) for b in range(5)]
    assert column_auc(y, scores) == pytest.approx(expected)
    assert np.isnan(column_auc(np.ones((4, 1)), np.zeros((4, 1))))[0]


def test_labellings_are_independent_of_their_company() -> None:
    rng = np.random.default_rng(7)
    X, table = (
        rng.normal(size=(40, 80)),
        permuted_labels(np.arange(40) % 2, np.full(40, "N"), 30, 1),
    )
    together = nested_auc(X, table, divisions_of(40), PENALTIES, family="logistic")
    alone = nested_auc(X, table[:, 17:18], divisions_of(40), PENALTIES, family="logistic")
    assert together[17] == pytest.approx(alone[0], abs=1e-12)
