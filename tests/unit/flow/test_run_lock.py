"""One run at a time writes to an output folder; what a killed one left is cleared."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from commissure.errors import ConfigError
from commissure.flow import run_lock, run_note
from commissure.flow.run_lock import computing, hold, only_looks

HOLDER = """
import platform, sys
from pathlib import Path
from commissure.flow.run_lock import computing, hold
from commissure.flow import run_note
out = Path(sys.argv[1])
if sys.argv[2] == "elsewhere":
    # The file system carries no lock from one host to the other.
    run_note.BEAT_S = 0.2
    platform.node = lambda: "elsewhere"
    note = open(out / "work/run.lock", "w")
    run_note.renew(note.fileno(), run_note.new_note())
    print("ready", flush=True)
    sys.stdin.read()
elif sys.argv[2] == "hold":
    hold(out)
    print("ready", flush=True)
    sys.stdin.read()
else:
    with computing(out / "work"):
        print("ready", flush=True)
        sys.stdin.read()
"""


@contextmanager
def process(out, what):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out), what],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=out,
    )  # fmt: skip
    try:
        assert other.stdout.readline().strip() == b"ready"
        yield other
    finally:
        other.kill()
        other.wait()
        other.stdin.close()
        other.stdout.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch, tmp_path):
    monkeypatch.setattr(run_lock, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(run_lock, "_held", [])
    monkeypatch.setenv("COMMISSURE_RUN", "")
    monkeypatch.chdir(tmp_path)


def test_a_second_run_into_the_same_output_is_refused_while_the_first_lives(tmp_path):
    with process(tmp_path, "hold") as first:
        with pytest.raises(ConfigError, match=rf"another run writes to it \(process {first.pid}, "):
            hold(tmp_path)
        first.kill()
        first.wait()
        hold(tmp_path)


def test_a_job_that_outlives_its_run_is_waited_for(tmp_path):
    with process(tmp_path, "compute") as job:
        with pytest.raises(ConfigError, match="a job of a run that was ended still computes"):
            hold(tmp_path)
        job.kill()
        job.wait()
        hold(tmp_path)


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(run_note, "STALE_S", 1.5)
    monkeypatch.setattr(run_note, "BEAT_S", 0.2)


def test_a_run_on_another_host_is_told_by_its_note_where_locks_do_not_travel(tmp_path, soon):
    (tmp_path / "work").mkdir()
    who = r"process \d+, on elsewhere, since"
    with process(tmp_path, "elsewhere"), pytest.raises(ConfigError, match=who):
        hold(tmp_path)


def test_a_run_that_was_killed_on_another_host_is_told_from_one_that_goes_on(
    tmp_path, soon, capsys
):
    (tmp_path / "work").mkdir()
    with process(tmp_path, "elsewhere") as other:
        other.kill()
        other.wait()
        hold(tmp_path)
    assert "on elsewhere, since" in capsys.readouterr().err


def test_a_job_of_a_run_that_was_ended_does_nothing(tmp_path, monkeypatch):
    hold(tmp_path)
    monkeypatch.setattr(run_lock, "_held", [])
    assert not run_lock.is_of_a_run_that_ended(tmp_path / "work")
    monkeypatch.setenv("COMMISSURE_RUN", "another")
    assert run_lock.is_of_a_run_that_ended(tmp_path / "work")
    assert not run_lock.is_of_a_run_that_ended(tmp_path / "elsewhere")


def test_jobs_of_one_run_compute_side_by_side(tmp_path):
    hold(tmp_path)
    with process(tmp_path, "compute"), computing(tmp_path / "work"):
        pass


@pytest.mark.parametrize("written", ["out/report.html", "out/work/status/x.tsv"])
def test_the_locks_of_a_killed_run_go_and_those_of_another_study_stay(tmp_path, written):
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").write_text("lab.tsv\n")
    (locks / "0.output.lock").write_text(f"{written}\n")
    (locks / "1.input.lock").write_text("out/markers.tsv\n")
    (locks / "1.output.lock").write_text("out2/work/status/x.tsv\n")
    (locks / "2.input.lock").write_text("out/markers.tsv\n")
    hold(Path("out"))
    assert sorted(path.name for path in locks.iterdir()) == ["1.input.lock", "1.output.lock"]


def test_what_a_killed_run_left_half_written_goes(tmp_path):
    places = ("", "fusion", "work/records/anat_measure", "work/status/anat_measure")
    for place in places:
        folder = tmp_path / "out" / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".17-partial.x.tsv").write_text("")
        (folder / "x.tsv").write_text("")
    hold(Path("out"))
    left = {path.name for path in (tmp_path / "out").rglob("*x.tsv")}
    assert left == {"x.tsv"}


@pytest.mark.parametrize(
    ("line", "looks"),
    [
        ("-n", True), ("--cores 2 -np", True), ("--dry-run", True), ("--unlock", True),
        ("--report=x.zip", True), ("--cores 2", False), ("--config name=n", False),
        ("-j 2 --forcerun fusion", False), ("--cores all --retries 2", False),
    ],
)  # fmt: skip
def test_who_only_looks_takes_no_lock(line, looks):
    assert only_looks(line.split()) is looks
