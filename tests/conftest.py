"""Fixtures that every layer of the tests shares."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

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


#: Files of tests of the one run on the tiny cohort.
READ_THE_TINY_RUN = ("test_provenance.py", "test_tiny.py", "test_trees.py")
#: What takes longest begins first.
ORDER = ("workflow", "benchmarks")


class BySharedFixtures(LoadScopeScheduling):
    """Tests that share costly fixtures stay on one worker."""

    # xdist's own --dist loadgroup has no effect with pytest 9.2: it changes a name of the test that
    # pytest no longer reads.
    def _split_scope(self, nodeid: str) -> str:
        path, _, test = nodeid.partition("::")
        parts = path.split("/")[1:]
        if parts[0] == "unit":
            return "/".join(parts[:2])
        if parts[-1] in READ_THE_TINY_RUN:
            return "the tiny run"
        name = test.partition("[")[2].removesuffix("]")
        if parts[0] != "benchmarks" or not name:
            return path
        return "benchmarks that run the workflow" if name in RUN_SNAKEMAKE else nodeid

    def _reschedule(self, node: WorkerController) -> None:
        """Give a worker that replaces a crashed one two groups, as those had that began."""
        # A worker begins a test only when it knows the next one: a group of one test waited for ever.
        super()._reschedule(node)
        if self.workqueue and self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySharedFixtures:
    """What spreads the tests over the workers of ``-n``."""
    config.option.loadscopereorder = False
    return BySharedFixtures(config, log)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name a failure as soon as it is known: a run that is cut off has no summary."""
    if report.failed and not os.environ.get("PYTEST_XDIST_WORKER"):
        print(
            f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext[-3000:]}", flush=True
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest first."""
    tests = Path(__file__).resolve().parent

    def place(item: pytest.Item) -> int:
        part = item.path.relative_to(tests).parts[0]
        return ORDER.index(part) if part in ORDER else len(ORDER)

    if os.environ.get("PYTEST_XDIST_WORKER"):
        items.sort(key=place)


def _debian_package(package: str, program: str) -> str:
    """Path of a program, installed as a Debian package where that may be; skips elsewhere."""
    path = shutil.which(program)
    if path:
        return path
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip(f"{package} is not installed, and apt-get cannot be run here")
    for words in (["update"], ["install", "-y", "--no-install-recommends", package]):
        done = subprocess.run(
            ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *words],
            capture_output=True, text=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"{package} is not installed, and apt-get failed: {done.stderr[-200:]}")
    return shutil.which(program) or pytest.skip(f"{package} has no program {program}")


@pytest.fixture(scope="session")
def mrtrix3() -> None:
    """MRtrix3 on the path; tests that need it skip where it cannot be installed."""
    _debian_package("mrtrix3", "dwidenoise")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Debian's Chromium; tests that need it skip where it cannot be installed."""
    return shutil.which("google-chrome") or _debian_package("chromium", "chromium")
