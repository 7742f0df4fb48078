"""What Slurm is asked, and how its answers read; stand-ins print what Slurm 22.05 printed."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType, SimpleNamespace

import pytest

from commissure.flow import run_lock, slurm, slurm_watch
from commissure.flow.run_lock import submitting

TIMEOUT = (
    "JobId=7 JobName=9ecf UserId=root(0) JobState=TIMEOUT Reason=TimeLimit ExitCode=0:15 "
    "TimeLimit=00:01:00 MinMemoryNode=2000M Comment=rule_people"
)


@pytest.fixture
def answers(monkeypatch, tmp_path):
    """Let the commands of Slurm print something; None is a command that fails."""

    def install(**texts):
        for name, text in texts.items():
            script = tmp_path / name
            script.write_text(f"#!/bin/sh\ncat <<'E'\n{text}\nE\n" if text else "#!/bin/sh\nexit 1")
            script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def test_jobs_are_read_from_the_queue(answers):
    answers(squeue="12|RUNNING|rule_a|b\n13|PENDING|rule_c")
    first, second = slurm.queued(["x"])
    assert (first.number, first.what, first.waits) == ("12", "rule_a|b", False)
    assert second.waits


def test_no_answer_is_not_an_empty_queue(answers):
    answers(squeue=None)
    assert slurm.queued(["x"]) is None
    assert slurm.queued([]) == []
    assert not slurm.answers()


@pytest.mark.parametrize(
    ("controller", "accounts", "end"),
    [
        (TIMEOUT, None, slurm.End("out of time", "2000M", "00:01:00")),
        (TIMEOUT.replace("TIMEOUT", "FAILED"), None, slurm.End("", "2000M", "00:01:00")),
        (None, "CANCELLED by 0|1500M|00:30:00", slurm.End("cancelled", "1500M", "00:30:00")),
        (None, "NODE_FAIL|1500M|00:30:00", slurm.End("the node was lost", "1500M", "00:30:00")),
        (None, None, slurm.End()),
    ],
)
def test_how_a_job_ended(answers, controller, accounts, end):
    answers(scontrol=controller, sacct=accounts)
    assert slurm.end_of("7") == end


def test_jobs_of_a_killed_run_are_waited_for_and_those_that_wait_cancelled(
    tmp_path, monkeypatch, capsys
):
    looks = iter([[slurm.Queued("1", "RUNNING", ""), slurm.Queued("2", "PENDING", "")], []])
    cancelled = []
    monkeypatch.setattr(slurm, "is_installed", lambda: True)
    monkeypatch.setattr(slurm, "queued", lambda names: next(looks) if names == ["run"] else None)
    monkeypatch.setattr(slurm, "cancel", cancelled.extend)
    monkeypatch.setattr(run_lock, "_SETTLE_S", 0.0)
    submitting(tmp_path, "run")
    run_lock._settle(tmp_path / "work")
    said = capsys.readouterr().err
    assert cancelled == ["2"]
    assert "1 jobs of a run that was ended still run" in said and "scancel 1" in said
    assert not list((tmp_path / "work").glob("slurm*"))


def test_a_slurm_that_never_answers_is_no_reason_to_submit_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "is_installed", lambda: True)
    monkeypatch.setattr(slurm, "queued", lambda names: None)
    monkeypatch.setattr(run_lock, "_SETTLE_S", 0.0)
    monkeypatch.setattr(run_lock, "_NO_ANSWER_S", 0.0)
    submitting(tmp_path, "run")
    with pytest.raises(run_lock.ConfigError, match="does not say whether jobs"):
        run_lock._settle(tmp_path / "work")


class Executor:
    """Looks at jobs as the executor does: when the query fails it says nothing of any."""

    run_uuid = "run"
    next_seconds_between_status_checks = 180

    def __init__(self, answer):
        self.answer, self.submitted = answer, []

    def report_job_success(self, job):
        self.answer[job.name] = "reported"

    def report_job_error(self, job, msg=""): ...

    def run_job(self, job):
        self.submitted.append(job)

    async def check_active_jobs(self, active):
        for job in active:
            match self.answer.get(job.name):
                case "done":
                    self.report_job_success(job)
                case "running":
                    yield job


def test_a_job_of_which_nothing_was_said_stays_in_sight():
    executor = Executor({"a": "done", "b": "running"})
    assert slurm_watch.watch(executor) == "run"
    jobs = [SimpleNamespace(name=name) for name in "abc"]

    async def look():
        return [job.name async for job in executor.check_active_jobs(jobs)]

    assert asyncio.run(look()) == ["b", "c"]


def test_the_queue_is_looked_at_the_more_rarely_the_longer_the_newest_job_takes(monkeypatch):
    executor, now = Executor({"a": "running", "b": "running"}), [1000.0]
    monkeypatch.setattr(slurm_watch.time, "monotonic", lambda: now[0])
    slurm_watch.watch(executor)
    a, b = (SimpleNamespace(name=name) for name in "ab")

    async def look(*jobs):
        return [job async for job in executor.check_active_jobs(list(jobs))]

    waits = []
    for seconds, jobs in ((0, [a]), (20, [a]), (100, [a]), (500, [a]), (1, [a, b]), (60, [a, b])):
        now[0] += seconds
        asyncio.run(look(*jobs))
        waits.append(executor.next_seconds_between_status_checks)
    assert waits == [3, 3, 12, 15, 3, 6]


def test_the_executor_pauses_but_briefly_before_it_submits(monkeypatch):
    plugin = ModuleType("plugin_of_a_test")
    plugin.time = slurm_watch.time
    monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    executor = type("Mine", (Executor,), {"__module__": plugin.__name__})({})
    slurm_watch.watch(executor)
    pauses = []
    monkeypatch.setattr(slurm_watch.time, "sleep", pauses.append)
    plugin.time.sleep(5)
    plugin.time.sleep(0.1)
    assert pauses == [slurm_watch.PAUSE_S, 0.1]
    assert plugin.time.time() > 0


def test_nothing_is_submitted_while_the_controller_is_away(monkeypatch, capsys):
    replies = iter([False, False, True])
    monkeypatch.setattr(slurm, "answers", lambda: next(replies))
    monkeypatch.setattr(slurm_watch, "_EVERY_S", 0.0)
    executor = Executor({})
    slurm_watch.watch(executor)
    executor.run_job("job")
    assert executor.submitted == ["job"]
    assert "controller of Slurm does not answer" in capsys.readouterr().err
