import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from commissure.evaluation.curves import calibration_groups, prediction_curves, roc_points
from commissure.evaluation.out_of_fold import mean_probabilities, out_of_fold


def test_roc_points_are_those_of_scikit_learn_ties_included() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    scores = np.round(rng.normal(size=60) + y, 1)
    alarms, hits = roc_points(y, scores)
    expected = roc_curve(y, scores, drop_intermediate=False)
    assert alarms == pytest.approx(expected[0])
    assert hits == pytest.approx(expected[1])


def test_groups_of_the_calibration_plot_by_hand() -> None:
    y, p = np.array([0, 1, 1, 1]), np.array([0.2, 0.4, 0.7, 0.9])
    low, high = calibration_groups(y, p, 2)
    assert (low["predicted"], low["observed"], low["n"]) == (pytest.approx(0.3), 0.5, 2)
    assert (high["predicted"], high["observed"], high["n"]) == (pytest.approx(0.8), 1.0, 2)
    # Wilson: 2 of 2 are 0.342 to 1.
    assert high["ci_low"] == pytest.approx(0.342, abs=1e-3) and high["ci_high"] == 1.0


def test_curves_are_of_the_mean_probability_of_each_person(drawn_study) -> None:
    drawn = drawn_study(80, {"a": 1.0, "b": 1.0}, seed=4)
    scores, _ = out_of_fold(drawn.study, [drawn.spec], drawn.folds, lambda line: None)
    curve = prediction_curves(drawn.study, scores, ["late"])["late"]
    y, p = mean_probabilities(drawn.study, scores["late"])
    assert (curve["n"], curve["n_positive"]) == (80, 40)
    assert curve["roc"]["auc"] == pytest.approx(roc_auc_score(y, p))
    assert len(curve["calibration"]) == 5
    assert sum(row["n"] for row in curve["calibration"]) == 80
