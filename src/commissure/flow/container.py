"""A batch of people through a program in a container, whose tree the modalities read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from commissure.dataset.index import read_entries
from commissure.derivatives import Derivatives
from commissure.engines.containers.program import Folders, Offered, Person, Program
from commissure.engines.containers.run import run_person
from commissure.engines.trees.settings import TreeSettings
from commissure.engines.trees.tree import sources_of
from commissure.errors import DatasetError
from commissure.flow.attempts import Attempts
from commissure.flow.batch import run_batch
from commissure.flow.job import Job
from commissure.flow.transient import InterruptedRun
from commissure.names import Scan
from commissure.settings import Section

#: What takes the tree over, and the files that it leaves, by modality: the anatomy first.
TakesOver = Mapping[str, tuple[Callable[..., None], type[Derivatives]]]


def run_container(
    job: Job,
    program: Program,
    settings_type: type[Section],
    takes_over: TakesOver,
    *,
    threads: int,
    mem_mb: int,
    gpus: int = 0,
) -> None:
    """Run a program for everybody of a batch, and take over what it left.

    A person whose run fails is told with the program's own last words, and the others go on. A
    person with whom attempts of the job died comes last, and is left out in the last attempt.

    Parameters
    ----------
    job
        Has the manifest as ``input.manifest``, a status table by modality as outputs, and
        ``bids_dir``, ``output_dir``, ``settings`` (of the tree), ``container``, ``modalities`` and
        ``code`` as parameters.
    program
        What is run.
    settings_type
        Its settings.
    takes_over
        What takes the tree over, by modality.
    threads, mem_mb, gpus
        What the scheduler gave to the job.
    """
    settings = settings_type(**job.params.container)
    folders = Folders.of(program.name, job.params.bids_dir, job.params.output_dir)
    modalities = [name for name in takes_over if name in job.params.modalities]
    entries = read_entries(Path(job.input.manifest))
    read = [e for e in entries if e.used and e.modality in program.reads]
    people = sorted({e.participant_id for e in read if e.modality in modalities})
    work = Path(job.params.output_dir) / "work"
    table = Path(getattr(job.output, modalities[0]))
    attempts = Attempts.begin(
        work, f"{program.name}/{table.name}", number=job.attempt, memory_mb=job.memory_mb
    )
    if "SLURM_JOB_ID" in os.environ:
        attempts.end_process_when_followed()
    causes: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for name in attempts.order(people):
        if cause := attempts.gives_up(name, what="this person"):
            job.say(f"{program.name} {name}: {cause}")
            left_out[name] = cause
            continue
        job.say(f"{program.name} {name}")
        attempts.begins(name)
        theirs = [e for e in read if e.participant_id == name]
        images = frozenset(e.modality for e in theirs)
        causes[name] = run_person(
            program,
            Person(name, images, frozenset(modalities)),
            settings,
            folders,
            Offered(threads, mem_mb, gpus),
            inputs=sorted(e.fingerprint for e in theirs),
            scratch=job.scratch,
        )
        attempts.ends(name)
    attempts.finish()
    for modality in modalities:
        compute, files = takes_over[modality]
        run_batch(
            job,
            modality=modality,
            step="preprocess",
            compute=_unless_failed(compute, causes, left_out, program.name),
            settings_type=TreeSettings,
            files=files,
            status=getattr(job.output, modality),
            sources=sources_of(modality),
        )


def _unless_failed(
    compute: Callable[..., None],
    causes: Mapping[str, str],
    left_out: Mapping[str, str],
    program: str,
) -> Callable[..., None]:
    """What takes an image over, but for people whose run failed or was given up."""

    def taken_over(scan: Scan, folder: Path, **inputs: Any) -> None:
        if cause := left_out.get(scan.participant_id):
            more = f"Give more memory and time under {program} in config.yaml"
            raise InterruptedRun(scan.who, found=cause, mend=more)
        if cause := causes.get(scan.participant_id):
            raise DatasetError(
                scan.who, found=cause, mend="Look into its log; the next run goes on from there"
            )
        compute(scan, folder, **inputs)

    return taken_over
