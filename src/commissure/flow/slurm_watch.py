"""The Slurm executor of Snakemake, where it loses sight of its jobs.

``snakemake-executor-plugin-slurm`` (2.6) forgets a running job when a query of its state fails: a
controller that restarts makes the run wait for ever. A submission that fails for the same reason
counts as an attempt of the job. Both are mended on the executor of a run. It also looks whether
jobs have ended as often as their length is worth: one look asks for all of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from commissure.flow import slurm
from commissure.flow.end_at_once import ending

#: Seconds between two looks at the queue: a share of what the newest job has taken so far, and no
#: less and no more than these. The executor itself would look ever more rarely.
SHARE, LEAST_BETWEEN_S, MOST_BETWEEN_S = 0.1, 3.0, 15.0
#: Most seconds that the executor pauses before it submits a job.
PAUSE_S = 0.5
#: Seconds between two questions whether the controller is back, and when no more are asked.
_EVERY_S, _AT_MOST_S = 15.0, 6 * 3600.0


def executor_of(workflow: Any) -> Any | None:
    """The Slurm executor of a workflow that has begun; None where it has another.

    Snakemake gives no public way to it.
    """
    executor = getattr(getattr(workflow, "scheduler", None), "_executor", None)
    return executor if type(executor).__module__ == "snakemake_executor_plugin_slurm" else None


def watch(executor: Any) -> str:
    """Keep every job in sight, and submit none while the controller is away.

    Parameters
    ----------
    executor
        Of :func:`executor_of`.

    Returns
    -------
    str
        The name that all jobs of the run have.
    """
    executor.check_active_jobs = _keeping(executor)
    plugin: Any = sys.modules.get(type(executor).__module__)
    if hasattr(plugin, "time"):
        plugin.time = _Hurried()
    executor.run_job = _patient(executor.run_job)
    return str(executor.run_uuid)


class _Hurried:
    """The module :mod:`time`, whose pauses are short.

    The executor pauses five seconds before each submission, in a thread for each job: no queue is
    spared by that, and every level of the workflow is later.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Pause, but not for long."""
        time.sleep(min(seconds, PAUSE_S))


def _keeping(executor: Any) -> Callable[[list], AsyncIterator[Any]]:
    """As the executor checks its jobs; one of which nothing was said stays one to be checked."""
    check, ended = executor.check_active_jobs, set()
    since: dict[int, float] = {}

    def noting(report: Callable[..., Any]) -> Callable[..., Any]:
        def noted(job: Any, *arguments: Any, **named: Any) -> Any:
            ended.add(id(job))
            return report(job, *arguments, **named)

        return noted

    executor.report_job_success = noting(executor.report_job_success)
    executor.report_job_error = noting(executor.report_job_error)

    async def check_active_jobs(active: list) -> AsyncIterator[Any]:
        jobs = list(active)
        ended.clear()
        running = set()
        async for job in check(jobs):
            running.add(id(job))
            yield job
        for job in jobs:
            if id(job) not in running | ended:
                yield job
        now = time.monotonic()
        for known in set(since) - {id(job) for job in jobs}:
            del since[known]
        newest = min((now - since.setdefault(id(job), now) for job in jobs), default=0.0)
        executor.next_seconds_between_status_checks = min(
            max(SHARE * newest, LEAST_BETWEEN_S), MOST_BETWEEN_S
        )

    return check_active_jobs


def _patient(submit: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run_job(job: Any) -> Any:
        since = time.monotonic()
        if ending.is_set():
            return None
        while not slurm.answers() and time.monotonic() - since < _AT_MOST_S:
            print(
                "commissure: the controller of Slurm does not answer; jobs that run go on, and "
                "the next are submitted when it does",
                file=sys.stderr, flush=True,
            )  # fmt: skip
            time.sleep(_EVERY_S)
        return submit(job)

    return run_job
