"""A job's folder on its node: found, held to its cap, and gone however the job ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from commissure.errors import ConfigError
from commissure.flow.cluster.scratch import check_scratch, own_scratch, sweep
from commissure.flow.cluster.site import SiteSettings

JOB = """
import sys, time
from pathlib import Path
from commissure.flow.cluster import scratch
from commissure.flow.cluster.site import SiteSettings
scratch.LOOK_S = 0.05
with scratch.own_scratch(SiteSettings(**{settings})) as folder:
    (folder / "big").write_bytes(bytes(4_000_000))
    print("ready", flush=True)
    time.sleep(60)
"""


def site(folder: Path, **settings) -> SiteSettings:
    return SiteSettings(**{"scratch": str(folder), "scratch_least_gb": 0.001, **settings})


def job(scratch: SiteSettings) -> subprocess.Popen:
    """A job that works in its scratch until it is ended."""
    given = {name: value for name, value in scratch if name.startswith("scratch")}
    process = subprocess.Popen(
        [sys.executable, "-c", JOB.format(settings=given)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    return process


def test_temporary_files_lie_in_it_while_the_job_runs(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "local"))
    before = tempfile.gettempdir()
    with own_scratch(site("$NODE_DISK")) as folder:
        assert folder.parent == tmp_path / "local"
        assert Path(tempfile.mkdtemp()).parent == folder
    assert list((tmp_path / "local").iterdir()) == []
    assert tempfile.gettempdir() == before
    with own_scratch(SiteSettings()) as folder:
        assert folder is None


def test_a_job_that_is_asked_to_end_leaves_nothing(tmp_path: Path) -> None:
    process = job(site(tmp_path))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_job_left_is_removed_by_the_next_and_a_running_one_is_left_alone(
    tmp_path: Path,
) -> None:
    killed, running = job(site(tmp_path)), job(site(tmp_path))
    try:
        killed.kill()
        killed.communicate(timeout=20)
        assert len(list(tmp_path.iterdir())) == 2
        assert len(sweep(site(tmp_path))) == 1
        assert len(list(tmp_path.iterdir())) == 1 and running.poll() is None
    finally:
        running.kill()
        running.communicate(timeout=20)


def test_a_job_that_takes_more_than_its_cap_is_ended_in_words(tmp_path: Path) -> None:
    process = job(site(tmp_path, scratch_most_gb=0.001))
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 128 + signal.SIGTERM
    assert "the job took 0.0 GB of scratch and is ended at 0.001: raise scratch_most_gb" in said
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_that_is_full_is_refused_before_the_job_begins(small_disk: Path) -> None:
    assert check_scratch(site(small_disk)) == small_disk
    (small_disk / "others").write_bytes(bytes(3_900_000))
    with pytest.raises(ConfigError, match=r"scratch .*0\.0 GB are free there on the node"):
        check_scratch(site(small_disk))


@pytest.mark.parametrize(
    ("folder", "said"), [("/proc/none", "scratch /proc/none"), ("$NOBODY_SETS_THIS/x", "variable")]
)
def test_one_that_is_not_there_is_refused(folder: str, said: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said):
        check_scratch(site(folder))
    assert list(tmp_path.iterdir()) == []


def test_two_jobs_that_begin_together_do_not_remove_each_other(tmp_path: Path) -> None:
    begun = time.monotonic()
    jobs = [job(site(tmp_path)) for _ in range(3)]
    try:
        assert len([p for p in tmp_path.iterdir() if (p / "big").exists()]) == 3
    finally:
        for process in jobs:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate(timeout=20)
    assert time.monotonic() - begun < 60
