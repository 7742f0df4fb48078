"""Faults of a cluster: the cause is named, nobody else is stopped, and little is done again."""

from __future__ import annotations

import pytest
from benchmarks.cluster_faults.side_by_side import begun

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

#: The others run by hand, because they wait for minutes: ``python -m benchmarks.cluster_faults FOLDER``.
NAMES = (
    "memory", "cancelled", "master-kill", "master-term", "two-masters", "times-shifted",
    "daemon-killed", "controller-restarted",
)  # fmt: skip


@pytest.fixture(scope="module")
def cases(lab, request):
    """The cases that were asked for; they wait side by side."""
    asked = [getattr(item, "callspec", None) for item in request.session.items]
    names = [spec.params["fault"] for spec in asked if spec and "fault" in spec.params]
    with begun(lab, names) as cases:
        yield cases


@pytest.mark.parametrize("fault", NAMES)
def test_a_fault_of_the_cluster_is_survived(cases, fault):
    assert cases.judged(fault).wrong == []
