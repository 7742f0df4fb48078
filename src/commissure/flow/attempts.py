"""What earlier attempts of a job died of, and at which image: it goes last, and is left in the end.

A job that runs out of memory or time, is cancelled, or loses its node cannot say so. Each attempt
notes at which image it is; the next one finds the note and asks Slurm what became of its author. A
job of the whole study has a note, too, and the run reads it in the end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import psutil

from commissure.files import write_json
from commissure.flow import slurm
from commissure.flow.address_space import limit_mb, taken_mb
from commissure.flow.run_note import read_note

#: How often a batch is tried. The last attempt does without the images at which others died.
ATTEMPTS = 4
#: Share of the memory of a job, or of the machine, from which a job that is killed ran out of it.
NEAR = 0.8
#: Megabytes of the processes that Slurm counts with a job beside the one that computes.
BESIDE_MB = 150
_LOOK_S = 0.25
#: Seconds between two looks whether a later attempt has begun.
_FOLLOWED_S = 1.0
#: Where the jobs of the whole study have their notes, below those of the batches.
_STUDY = "study"
_FOLLOWED = "A later attempt of this job has begun; this one ends"


@dataclass
class Attempts:
    """The attempts of one batch in one step.

    Attributes
    ----------
    path
        The note; it is there while an attempt computes, and after one that died.
    run
        The run that this attempt belongs to.
    number
        Which attempt it is: 1, 2 ...
    died
        What earlier attempts died of (``run`` and ``cause``), by the image that they computed.
    token
        Tells this attempt from every other.
    """

    path: Path
    run: str = ""
    number: int = 1
    died: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    _over: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of_study(cls, work: Path, name: str, *, number: int, memory_mb: int) -> Attempts:
        """Begin an attempt of a job of the whole study, whose name stands for the image."""
        table = f"{_STUDY}/{name}.tsv"
        attempts = cls.begin(work, table, number=number, memory_mb=memory_mb)
        attempts.begins(name)
        return attempts

    @classmethod
    def begin(cls, work: Path, table: Path | str, *, number: int, memory_mb: int) -> Attempts:
        """Begin an attempt: read what the one before it left.

        Parameters
        ----------
        work
            The run's folder for internal files.
        table
            The status table that the attempt will write.
        number
            Which attempt it is.
        memory_mb
            What the job asked for.
        """
        table = Path(table)
        path = work / "attempts" / table.parent.name / f"{table.stem}.json"
        attempts = cls(path, str(read_note(work / "run.lock").get("run", "")), number)
        before = _read(path)
        attempts.died = before.get("died") or {}
        near = path.with_suffix(".near")
        # What a run that was ended had at hand is no fault of the image.
        if before.get("image") and before.get("run") == attempts.run:
            cause = _cause(before, near.exists())
            attempts.died.setdefault(before["image"], []).append(
                {"run": attempts.run, "cause": cause}
            )
        near.unlink(missing_ok=True)
        attempts._write("")
        watched = (near, memory_mb, attempts._over)
        threading.Thread(target=_watch, args=watched, daemon=True).start()
        return attempts

    def end_process_when_followed(self) -> None:
        """End this process as soon as a later attempt has begun, in the middle of an image, too.

        It would write over what the later attempt finishes. For the process of a Slurm job alone:
        on one machine no attempt outlives its run.
        """

        def look() -> None:
            while not self._over.wait(_FOLLOWED_S):
                if self._followed() and not self._over.is_set():
                    print(_FOLLOWED, file=sys.stderr, flush=True)
                    os._exit(1)

        threading.Thread(target=look, daemon=True).start()

    def order(self, scans: Sequence[str]) -> list[str]:
        """Images by how often an attempt died at them: the others are finished first."""
        return sorted(scans, key=lambda scan: len(self.died.get(scan, ())))

    def gives_up(self, scan: str, *, what: str = "this image") -> str:
        """Why an image is not tried once more; empty where it is."""
        causes = [end["cause"] for end in self.died.get(scan, ()) if end["run"] == self.run]
        if self.number < ATTEMPTS or not causes:
            return ""
        times = "once" if len(causes) == 1 else f"{len(causes)} times"
        return f"the job ended {times} while it computed {what}: {_in_turn(causes)}"

    def with_more_next(self) -> bool:
        """Whether the next attempt gets more memory, so that one which had too little should end.

        Where a scheduler limits address space a job is not killed, but told that there is none.
        """
        if limit_mb() is None or self.number >= ATTEMPTS:
            return False
        self.path.with_suffix(".near").touch()
        return True

    def begins(self, scan: str) -> None:
        """Note that an image is computed now."""
        self.check()
        self._write(scan)

    def ends(self, scan: str) -> None:
        """An image is done, well or not: no attempt died at it."""
        self.check()
        self.died.pop(scan, None)

    def finish(self) -> None:
        """The batch is done; what is known of images that killed their jobs is kept."""
        self._over.set()
        self.check()
        if self.died:
            self._write("")
        else:
            self.path.unlink(missing_ok=True)

    def check(self) -> None:
        """End this process where a later attempt has begun.

        A node that counts as lost may compute on, and must not write beside the attempt that
        followed.

        Raises
        ------
        SystemExit
            A later attempt has begun.
        """
        if self._followed():
            raise SystemExit(_FOLLOWED)

    def _followed(self) -> bool:
        """Whether the note is another's, or gone because another has finished."""
        return _read(self.path).get("token") != self.token

    def _write(self, scan: str) -> None:
        content = {
            "token": self.token, "run": self.run, "image": scan,
            "slurm": os.environ.get("SLURM_JOB_ID", ""), "died": self.died,
        }  # fmt: skip
        write_json(content, self.path)


