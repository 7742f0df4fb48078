"""One run at a time in one output folder, told by processes that live and not by files that stay.

The kernel lets go of a lock when its process ends, however it ends. So a lock that is held means
a run that goes on, and what Snakemake left of a killed run can be cleared.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commissure.errors import ConfigError
from commissure.files import remove_drafts, write_text
from commissure.flow import slurm
from commissure.flow.run_note import in_words, is_renewed, new_note, read_note, renew, write_note

#: Options of Snakemake with which it only looks.
_LOOKING = frozenset(
    (
        "--dry-run", "--dryrun", "--lint", "--summary", "-D", "--detailed-summary", "--dag",
        "--rulegraph", "--filegraph", "--d3dag", "--list", "--list-rules", "-l",
        "--list-target-rules", "--list-changes", "--list-input-changes", "--list-params-changes",
        "--list-code-changes", "--list-untracked", "--report", "--archive", "--unlock",
        "--cleanup-metadata", "--print-compilation", "--compilation",
    )
)  # fmt: skip
# How long a process that was just killed may take to be gone, and a dry run to end.
_PATIENCE_S = 3.0
# How often the queue is asked whether jobs of an earlier run have ended, seconds.
_SETTLE_S = 3.0
# How long no answer of Slurm is borne.
_NO_ANSWER_S = 120.0
# The variable by which a job knows its run, and the names of runs in Slurm's queue.
_RUN, _NAMES = "COMMISSURE_RUN", "slurm_names.txt"

# The locks of this process: they are held until it ends.
_held: list[int] = []


def only_looks(argv: Sequence[str]) -> bool:
    """Whether a snakemake command line changes nothing, as ``-n`` does."""
    words = {word.split("=")[0] for word in argv}
    return bool(words & _LOOKING) or any(re.fullmatch(r"-[a-zA-Z]*n[a-zA-Z]*", w) for w in words)


def hold(output_dir: Path) -> None:
    """Hold the run's lock until this process ends, and clear what a killed run left.

    Jobs of Slurm that a killed run left are waited for; those that have not begun are taken out
    of the queue.

    Raises
    ------
    ConfigError
        Another run goes on in the output folder, or a job of one that was killed.
    """
    work = output_dir / "work"
    path = work / "run.lock"
    lock, carried = _locked(path, fcntl.LOCK_EX)
    before = read_note(path)
    if lock is None or (_may_live(before, carried) and is_renewed(path, before)):
        if lock is not None:
            os.close(lock)
        raise ConfigError(
            f"output_dir {output_dir.name}",
            found=f"another run writes to it ({in_words(read_note(path))})",
            wanted="one run at a time",
            mend="Wait until it has ended or end it there, or name another output_dir",
        )
    if _may_live(before, carried):
        _say(f"a run was killed ({in_words(before)}); its lock is taken over")
    note = new_note()
    run = note["run"]
    # What an earlier run's jobs still compute is kept: they are of the run that goes on till then.
    note["run"] = before.get("run", run)
    renew(lock, note)
    if before:
        _settle(work)
    note["run"] = run
    write_note(lock, note)
    jobs, _ = _locked(work / "jobs.lock", fcntl.LOCK_EX)
    if jobs is None:
        os.close(lock)
        raise ConfigError(
            f"output_dir {output_dir.name}",
            found="a job of a run that was ended still computes",
            wanted="one run at a time",
            mend="Give the same command again when it has ended, or end its python process",
        )
    # The jobs of this run share it.
    os.close(jobs)
    _held.append(lock)
    # Jobs inherit it: one that is of no run that lives does nothing.
    os.environ[_RUN] = run
    _clear_stale(Path(".snakemake/locks"), output_dir)
    # Folders of people are cleared by the step that computes them.
    remove_drafts(output_dir)
    for pattern in ("fusion", "provenance", "work", "work/*/", "work/*/*/"):
        for folder in output_dir.glob(pattern):
            remove_drafts(folder)


def _may_live(note: Mapping[str, Any], carried: bool) -> bool:
    """Whether a lock that could be taken says nothing of the run that left a note.

    Parameters
    ----------
    note
        Of the run before.
    carried
        Whether the file system has locks at all.
    """
    return (
        bool(note)
        and not note.get("ended")
        and (not carried or note.get("host") != platform.node())
    )


def submitting(output_dir: Path, name: str) -> None:
    """Remember the name that a run's jobs have in the queue, so that a later run knows them."""
    names = output_dir / "work" / _NAMES
    write_text("".join(f"{line}\n" for line in [*_names(names), name]), names)


