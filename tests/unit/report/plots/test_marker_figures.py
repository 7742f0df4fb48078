"""Figures of people and markers."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from commissure.report.plots.marker_figures import (
    Bar,
    distribution,
    forest,
    recovery_scatter,
    share_bar,
)


def test_a_share_bar_has_one_part_per_state_that_occurs():
    drawn = share_bar([("present", 3), ("missing", 0), ("failed", 1)], 'a "b"')
    assert re.findall(r'class="share (\w+)" style="flex-grow:(\d)"', drawn) == [
        ("present", "3"), ("failed", "1"),
    ]  # fmt: skip
    assert "&quot;b&quot;" in drawn
    assert share_bar([("present", 0)], "nothing") == ""


def test_a_forest_has_a_row_per_name_and_its_headings():
    rows = [("first", [Bar(0.2, -0.1, 0.5, 0)]), ("second", [Bar(0.4, None, None, 1)])]
    drawn = forest(
        rows, reference=0, label="d", key="f", description="two", headings=[(0, "All of them")]
    )
    for name in ("first", "second", "All of them"):
        assert f">{name}<" in drawn


@pytest.mark.parametrize(("slope", "lines"), [(1.0, 1), (math.nan, 0)])
def test_a_scatter_has_the_line_of_the_slope_it_is_given(slope, lines):
    values = np.arange(4.0)
    drawn = recovery_scatter(values, values, slope=slope, label="", key="s", description="four")
    # The fitted line is the one stroke of the third colour.
    assert drawn.count("stroke: var(--series-2)") == lines


def test_groups_are_named_with_their_size():
    groups = [("control", 0, np.array([1.0, 2.0]), np.array([0, 1]))]
    drawn = distribution(groups, ["a", "b"], label="fa", key="d", description="one group")
    assert "n = 2" in drawn and ">fa<" in drawn
