import numpy as np
import pytest

from commissure.evaluation.learning_curve import followed_curve, learning_curve


def test_learning_curve_rises_and_follows_its_law(drawn_study) -> None:
    n = np.array([50.0, 100, 200, 400, 800])
    points = [{"n": one, "auc": 1 - (0.2 + 2 * one**-0.5)} for one in n]
    followed = followed_curve(points)
    assert followed["auc_asymptote"] == pytest.approx(0.8, abs=1e-3)
    assert followed["people_needed"] == pytest.approx(10_000, rel=0.02)  # 2 n^-0.5 = 0.02
    flat = followed_curve([{"n": one, "auc": 0.5} for one in n])
    assert flat["people_needed"] is None and "does not rise" in flat["description"]
    drawn = drawn_study(240, {"a": 1.0, "b": 1.0}, seed=6, columns=30)
    curve = learning_curve(drawn.study, drawn.spec, drawn.folds)["points"]
    assert curve[-1]["n"] == pytest.approx(180)
    assert curve[-1]["auc"] > curve[0]["auc"]