def _names(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def _settle(work: Path) -> None:
    """Wait until no job of an earlier run is in Slurm's queue."""
    path = work / _NAMES
    names = _names(path)
    if not names or not slurm.is_installed():
        return
    told: set[str] | None = None
    answered = time.monotonic()
    while (jobs := slurm.queued(names)) is None or jobs:
        if jobs is not None:
            answered = time.monotonic()
        elif time.monotonic() - answered > _NO_ANSWER_S:
            raise ConfigError(
                "Slurm",
                found="it does not say whether jobs of a run that was ended still run",
                wanted="an answer of squeue",
                mend=f"Try again later, or remove {path} if you know that none runs",
            )
        jobs = jobs or []
        slurm.cancel([job.number for job in jobs if job.waits])
        running = {job.number for job in jobs if not job.waits}
        if told is None or running - told:
            _say_left(jobs)
        told = running
        time.sleep(_SETTLE_S)
    path.unlink(missing_ok=True)


def _say_left(jobs: Sequence[slurm.Queued]) -> None:
    waiting = [job.number for job in jobs if job.waits]
    running = [job.number for job in jobs if not job.waits]
    if not jobs:
        _say("Slurm does not say whether jobs of a run that was ended still run; it is asked again")
    if waiting:
        _say(
            f"{len(waiting)} jobs of a run that was ended had not begun: taken out of the queue "
            f"({' '.join(waiting[:5])}{' ...' if len(waiting) > 5 else ''})"
        )
    if running:
        _say(
            f"{len(running)} jobs of a run that was ended still run: this run begins when they "
            "end, and what they compute is kept. To end them now: scancel " + " ".join(running)
        )


def _say(message: str) -> None:
    print(f"commissure: {message}", file=sys.stderr, flush=True)


def is_of_a_run_that_ended(work: Path) -> bool:
    """Whether this job was submitted by a run that is not the one that holds the lock.

    A job whose surroundings do not say, or whose run left no note, counts as of this run.
    """
    run, holds = os.environ.get(_RUN, ""), read_note(work / "run.lock").get("run", "")
    return bool(run and holds and not _held) and run != holds


@contextmanager
def computing(work: Path) -> Iterator[None]:
    """While a job computes, no other run may begin, even when its own was killed."""
    lock, _ = _locked(work / "jobs.lock", fcntl.LOCK_SH)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _locked(path: Path, kind: int) -> tuple[int | None, bool]:
    """Lock a file: its number, None where another process holds it, and whether locks work."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(number, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(number)
                return None, True
            time.sleep(0.1)
        except OSError:
            return number, False
        else:
            return number, True


def _clear_stale(folder: Path, output_dir: Path) -> None:
    """Remove Snakemake's locks of this output: only a killed run can have left them.

    Parameters
    ----------
    folder
        Where Snakemake keeps locks: ``N.output.lock`` and ``N.input.lock`` list what a run writes
        and reads.
    output_dir
        The run's output folder.
    """
    inputs, outputs = (
        {path.name.partition(".")[0]: path for path in folder.glob(f"*.{kind}.lock")}
        for kind in ("input", "output")
    )
    below = f"{output_dir}{os.sep}"
    for number in {*inputs, *outputs}:
        # Another study may read what this one writes: who writes is the owner.
        lock = outputs.get(number) or inputs[number]
        if any(line.startswith(below) for line in lock.read_text(encoding="utf-8").splitlines()):
            for path in (inputs.get(number), outputs.get(number)):
                if path is not None:
                    path.unlink(missing_ok=True)
