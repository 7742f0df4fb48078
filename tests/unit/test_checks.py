from __future__ import annotations

import math

import pytest

from commissure.checks import at_least, at_most, between


@pytest.mark.parametrize(
    ("check", "limit", "passed"),
    [
        (at_most("fd_mm", 0.5, 0.5), "<= 0.5", True),
        (at_most("fd_mm", 0.51, 0.5), "<= 0.5", False),
        (at_least("snr", 15, 15), ">= 15", True),
        (at_least("snr", 14.9, 15), ">= 15", False),
        (between("litres", 0.8, 0.8, 2.2), "0.8 to 2.2", True),
        (between("litres", 2.3, 0.8, 2.2), "0.8 to 2.2", False),
    ],
)
def test_a_value_on_the_limit_passes(check, limit, passed):
    assert (check.limit, check.passed) == (limit, passed)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_was_not_measured_neither_passes_nor_fails(value):
    for check in (at_most("x", value, 1), at_least("x", value, 1), between("x", value, 0, 1)):
        assert (check.value, check.passed) == (None, None)
