"""SIGTERM and SIGINT end a run within seconds, not when its jobs have finished.

Snakemake waits for its jobs when it is asked to end, and its handler takes a lock that the same
thread may hold already: then it never ends.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

import psutil

from commissure.flow import slurm

#: When jobs are killed that do not end, and when the run ends without Snakemake, seconds.
KILL_S, END_S = 8.0, 25.0


#: After how long no job can come into the queue of a cluster any more: one that was on its way has
#: waited five seconds at most.
SUBMITTED_S = 7.0

#: Whether this run ends: nothing more is submitted then.
ending = threading.Event()


def end_at_once(*, local: bool, name: str = "") -> None:
    """Take SIGTERM and SIGINT of this process over from Snakemake.

    The jobs are ended, and Snakemake ends as it does for Ctrl-C. A signal that the process was
    started to ignore is ignored still.

    Parameters
    ----------
    local
        Whether the jobs are processes of this machine. Those of a cluster are Snakemake's to
        cancel, and what it starts for that must not be ended.
    name
        What the jobs are called in Slurm's queue: none of them is left there.
    """

    def end(number: int, frame: FrameType | None) -> None:
        for kind in (signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, signal.SIG_IGN)
        ending.set()
        threading.Thread(target=_end_jobs, args=(local, name), daemon=True).start()
        raise KeyboardInterrupt

    for kind in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(kind) is not signal.SIG_IGN:
            signal.signal(kind, end)


def _end_jobs(local: bool, name: str) -> None:
    """End what this process started, again and again: a job may begin while it ends."""
    start = time.monotonic()
    while (waited := time.monotonic() - start) < END_S:
        for process in psutil.Process().children(recursive=True) if local else ():
            try:
                process.kill() if waited > KILL_S else process.terminate()
            except psutil.NoSuchProcess:
                continue
        if name:
            jobs = slurm.queued([name])
            slurm.cancel([job.number for job in jobs or ()])
            # Snakemake itself would go on waiting for its next look at the queue.
            if jobs == [] and waited > SUBMITTED_S:
                break
        time.sleep(0.5)
    os._exit(1)
