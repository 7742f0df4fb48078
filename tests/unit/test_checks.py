from __future__ import annotations

import json
import math

import pytest

from commissure.checks import Check, at_least, at_most, between, write_quality


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


def _all_of(value: float | None) -> list[Check]:
    return [at_most("x", value, 1), at_least("x", value, 1), between("x", value, 0, 1)]


def test_what_was_not_measured_neither_passes_nor_fails():
    assert {(check.value, check.passed) for check in _all_of(None)} == {(None, None)}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_measuring_gave_no_number_for_fails(value, tmp_path):
    assert [check.passed for check in _all_of(value)] == [False] * 3
    write_quality(_all_of(value), tmp_path / "qc.json")
    record = json.loads((tmp_path / "qc.json").read_text())
    assert record["flags"] == ["x"] * 3
    assert record["checks"][0]["value"] is None
