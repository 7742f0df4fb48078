"""Where a value lies in the cohort."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.outputs import QUALITY
from commissure.report.standing import distributions, place_in_words, standing_out, strip


def quality(values, limit="<= 0.55", check="mean_fd_mm"):
    return QUALITY.frame(
        (f"sub-{at:02d}", "", "func", "x", check, value, limit,
         "no" if limit and value > 0.55 else "yes")
        for at, value in enumerate(values)
    )  # fmt: skip


def test_the_modified_z_score_is_that_of_iglewicz_and_hoaglin():
    values = [1, 2, 3, 4, 5, 6, 7, 8, 9.0]
    known = distributions(quality(values, limit=""))["func", "mean_fd_mm"]
    # 0.6745 (x - median) / MAD, with a median of 5 and a MAD of 2
    assert known.z(9) == pytest.approx(0.6745 * 4 / 2, rel=1e-4)


def test_a_value_far_on_the_good_side_of_its_limit_is_no_outlier():
    values = [0.2, 0.21, 0.2, 0.19, 0.2, 0.22, 0.21, 0.2, 0.0, 0.5]
    table = quality(values)
    assert [v.value for v in standing_out(table, distributions(table))] == [0.5]


def test_a_value_beyond_its_limit_stands_out_in_a_cohort_of_two():
    table = quality([0.2, 0.9])
    (value,) = standing_out(table, distributions(table))
    assert value.flagged and np.isnan(value.z)


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.0, "the lowest of 9"), (9.0, "the highest of 9"), (5.0, "higher than 50 % of 8")],
)
def test_places_in_words(value, words):
    known = distributions(quality(np.arange(1, 10.0), ""))["func", "mean_fd_mm"]
    assert place_in_words(known, value).replace("\u2009", " ") == words


def test_the_drawing_says_what_it_shows_and_keeps_a_far_limit_out():
    known = distributions(quality([0.1, 0.2, 0.3], "<= 55"))["func", "mean_fd_mm"]
    drawn = strip(known, 0.3, "<= 55", "mean_fd_mm")
    assert 'aria-label="mean FD (mm): 0.300, the highest of 3"' in drawn
    assert 'class="limit"' not in drawn
    assert 'class="limit"' in strip(known, 0.3, "<= 0.25", "mean_fd_mm")
