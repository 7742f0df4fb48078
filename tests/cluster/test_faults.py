"""Faults of a cluster: the cause is named, nobody else is stopped, and little is done again."""

from __future__ import annotations

import pytest
from benchmarks.cluster_faults.cases import CASES, LOCAL
from benchmarks.cluster_faults.lab import Lab

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

#: The others run by hand, or the tests of the cluster would take more than a quarter of an hour:
#: ``python -m benchmarks.cluster_faults FOLDER``.
NAMES = (
    "memory", "cancelled", "daemon-killed", "controller-restarted", "master-kill", "master-term",
    "two-masters",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_of_the_cluster_is_survived(lab, name):
    assert CASES[name](lab).wrong == []


def test_shifted_file_times_change_nothing(lab):
    assert LOCAL["times-shifted"](Lab(lab.whole, None)).wrong == []
