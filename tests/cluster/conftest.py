"""One throw-away Slurm for all tests of the cluster, and one small study."""

from __future__ import annotations

import pytest
from benchmarks.cluster_faults.lab import Lab, NoSlurm, slurm


@pytest.fixture(scope="session")
def cluster():
    """A Slurm of two nodes; skipped, with the reason, where one cannot be started."""
    try:
        with slurm() as started:
            yield started
    except NoSlurm as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def lab(cluster, tmp_path_factory):
    """A study of four people, and what an undisturbed run leaves of it."""
    return Lab.at(tmp_path_factory.mktemp("lab"), cluster)
