import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from commissure.evaluation.calibration import (
    brier,
    calibration_curve,
    calibration_index,
    recalibration,
    slope_and_intercept,
)


def test_a_model_twice_too_sure_has_a_slope_of_one_half() -> None:
    # methods C9, T10.
    rng = np.random.default_rng(4)
    logit = rng.normal(size=20000)
    y = (rng.random(20000) < 1 / (1 + np.exp(-logit))).astype(int)
    p = 1 / (1 + np.exp(-logit))
    slope, intercept = slope_and_intercept(y, p)
    assert (slope, intercept) == pytest.approx((1.0, 0.0), abs=0.05)
    assert slope_and_intercept(y, 1 / (1 + np.exp(-2 * logit)))[0] == pytest.approx(0.5, abs=0.03)
    assert slope_and_intercept(y, 1 / (1 + np.exp(-logit - 1)))[1] == pytest.approx(-1.0, abs=0.05)
    assert brier(y, p) == pytest.approx(brier_score_loss(y, p))


def test_calibration_curve_finds_the_true_probability() -> None:
    rng = np.random.default_rng(8)
    logit = rng.normal(size=4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-logit))).astype(int)
    p = 1 / (1 + np.exp(-logit))
    assert calibration_index(y, p) < 0.02
    # Logits twice too large: the mean distance of p and truth over the people is known.
    extreme = 1 / (1 + np.exp(-2 * logit))
    assert calibration_index(y, extreme) == pytest.approx(np.abs(extreme - p).mean(), abs=0.03)
    assert calibration_curve(y, p, np.array([0.3, 0.5, 0.7])) == pytest.approx(
        [0.3, 0.5, 0.7], abs=0.04
    )


def test_recalibration_takes_back_what_was_done_to_true_logits() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=40000)
    y = (rng.random(len(true)) < 1 / (1 + np.exp(-true))).astype(int)
    intercept, slope = recalibration(y, 2 * true - 1)
    assert slope == pytest.approx(0.5, abs=0.02) and intercept == pytest.approx(0.5, abs=0.04)
    p = 1 / (1 + np.exp(-(intercept + slope * (2 * true - 1))))
    assert slope_and_intercept(y, p) == pytest.approx((1, 0), abs=1e-4)


def test_recalibration_turns_nothing_round_and_leaves_perfect_order_alone() -> None:
    y = np.array([0, 0, 1, 0, 1, 1, 1])
    against = -np.array([0.0, 1, 2, 3, 4, 5, 6])
    assert recalibration(y, against) == pytest.approx((np.log(4 / 3), 0.0))
    assert recalibration(y, np.full(7, 0.3)) == pytest.approx((np.log(4 / 3), 0.0))
    assert recalibration(np.array([0, 0, 1, 1]), np.array([-2.0, -1, 1, 2])) == (0.0, 1.0)


@pytest.mark.parametrize("digits", [1, 12])
def test_calibration_curve_is_that_of_every_pair_of_people(digits: int) -> None:
    # Tricube weights of the nearest three quarters, person by person.
    rng = np.random.default_rng(4)
    p = np.round(rng.uniform(0.05, 0.95, 120), digits)
    y = (rng.random(120) < p).astype(int)
    points = np.r_[p[:20], 0.0, 0.31, 1.0]
    expected = []
    for point in points:
        apart = np.abs(point - p)
        reach = 1.0001 * np.sort(apart)[89]
        weight = np.clip(1 - (apart / reach) ** 3, 0, None) ** 3
        slope, level = np.polyfit(p - point, y, 1, w=np.sqrt(weight))
        expected.append(np.clip(level, 0, 1) if abs(slope) > 0 else level)
    assert calibration_curve(y, p, points) == pytest.approx(expected, abs=1e-10)


def test_the_index_of_many_people_is_that_of_the_whole_curve() -> None:
    rng = np.random.default_rng(5)
    for spread in (0.1, 1.0):
        # Heavy tails: a few people stand far from all others.
        p = 1 / (1 + np.exp(-spread * rng.standard_t(3, size=3000)))
        y = (rng.random(3000) < p**1.2).astype(float)
        whole = np.abs(calibration_curve(y, p) - p).mean()
        assert calibration_index(y, p) == pytest.approx(whole, abs=1e-6)
