"""What Slurm says of the jobs of a run: which are in its queue, and how one ended."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass

#: Seconds that a command of Slurm may take; it asks an absent controller for about ten.
_PATIENCE_S = 60

#: How Slurm calls the end of a job, in words for a user.
_ENDS = {
    "OUT_OF_MEMORY": "out of memory", "TIMEOUT": "out of time", "DEADLINE": "out of time",
    "NODE_FAIL": "the node was lost", "BOOT_FAIL": "the node was lost",
    "CANCELLED": "cancelled", "PREEMPTED": "displaced by other jobs", "REVOKED": "cancelled",
}  # fmt: skip
#: States of a job that does not run yet: it can be taken out of the queue and nothing is lost.
_WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"})


@dataclass(frozen=True)
class Queued:
    """A job in Slurm's queue.

    Attributes
    ----------
    number
        Slurm's number of the job.
    state
        As ``squeue`` has it: ``PENDING``, ``RUNNING`` ...
    what
        The comment that the job was submitted with: its rule or group.
    """

    number: str
    state: str
    what: str

    @property
    def waits(self) -> bool:
        """Whether it has not begun."""
        return self.state in _WAITING


def is_installed() -> bool:
    """Whether this machine has a Slurm to ask."""
    return shutil.which("squeue") is not None


def queued(names: Collection[str]) -> list[Queued] | None:
    """Jobs in the queue by their names; None where Slurm does not answer.

    Parameters
    ----------
    names
        Names of jobs; Snakemake gives all jobs of a run the same.
    """
    if not names:
        return []
    # %k may hold anything: it comes last.
    text = _asked("squeue", "--noheader", "--format=%i|%T|%k", f"--name={','.join(names)}")
    if text is None:
        return None
    return [Queued(*line.split("|", 2)) for line in text.splitlines() if line.count("|") >= 2]


def cancel(numbers: Collection[str]) -> None:
    """Take jobs out of the queue, or end them."""
    if numbers:
        _asked("scancel", *numbers)


def answers() -> bool:
    """Whether the controller of Slurm can be reached."""
    return _asked("squeue", "--noheader", "--name=is-there-an-answer") is not None


@dataclass(frozen=True)
class End:
    """How a job ended.

    Attributes
    ----------
    words
        Why, for a user; empty where Slurm does not say more than that it failed.
    memory, time
        What it had asked for, as Slurm writes it; empty where that is not known.
    """

    words: str = ""
    memory: str = ""
    time: str = ""


def end_of(number: str) -> End:
    """How a job ended: by the controller, which remembers it for some minutes, or the accounts."""
    text = _asked("scontrol", "--oneliner", "show", "job", number)
    if text:
        fields = dict(re.findall(r"(\w+)=(\S*)", text))
        memory = fields.get("MinMemoryNode") or fields.get("MinMemoryCPU", "")
        return End(_ENDS.get(fields.get("JobState", ""), ""), memory, fields.get("TimeLimit", ""))
    text = _asked("sacct", "-nXPj", number, "-o", "State,ReqMem,Timelimit")
    if text and text.count("|") >= 2:
        state, memory, time = text.splitlines()[0].split("|")[:3]
        # As in "CANCELLED by 1000".
        return End(_ENDS.get(state.split()[0] if state else "", ""), memory, time)
    return End()


def _asked(*command: str) -> str | None:
    """What a command of Slurm prints; None where it fails or is not there."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
