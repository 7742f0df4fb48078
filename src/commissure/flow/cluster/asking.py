"""Asking a scheduler before the first job: for which jobs, and what it says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace

from commissure.flow.cluster.queues import ANSWER_S, Request

#: What precedes and follows the words of a scheduler that matter.
_AROUND = re.compile(
    r"(?:sbatch|sinfo|slurm_load_\w+): (?:error: )?"
    r"|Unable to run job: (?:job rejected: )?| Exiting\.$"
)


def largest(requests: Iterable[Request]) -> list[Request]:
    """Of each kind (partition, graphics processors, threads) the most memory and the most time."""
    kinds: dict[tuple[str, int, int], Request] = {}
    for request in requests:
        kind = request.partition, request.gpus, request.threads
        known = kinds.setdefault(kind, request)
        bigger = request if request.mem_mb > known.mem_mb else known
        minutes = max(known.minutes, request.minutes)
        kinds[kind] = replace(bigger, minutes=minutes)
    return list(kinds.values())


def said(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program of a scheduler; a status of 127 or 124 where it is not there or is silent."""
    try:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=ANSWER_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        return subprocess.CompletedProcess(list(words), 127, "", f"there is no {words[0]}")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(
            list(words), 124, "", f"{words[0]} gave no answer within {ANSWER_S:.0f} s"
        )


def in_words(done: subprocess.CompletedProcess[str]) -> str:
    """What a program said, without its own name; at most 300 characters."""
    text = " ".join((done.stderr or done.stdout).split())
    return _AROUND.sub("", text)[:300] or f"status {done.returncode}"
