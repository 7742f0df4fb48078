"""One throw-away Slurm for all tests of the cluster, and one small study."""

from __future__ import annotations

import shutil
import subprocess

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


@pytest.fixture(scope="session")
def clone(repository, tmp_path_factory):
    """The checkout as a newcomer has it: only what git would hand out."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=repository, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        source, target = repository / name, folder / name
        if source.exists() or source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return folder
