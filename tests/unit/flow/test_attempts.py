"""Attempts that die leave a note; the next one says why, and the last does without the image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from commissure.flow import attempts, slurm
from commissure.flow.attempts import ATTEMPTS, Attempts, deaths

TABLE = "out/work/status/mrs_preprocess/batch-0001.tsv"


@pytest.fixture
def begin(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(attempts, "_watch", lambda *watched: None)
    (tmp_path / "run.lock").write_text(json.dumps({"run": "a"}))
    return lambda number=1: Attempts.begin(tmp_path, TABLE, number=number, memory_mb=10**9)


def test_an_image_at_which_attempts_died_goes_last_and_is_given_up_in_the_end(begin):
    for number in range(1, ATTEMPTS):
        attempt = begin(number)
        assert not attempt.gives_up("x")
        attempt.begins("x")
    last = begin(ATTEMPTS)
    assert last.order(["x", "y"]) == ["y", "x"]
    assert not last.gives_up("y")
    assert last.gives_up("x").startswith("the job ended 3 times while it computed this image: kill")


def test_an_image_that_is_done_is_no_cause_and_nothing_is_left(begin):
    attempt = begin()
    attempt.begins("x")
    attempt = begin(2)
    attempt.begins("x")
    attempt.ends("x")
    attempt.finish()
    assert not attempt.path.exists()
    assert not begin(ATTEMPTS).gives_up("x")


def test_what_a_run_that_was_ended_had_at_hand_is_no_fault_of_the_image(begin, tmp_path):
    begin().begins("x")
    (tmp_path / "run.lock").write_text(json.dumps({"run": "b"}))
    assert not begin(ATTEMPTS).gives_up("x")


def test_who_counts_as_lost_writes_nothing_beside_the_next_attempt(begin):
    lost = begin()
    lost.begins("x")
    begin(2)
    for step in (lost.check, lambda: lost.begins("y"), lambda: lost.ends("x"), lost.finish):
        with pytest.raises(SystemExit, match="later attempt"):
            step()


def test_a_job_of_the_whole_study_that_died_is_told_with_cause_and_remedy(
    tmp_path, begin, monkeypatch
):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    ends = iter([slurm.End("out of memory", "2000M"), slurm.End("the node was lost")])
    monkeypatch.setattr(slurm, "end_of", lambda number: next(ends))
    for _ in range(2):
        died = Attempts.of_study(tmp_path, "fusion_null-3", number=1, memory_mb=10**9)
        died._over.set()
    well = Attempts.of_study(tmp_path, "markers", number=1, memory_mb=10**9)
    well.ends("markers")
    well.finish()
    (sentence,) = deaths(tmp_path)
    assert sentence.startswith(
        "the step fusion_null was ended 2 times before it was done: out of memory (2000M were asked "
        "for), then the node was lost. Give the same command again with --set-resources "
        "fusion_null:mem_mb=...; "
    )
    (tmp_path / "run.lock").write_text(json.dumps({"run": "b"}))
    assert deaths(tmp_path) == []


ON_A_LOST_NODE = """
import pathlib, sys, time
from commissure.flow.attempts import Attempts
attempt = Attempts.begin(pathlib.Path(sys.argv[1]), sys.argv[2], number=1, memory_mb=10**9)
attempt.end_process_when_followed()
attempt.begins("x")
time.sleep(30)
"""


def test_who_counts_as_lost_ends_in_the_middle_of_an_image(begin, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "end_of", lambda number: slurm.End("the node was lost"))
    lost = subprocess.Popen(
        [sys.executable, "-c", ON_A_LOST_NODE, str(tmp_path), TABLE], stderr=subprocess.PIPE,
        text=True, env={**os.environ, "SLURM_JOB_ID": "7"},
    )  # fmt: skip
    note = tmp_path / "attempts/mrs_preprocess/batch-0001.json"
    until = time.monotonic() + 20
    while not (note.exists() and json.loads(note.read_text())["image"]):
        assert time.monotonic() < until and lost.poll() is None
        time.sleep(0.05)
    begin(2)
    _, said = lost.communicate(timeout=15)
    assert lost.returncode == 1 and "A later attempt of this job has begun" in said


@pytest.mark.parametrize(
    ("says", "near", "words"),
    [
        (slurm.End("out of memory", "2000M", "00:30:00"), False, "out of memory (2000M were"),
        (slurm.End("out of time", "2000M", "00:30:00"), True, "out of time (00:30:00 were"),
        (slurm.End("the node was lost"), False, "the node was lost"),
        (slurm.End("cancelled"), False, "cancelled"),
        (slurm.End("", "2000M"), True, "out of memory (2000M were"),
        (slurm.End(), False, "killed, by the machine or by somebody"),
    ],
)  # fmt: skip
def test_the_cause_is_what_slurm_says_or_memory_that_came_to_its_end(
    begin, monkeypatch, says, near, words
):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setattr(slurm, "end_of", lambda number: {"17": says}[number])
    first = begin()
    first.begins("x")
    if near:
        first.path.with_suffix(".near").touch()
    begin(2)
    assert begin(2).died["x"][0]["cause"].startswith(words)


def test_beginning_an_attempt_never_ends_the_process_that_begins_the_next(begin, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setattr(slurm, "end_of", lambda number: slurm.End())
    monkeypatch.setattr(attempts, "_FOLLOWED_S", 0.01)
    ended = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda code: ended.set())
    first = begin()
    begin(2)
    assert not ended.wait(0.2)
    first.end_process_when_followed()
    assert ended.wait(5)
    first._over.set()


def test_memory_near_its_end_leaves_a_mark(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", str(os.getpid()))
    monkeypatch.setattr(attempts, "_LOOK_S", 0.01)
    attempts._watch(tmp_path / "x.near", 100, threading.Event())
    assert (tmp_path / "x.near").exists()
