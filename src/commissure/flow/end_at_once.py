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

#: When jobs are killed that do not end, and when the run ends without Snakemake, seconds.
KILL_S, END_S = 8.0, 25.0


def end_at_once(*, local: bool) -> None:
    """Take SIGTERM and SIGINT of this process over from Snakemake.

    The jobs are ended, and Snakemake ends as it does for Ctrl-C. A signal that the process was
    started to ignore is ignored still.

    Parameters
    ----------
    local
        Whether the jobs are processes of this machine. Those of a cluster are Snakemake's to
        cancel, and what it starts for that must not be ended.
    """

    def end(number: int, frame: FrameType | None) -> None:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_IGN)
        threading.Thread(target=_end_jobs, args=(local,), daemon=True).start()
        raise KeyboardInterrupt

    for name in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(name) is not signal.SIG_IGN:
            signal.signal(name, end)


def _end_jobs(local: bool) -> None:
    """End what this process started, again and again: a job may begin while it ends."""
    start = time.monotonic()
    while (waited := time.monotonic() - start) < END_S:
        for process in psutil.Process().children(recursive=True) if local else ():
            try:
                process.kill() if waited > KILL_S else process.terminate()
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.5)
    os._exit(1)
