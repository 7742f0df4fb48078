"""Faults of a cluster: the cause is named, nobody else is stopped, and little is done again."""

from __future__ import annotations

import pytest
from benchmarks.cluster_faults.cases import CASES, LOCAL
from benchmarks.cluster_faults.lab import Lab

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

#: Those that take minutes run by hand: ``python -m benchmarks.cluster_faults FOLDER``.
BY_HAND = {"memory-always", "time", "time-always", "master-int"}


@pytest.mark.parametrize("name", sorted(set(CASES) - BY_HAND))
def test_a_fault_of_the_cluster_is_survived(lab, name):
    assert CASES[name](lab).wrong == []


@pytest.mark.parametrize("name", sorted(LOCAL))
def test_a_fault_on_one_machine_is_survived(lab, name):
    assert LOCAL[name](Lab(lab.whole, None)).wrong == []
