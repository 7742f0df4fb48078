"""One run at a time in one output folder, told by processes that live and not by files that stay.

The kernel lets go of a lock when its process ends, however it ends. So a lock that is held means
a run that goes on, and what Snakemake left of a killed run can be cleared.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from commissure.errors import ConfigError
from commissure.files import remove_drafts

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

# The locks of this process: they are held until it ends.
_held: list[int] = []


def only_looks(argv: Sequence[str]) -> bool:
    """Whether a snakemake command line changes nothing, as ``-n`` does."""
    words = {word.split("=")[0] for word in argv}
    return bool(words & _LOOKING) or any(re.fullmatch(r"-[a-zA-Z]*n[a-zA-Z]*", w) for w in words)


def hold(output_dir: Path) -> None:
    """Hold the run's lock until this process ends, and clear what a killed run left.

    Raises
    ------
    ConfigError
        Another run goes on in the output folder, or a job of one that was killed.
    """
    work = output_dir / "work"
    lock = _locked(work / "run.lock", fcntl.LOCK_EX)
    if lock is None:
        raise ConfigError(
            f"output_dir {output_dir.name}",
            found=f"another run writes to it ({_note(work / 'run.lock')})",
            wanted="one run at a time",
            mend="Wait until it has ended, or name another output_dir",
        )
    jobs = _locked(work / "jobs.lock", fcntl.LOCK_EX)
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
    os.ftruncate(lock, 0)
    note = f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M')}\n"
    os.pwrite(lock, note.encode(), 0)
    _held.append(lock)
    _clear_stale(Path(".snakemake/locks"), output_dir)
    # Folders of people are cleared by the step that computes them.
    remove_drafts(output_dir)
    for pattern in ("fusion", "provenance", "work", "work/*/", "work/*/*/"):
        for folder in output_dir.glob(pattern):
            remove_drafts(folder)


@contextmanager
def computing(work: Path) -> Iterator[None]:
    """While a job computes, no other run may begin, even when its own was killed."""
    lock = _locked(work / "jobs.lock", fcntl.LOCK_SH)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _locked(path: Path, kind: int) -> int | None:
    """Lock a file; None where another process holds it. No locks on the file system is no lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(number, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(number)
                return None
            time.sleep(0.1)
        except OSError:
            return number
        else:
            return number


def _note(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() or "it has just begun"


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
