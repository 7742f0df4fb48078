"""What a case of bad input is, and how its outcome is found out.

An area is a module of this package with a function::

    def cases(work: Path, *, mutations: int, seed: int) -> list[Case]: ...

It prepares what its cases share in ``work``, an empty folder, and gives its cases as data. A case
runs in a process of its own (a fork, so that what was prepared is there), within a time limit.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from commissure.errors import CommissureError

Verdict = Literal["refused", "flagged", "right", "silent", "traceback", "hang"]

#: In the order of the table's columns.
VERDICTS: tuple[Verdict, ...] = ("refused", "flagged", "right", "silent", "traceback", "hang")

#: What a case may end in where nothing else is said: told, one way or the other.
TOLD: tuple[Verdict, ...] = ("refused", "flagged")

#: What damage at random may end in: told, or without effect.
HARMLESS: tuple[Verdict, ...] = ("refused", "flagged", "right")


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes
    ----------
    verdict
        ``refused`` in words; ``flagged``: numbers differ, and a check, a note or a cause that the
        undisturbed run has not says so; ``right``: the numbers of the undisturbed run; ``silent``:
        other numbers and no word; ``traceback`` or ``hang``.
    words
        The sentence, the new flags, or how the numbers differ.
    """

    verdict: Verdict
    words: str = ""


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes
    ----------
    area, id, planted
        Where it belongs, its name, and what is planted, in words.
    attempt
        Plants it in the empty folder that it is given, and runs what would meet it. An error of
        the project that leaves it counts as refused, any other as a traceback.
    expected
        Verdicts that are good.
    detectable
        False where nothing in the data could tell; such a case is counted apart.
    limit_s
        Seconds until it hangs, where it may take longer than the others.
    """

    area: str
    id: str
    planted: str
    attempt: Callable[[Path], Outcome]
    expected: Sequence[Verdict] = TOLD
    detectable: bool = True
    limit_s: float = 0.0


@dataclass(frozen=True)
class Result:
    """A case with its outcome."""

    case: Case
    outcome: Outcome

    @property
    def good(self) -> bool:
        """Whether the outcome is one that the case may have."""
        if self.outcome.verdict in self.case.expected:
            return True
        return not self.case.detectable and self.outcome.verdict == "silent"


def outcome_of(case: Case, folder: Path, *, limit_s: float) -> Outcome:
    """Attempt a case in a process of its own; the folder is emptied before and removed after."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_attempt, args=(case, folder, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(limit_s):
            return Outcome("hang", f"no end after {limit_s:g} s")
        return receiver.recv()
    except EOFError:
        process.join()
        return Outcome("traceback", f"the process died ({process.exitcode})")
    finally:
        process.kill()
        process.join()
        shutil.rmtree(folder, ignore_errors=True)


def _attempt(case: Case, folder: Path, sender: multiprocessing.connection.Connection) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    try:
        outcome = case.attempt(folder)
    except CommissureError as error:
        outcome = Outcome("refused", str(error))
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        outcome = Outcome("traceback", f"{type(error).__name__}: {error} ({where})")
    sender.send(outcome)


def results(cases: Sequence[Case], folder: Path, *, limit_s: float = 120.0) -> Iterator[Result]:
    """Attempt every case in turn."""
    for case in cases:
        limit = max(limit_s, case.limit_s)
        yield Result(case, outcome_of(case, folder / case.id, limit_s=limit))


def compared(
    found: Mapping[str, float],
    truth: Mapping[str, float],
    tolerance: Mapping[str, float],
    *,
    told: Sequence[str] = (),
) -> Outcome:
    """Compare numbers with those of the undisturbed run.

    Parameters
    ----------
    found, truth
        Values by name.
    tolerance
        How far a value may lie from the truth by noise alone; of a name that is not here, nothing.
    told
        Flags, notes and causes that the undisturbed run has not.
    """
    apart = [
        f"{name} {truth.get(name, float('nan')):.4g} -> {found.get(name, float('nan')):.4g}"
        for name in sorted({*found, *truth})
        if not abs(found.get(name, float("nan")) - truth.get(name, float("nan")))
        <= tolerance.get(name, 0.0)
    ]
    words = "; ".join([*told, *apart])
    if not apart:
        return Outcome("right", words)
    return Outcome("flagged" if told else "silent", words)


def table(outcomes: Sequence[Result]) -> str:
    """The counts, by area and verdict."""
    columns = (*VERDICTS, "silent, not detectable", "unexpected")
    lines = ["| area | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for area in dict.fromkeys(result.case.area for result in outcomes):
        of_area = [result for result in outcomes if result.case.area == area]
        hidden = [r for r in of_area if not r.case.detectable and r.outcome.verdict == "silent"]
        counts = [
            sum(r.outcome.verdict == verdict and r not in hidden for r in of_area)
            for verdict in VERDICTS
        ]
        counts += [len(hidden), sum(not r.good for r in of_area)]
        lines.append(f"| {area} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)
