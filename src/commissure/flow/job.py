"""The bridge between a Snakemake job and the library: log, errors, and what the job was given."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from commissure.errors import CommissureError
from commissure.files import write_text
from commissure.flow.address_space import check_address_space
from commissure.flow.arrival import await_files
from commissure.flow.attempts import Attempts
from commissure.flow.cluster.scratch import own_scratch
from commissure.flow.cluster.site import read_site
from commissure.flow.environment import keep
from commissure.flow.lost import write_outputs
from commissure.flow.run_lock import computing, is_of_a_run_that_ended
from commissure.flow.transient import is_transient, note_no_room
from commissure.paths import without_machine

#: The variable that says how many seconds late a file of another node may be.
LATENCY = "COMMISSURE_LATENCY_S"


@dataclass(frozen=True)
class Job:
    """What a script needs to know of its job.

    Attributes
    ----------
    rule
        Name of the rule.
    input, output, params
        As Snakemake gives them, by name.
    log
        The job's open log file.
    written
        Files beside the outputs that are recorded with them.
    attempt, memory_mb
        Which attempt of the job it is, and what it asked for.
    scratch
        The job's own folder on the node's disk, gone when it ends; None where there is none.
    """

    rule: str
    input: Any
    output: Any
    params: Any
    log: TextIO
    written: list[Path] = field(default_factory=list)
    attempt: int = 1
    memory_mb: int = 0
    scratch: Path | None = None

    def say(self, message: str) -> None:
        """Tell the terminal and the log how far the job is."""
        print(message, file=self.log, flush=True)
        print(f"  {message}", file=sys.stderr, flush=True)


@contextmanager
def running(snakemake: Any) -> Iterator[Job]:
    """Run a script's body with its log open and its errors readable.

    A :class:`CommissureError` ends the job with its one sentence on the terminal, and so does a
    fault of the machine, as a full disk; anything else is a bug and keeps its traceback. All stand
    in the log. What a rule wrote is recorded where it has a parameter ``record``. Temporary files
    go to the scratch of ``site.yaml``; graphics processors that it did not ask for are hidden.

    Parameters
    ----------
    snakemake
        The object that Snakemake puts into a script.
    """
    path = Path(str(snakemake.log[0])) if len(snakemake.log) else Path("/dev/null")
    record = getattr(snakemake.params, "record", None)
    output_dir = getattr(snakemake.params, "output_dir", None)
    work = Path(output_dir) / "work" if output_dir else Path(record).parents[1] if record else None
    path.parent.mkdir(parents=True, exist_ok=True)
    if not getattr(snakemake, "resources", {}).get("gpu", 0):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with _Log(path) as log:
        try:
            locked = computing(work) if work else nullcontext()
            with locked, own_scratch(read_site()) as scratch:
                if work:
                    _ready(snakemake, work, log)
                check_address_space(snakemake.rule)
                asked = getattr(snakemake, "resources", {})
                job = Job(
                    snakemake.rule, snakemake.input, snakemake.output, snakemake.params, log,
                    attempt=int(asked.get("attempt", 1)), memory_mb=int(asked.get("mem_mb", 0)),
                    scratch=scratch,
                )  # fmt: skip
                with _noted(job, Path(record)) if record else nullcontext():
                    yield job
                    if record is not None:
                        write_outputs([*snakemake.output, *job.written], Path(record))
                        work = Path(record).parents[1]
                        write_text(keep(work) + "\n", work / "jobs" / f"{Path(record).stem}.txt")
        except CommissureError as error:
            print(error, file=log)
            raise SystemExit(f"\n{snakemake.rule}: {error}\n") from None
        except Exception as error:
            traceback.print_exc(file=log)
            if work:
                note_no_room(error, work)
            if is_transient(error):
                raise SystemExit(
                    f"\n{snakemake.rule}: {type(error).__name__}: {error}. This is of the machine, "
                    "not of the data: mend it and give the same command again.\n"
                ) from None
            raise


@contextmanager
def _noted(job: Job, record: Path) -> Iterator[None]:
    """Leave a note while a job of the whole study computes: who is killed cannot say so."""
    attempts = Attempts.of_study(
        record.parents[1], record.stem, number=job.attempt, memory_mb=job.memory_mb
    )
    if "SLURM_JOB_ID" in os.environ:
        attempts.end_process_when_followed()
    try:
        yield
    finally:
        attempts.ends(record.stem)
        attempts.finish()


def _ready(snakemake: Any, work: Path, log: TextIO) -> None:
    """Before a job computes: its run must live, and what other nodes wrote be seen."""
    if is_of_a_run_that_ended(work):
        raise SystemExit(f"\n{snakemake.rule}: this job is of a run that was ended: not begun\n")
    latency = float(os.environ.get(LATENCY, 0))
    if latency and (late := await_files(snakemake.input, work.parent, at_most_s=latency)):
        print(f"{late[0]} and {len(late) - 1} more did not come in {latency:g} s", file=log)


class _Log(TextIOWrapper):
    """A log that may be passed on: absolute paths keep their last part, the machine no name."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("wb"), encoding="utf-8", write_through=True)

    def write(self, text: str) -> int:
        super().write(without_machine(text))
        return len(text)


def optional(item: object) -> Path | None:
    """Path of an input that may be absent: Snakemake gives an empty list for an absent file."""
    return Path(str(item)) if str(item) else None


def study_tables(job: Job) -> dict[str, Any]:
    """The tables of the study, as :func:`commissure.study.tables.read_study` takes them.

    Parameters
    ----------
    job
        A job of the fusion rules.
    """
    return {
        "markers": Path(job.input.markers),
        "definitions": Path(job.input.definitions),
        "exclusions": Path(job.input.exclusions),
        "visits": Path(job.input.visits),
        "participants": Path(job.input.people),
        "cautions_file": Path(job.input.cautions),
        "treatments": optional(job.input.treatments),
        "treatment_columns": job.params.treatment_columns,
    }
