import numpy as np
import pytest

from commissure.evaluation.decision_curve import decision_curve, net_benefit
from commissure.evaluation.out_of_fold import out_of_fold


def test_net_benefit_by_hand() -> None:
    y, p = np.array([1, 1, 0, 0]), np.array([0.9, 0.3, 0.6, 0.1])
    # At 0.5: one true, one false positive of four; odds 1. At 0.2: two true, one false; odds 1/4.
    assert net_benefit(y, p, np.array([0.5, 0.2])) == pytest.approx([0.0, 0.5 - 0.25 / 4])


def test_the_curve_stands_between_treating_all_and_none(drawn_study) -> None:
    drawn = drawn_study(120, {"a": 2.0, "b": 2.0}, seed=3)
    scores, _ = out_of_fold(drawn.study, [drawn.spec], drawn.folds, lambda line: None)
    curve = decision_curve(drawn.study, scores, "late")
    assert curve["threshold"][0] == 0.1 and curve["threshold"][-1] == 0.6
    assert {len(points) for points in curve.values()} == {51}
    at_half = curve["threshold"].index(0.5)
    assert curve["all"][at_half] == pytest.approx(0.0) and set(curve["none"]) == {0.0}
    assert curve["late"][at_half] > 0.2
    assert "clinical" not in curve
