"""Intervals of shares and means, by examples of the literature."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.markers.intervals import mean_interval, wilson_interval


def test_wilson_interval_of_3_in_10():
    low, high = wilson_interval(3, 10)
    assert (low, high) == pytest.approx((0.1078, 0.6032), abs=1e-4)


def test_wilson_interval_of_the_literature():
    # Newcombe RG, Stat Med 17:857-872, 1998, table I: 81 of 263, 0.2553 to 0.3662.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_of_nobody_nothing_is_known():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_interval_of_a_mean():
    # Four values of mean 5 and SD 2: 5 +- 1.96 * 2 / 2.
    values = 5 + np.sqrt(3.0) * np.array([-1.0, 1.0, -1.0, 1.0])
    assert mean_interval(values) == pytest.approx((3.04, 6.96), abs=1e-3)
    assert np.isnan(mean_interval(values[:1])).all()
