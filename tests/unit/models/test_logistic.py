import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from commissure.models.level_one import nonnegative_logistic, ridge_logistic
from commissure.models.logistic import axes_of, base_logit, log_loss, logistic_path, sigmoid


@pytest.mark.parametrize("columns", [12, 90])
def test_the_optimum_is_that_of_scikit_learn(columns: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, columns))
    y = (x[:, 0] + rng.normal(size=50) > 0).astype(int)
    x -= x.mean(axis=0)
    axes = axes_of(x)
    intercept, weights = logistic_path(axes, y[:, None].astype(float), np.array([0.5, 20.0]))
    for at, penalty in enumerate((0.5, 20.0)):
        reference = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-12)
        expected = reference.fit(x, y).decision_function(x)
        assert axes.scores @ weights[at, 0] + intercept[at, 0] == pytest.approx(expected, abs=1e-6)


def test_many_labellings_at_once_are_each_fitted_as_if_alone() -> None:
    rng = np.random.default_rng(1)
    axes = axes_of(rng.normal(size=(30, 8)))
    labels = rng.integers(0, 2, size=(30, 7)).astype(float)
    for solver in ("newton", "one_step"):
        _, together = logistic_path(axes, labels, np.array([1.0, 5.0]), solver)
        _, alone = logistic_path(axes, labels[:, [4]], np.array([1.0, 5.0]), solver)
        assert together[:, 4] == pytest.approx(alone[:, 0], abs=1e-10)


def test_one_step_is_the_first_newton_step_from_the_base_rate() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 3))
    x -= x.mean(axis=0)
    y = (rng.random(40) < 0.3).astype(float)
    axes = axes_of(x)
    _, weights = logistic_path(axes, y[:, None], np.array([2.0]), "one_step")
    p = sigmoid(base_logit(y[:, None]))[0]
    expected = np.linalg.solve(p * (1 - p) * x.T @ x + 2.0 * np.eye(3), x.T @ (y - p))
    assert axes.column_weights(weights[0])[:, 0] == pytest.approx(expected)


def test_one_class_gives_the_smoothed_base_rate() -> None:
    intercept, weights = ridge_logistic(np.ones((9, 2)), np.ones((9, 1)), np.array([1.0]))
    assert intercept[0] == pytest.approx(np.log(9.5 / 0.5))
    assert (weights == 0).all()


def test_weights_below_zero_are_dropped() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 200)
    design = np.column_stack([y + rng.normal(size=200), -y + rng.normal(size=200)])
    _, weights = nonnegative_logistic(design[None], y[:, None].astype(float), 1.0)
    _, alone = nonnegative_logistic(design[None, :, :1], y[:, None].astype(float), 1.0)
    assert weights[0, 1] == 0
    assert weights[0, 0] == pytest.approx(alone[0, 0], abs=1e-6)


@pytest.mark.parametrize("columns", [1, 40, 5000])
def test_log_loss_is_that_of_every_person_however_sure(columns: int) -> None:
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 2, (1300, columns)).astype(float)
    logits = rng.normal(size=(1300, columns)) * rng.choice([0.0, 1.0, 30.0, 800.0], (1300, 1))
    expected = (np.logaddexp(0, logits) - labels * logits).sum(axis=0)
    np.testing.assert_allclose(log_loss(labels, logits), expected, rtol=1e-13)
