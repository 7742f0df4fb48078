"""Requests for a cohort: what no study can have is refused, and people are shared out."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from commissure.phantom.cohort.request import CohortRequest, shared_out


@pytest.mark.parametrize(
    "change",
    [
        {"controls": -1},
        {"controls": 0, "responsive": 0, "resistant": 0},
        {"sites": 0},
        {"sites": 40},
        {"missing": 1.0},
        {"missing": -0.1},
        {"effects": -1.0},
        {"effects": float("nan")},
        {"site_balance": 1.5},
    ],
)
def test_impossible_cohorts_are_refused(change):
    request = {"controls": 3, "responsive": 3, "resistant": 3, **change}
    with pytest.raises(ValidationError):
        CohortRequest(**request)


def test_subjects_are_shared_out_as_in_the_demo():
    assert shared_out(48) == (14, 17, 17)
    assert CohortRequest(subjects=48).group_sizes == CohortRequest().group_sizes
    assert all(sum(shared_out(number)) == number for number in range(1, 200))
    assert CohortRequest(subjects=20).group_sizes == (6, 7, 7)
