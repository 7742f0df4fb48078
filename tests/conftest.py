"""Fixtures that every layer of the tests shares."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Before any numerical library is imported: one thread per job, as in the workflow.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ[name] = "1"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data(repository: Path) -> Path:
    """Folder of real images, spectra and cohorts; tests that need it skip where it is absent."""
    folder = repository.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real test data (../shared/data) are not on this machine")
    return folder


#: Benchmarks that run the workflow in this checkout: one after the other.
RUN_SNAKEMAKE = (
    "bad_input",
    "compare",
    "demo_cost",
    "kills",
    "planning",
    "recovery_clinical",
    "resources",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep tests that share costly fixtures on one worker, and start the longest first."""
    if not config.getoption("numprocesses", None):
        return
    tests = Path(__file__).resolve().parent
    for item in items:
        parts = item.path.relative_to(tests).parts
        name = getattr(item, "callspec", None) and item.callspec.params.get("name")
        if parts[0] == "unit":
            item.add_marker(pytest.mark.xdist_group("/".join(parts[:2])))
        elif parts[0] != "benchmarks" or name is None:
            item.add_marker(pytest.mark.xdist_group("/".join(parts)))
        elif name in RUN_SNAKEMAKE:
            item.add_marker(pytest.mark.xdist_group("benchmarks that run the workflow"))
    items.sort(
        key=lambda item: item.path.relative_to(tests).parts[0] not in ("workflow", "benchmarks")
    )


@pytest.fixture(scope="session")
def mrtrix3() -> None:
    """MRtrix3 on the path, installed where that may be; tests that need it skip elsewhere."""
    if shutil.which("dwidenoise"):
        return
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("MRtrix3 is not installed, and apt-get cannot be run here")
    for words in (["update"], ["install", "-y", "--no-install-recommends", "mrtrix3"]):
        done = subprocess.run(
            ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *words],
            capture_output=True, text=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"MRtrix3 is not installed, and apt-get failed: {done.stderr[-200:]}")