def deaths(work: Path) -> list[str]:
    """Which jobs of the whole study died in this run, of what, and what to do; a sentence for each.

    A job that ends by itself, well or with an error, leaves no note.

    Parameters
    ----------
    work
        The run's folder for internal files.
    """
    run = read_note(work / "run.lock").get("run", "")
    sentences = []
    for path in sorted((work / "attempts" / _STUDY).glob("*.json")):
        note = _read(path)
        if note.get("run") != run or not (name := note.get("image")):
            continue
        died = [end["cause"] for end in note["died"].get(name, ()) if end["run"] == run]
        causes = [*died, _cause(note, path.with_suffix(".near").exists())]
        # As in fusion_null-3, a part of the step fusion_null.
        step = name.partition("-")[0]
        times = "" if len(causes) == 1 else f" {len(causes)} times"
        options = more_of(step, causes)
        mend = f"with {options}" if options else "when what ended it is mended"
        sentences.append(
            f"the step {step} was ended{times} before it was done: {_in_turn(causes)}. Give "
            f"the same command again {mend}; what does not need this step is done, and stays"
        )
    return sentences


def _in_turn(causes: Sequence[str]) -> str:
    """Causes one after another; one that came again and again stands once."""
    return ", then ".join(cause for cause, _ in groupby(causes))


def more_of(rule: str, causes: Iterable[str]) -> str:
    """Options that give a rule more of what its jobs ran out of; empty where they did not."""
    told = " ".join(causes)
    resources = (("memory", "mem_mb"), ("time", "runtime"))
    short = [name for word, name in resources if f"out of {word}" in told]
    return " and ".join(f"--set-resources {rule}:{name}=..." for name in short)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _cause(before: Mapping[str, Any], near: bool) -> str:
    """What an attempt died of, in words."""
    end = slurm.end_of(before["slurm"]) if before.get("slurm") else slurm.End()
    words = end.words or ("out of memory" if near else "")
    if words == "out of memory" and end.memory:
        return f"{words} ({end.memory} were asked for)"
    if words == "out of time" and end.time:
        return f"{words} ({end.time} were asked for)"
    return words or "killed, by the machine or by somebody"


def _watch(near: Path, memory_mb: int, over: threading.Event) -> None:
    """Leave a mark where memory comes to its end: who is killed for it cannot say so."""
    under_slurm = bool(memory_mb) and "SLURM_JOB_ID" in os.environ
    me = psutil.Process()
    limit = NEAR * memory_mb * 2**20
    address_space = limit_mb()
    above = [parent for parent in me.parents() if parent.name().startswith(("python", "snake"))]
    while not over.wait(_LOOK_S):
        try:
            if under_slurm:
                family = [me, *above, *me.children(recursive=True)]
                used = sum(process.memory_info().rss for process in family) + BESIDE_MB * 2**20
                full = used > limit
            else:
                machine = psutil.virtual_memory()
                full = machine.available < (1 - NEAR) / 2 * machine.total
            if full or (address_space and taken_mb() > NEAR * address_space):
                near.touch()
                return
        except (psutil.Error, OSError):
            continue
