"""Submitting, asking after and cancelling a job, in the words of each scheduler.

Snakemake's plugin ``cluster-generic`` calls this module by the profiles of PBS, SGE and LSF:

    python -m commissure.flow.cluster.queues pbs submit JOBSCRIPT
    python -m commissure.flow.cluster.queues pbs status JOB

What a job ended with is written down by the job itself: accounts of schedulers lag and differ. A
job of which the scheduler knows nothing any more, and which left no such note, has failed.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commissure.errors import CommissureError, ConfigError
from commissure.files import write_text
from commissure.flow.cluster.site import SiteSettings, read_site

#: Notes on jobs: which note belongs to which job, and what each ended with.
NOTES = Path(".snakemake/queue")

#: Seconds for which a job may be unknown to its scheduler before it counts as lost: its note may
#: come late on a shared file system.
LOST_S = 60.0

#: How long a scheduler may take to answer, seconds.
ANSWER_S = 120.0


@dataclass(frozen=True)
class Request:
    """What a job asks for.

    Attributes
    ----------
    name
        Of the job, without spaces.
    mem_mb, minutes, threads, gpus
        Megabytes in all, minutes, cores and graphics processors.
    partition
        Where it goes; empty for the scheduler's default.
    """

    name: str = "commissure"
    mem_mb: int = 1500
    minutes: int = 30
    threads: int = 1
    gpus: int = 0
    partition: str = ""


Words = Callable[[Request, SiteSettings, Path], list[str]]


@dataclass(frozen=True)
class Scheduler:
    """The words of a scheduler.

    Attributes
    ----------
    title
        As its users call it.
    submit, query, cancel
        Its programs; ``query`` with what precedes the number of a job.
    words
        Options of ``submit`` for a request and the file of its output.
    job
        Finds the number of the job in what ``submit`` prints.
    over
        Finds in what ``query`` prints that the job is no longer there.
    by_stdin
        Whether ``submit`` reads the script from its standard input.
    address_space
        Whether its limit of memory is one of address space, of which a job takes more.
    """

    title: str
    submit: str
    query: Sequence[str]
    cancel: str
    words: Words
    job: str = r"^(\S+)"
    over: str = r"^$"
    by_stdin: bool = False
    address_space: bool = False


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def _given(flag: str, value: str | None) -> list[str]:
    return [flag, value] if value else []


def _pbs(request: Request, site: SiteSettings, log: Path) -> list[str]:
    gpus = f":ngpus={request.gpus}" if request.gpus else ""
    select = f"select=1:ncpus={request.threads}:mem={request.mem_mb}mb{gpus}"
    return [
        "-N", request.name, "-V", "-r", "n", "-j", "oe", "-o", str(log),
        "-l", select, "-l", f"walltime={_clock(request.minutes)}",
        *_given("-q", request.partition), *_given("-A", site.account),
    ]  # fmt: skip


def _sge(request: Request, site: SiteSettings, log: Path) -> list[str]:
    # Memory is told by core.
    each = -(-request.mem_mb // request.threads)
    several = ["-pe", site.parallel_environment, str(request.threads)]
    return [
        "-N", request.name, "-V", "-cwd", "-r", "n", "-j", "y", "-o", str(log), "-S", "/bin/bash",
        "-l", f"h_vmem={each}M", "-l", f"h_rt={_clock(request.minutes)}",
        *(several if request.threads > 1 else ()),
        *(("-l", f"gpu={request.gpus}") if request.gpus else ()),
        *_given("-q", request.partition), *_given("-P", site.account),
    ]  # fmt: skip


def _lsf(request: Request, site: SiteSettings, log: Path) -> list[str]:
    return [
        "-J", request.name, "-rn", "-o", str(log), "-n", str(request.threads),
        "-R", f"span[hosts=1] rusage[mem={request.mem_mb}MB]", "-M", f"{request.mem_mb}MB",
        "-W", str(request.minutes),
        *(("-gpu", f"num={request.gpus}") if request.gpus else ()),
        *_given("-q", request.partition), *_given("-P", site.account),
    ]  # fmt: skip


def slurm_words(request: Request, site: SiteSettings) -> list[str]:
    """Options of ``sbatch`` for a request."""
    return [
        "--job-name", request.name, "--no-requeue", "--mem", str(request.mem_mb),
        "--time", str(request.minutes), "--cpus-per-task", str(request.threads),
        *((f"--gpus={request.gpus}", "--ntasks-per-gpu=1") if request.gpus else ("--ntasks=1",)),
        *_given("--partition", request.partition), *_given("--account", site.account),
    ]  # fmt: skip


def _slurm(request: Request, site: SiteSettings, log: Path) -> list[str]:
    return ["--parsable", "--export=ALL", "--output", str(log), *slurm_words(request, site)]


#: Every scheduler by the name of its profile.
SCHEDULERS: Mapping[str, Scheduler] = {
    "slurm": Scheduler(
        "Slurm", "sbatch", ("squeue", "-h", "-t", "all", "-o", "%T", "-j"), "scancel", _slurm,
        job=r"^(\d+)",
        over=r"^$|^(CANCELLED|COMPLETED|FAILED|TIMEOUT|OUT_OF_MEMORY|NODE_FAIL|BOOT_FAIL|DEADLINE)",
    ),
    "pbs": Scheduler(
        "PBS", "qsub", ("qstat", "-f"), "qdel", _pbs, over=r"^$|job_state = [FCX]\b"
    ),
    "sge": Scheduler(
        "SGE", "qsub", ("qstat", "-j"), "qdel", _sge, job=r"^Your job (\d+)", address_space=True
    ),
    "lsf": Scheduler(
        "LSF", "bsub", ("bjobs", "-noheader", "-o", "stat"), "bkill", _lsf, job=r"Job <(\d+)>",
        over=r"^$|^(DONE|EXIT)", by_stdin=True,
    ),
}  # fmt: skip


def submit(
    name: str, command: str, request: Request, site: SiteSettings, *, log: Path
) -> tuple[str, Path]:
    """Submit a shell command.

    Parameters
    ----------
    name
        Key of :data:`SCHEDULERS`.
    command
        What runs on the node.
    request, site
        What it asks for, and what the lab says.
    log
        What it prints; the folder is made.

    Returns
    -------
    str
        Number of the job.
    Path
        The note that it leaves when it ends: its exit status.

    Raises
    ------
    ConfigError
        The scheduler's program is not there, or it refuses the job.
    """
    scheduler = SCHEDULERS[name]
    check_programs(name)
    notes = NOTES.absolute()
    notes.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex
    end = notes / f"{token}.end"
    script = notes / f"{token}.sh"
    write_text(_wrapped(command, end), script)
    words = [scheduler.submit, *scheduler.words(request, site, log.absolute()), *site.options]
    if not scheduler.by_stdin:
        words.append(str(script))
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=ANSWER_S, check=False,
            input=script.read_text(encoding="utf-8") if scheduler.by_stdin else "",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _refused(scheduler, f"it did not answer within {ANSWER_S:.0f} s", words) from None
    job = re.search(scheduler.job, done.stdout, re.M)
    if done.returncode or job is None:
        said = " ".join((done.stderr or done.stdout).split()) or f"status {done.returncode}"
        raise _refused(scheduler, said[:400], words)
    write_text(token, notes / f"{_plain(job[1])}.job")
    return job[1], end


def _wrapped(command: str, end: Path) -> str:
    """A script that leaves a note of what the command ended with, in one move."""
    quoted = shlex.quote(str(end))
    return (
        f"#!/bin/bash\nbash -c {shlex.quote(command)}\ncode=$?\n"
        f"echo $code > {quoted}.part && mv {quoted}.part {quoted}\nexit $code\n"
    )


def _refused(scheduler: Scheduler, said: str, words: Sequence[str]) -> ConfigError:
    return ConfigError(
        scheduler.title,
        found=f"{scheduler.submit} refuses a job: {said}",
        wanted=f"a job that it takes ({' '.join(words[:-1])[:300]})",
        mend="Correct partition, account or options in site.yaml, or what the profile asks for",
    )


def _plain(job: str) -> str:
    """The number of a job as a file name."""
    return re.sub(r"[^\w.-]", "_", job)


def check_programs(name: str) -> None:
    """Refuse a profile whose scheduler is not on this machine.

    Raises
    ------
    ConfigError
        With the profile of the scheduler that is there, if one is.
    """
    scheduler = SCHEDULERS[name]
    absent = [p for p in (scheduler.submit, scheduler.query[0]) if shutil.which(p) is None]
    if not absent:
        return
    others = [
        key for key, other in SCHEDULERS.items()
        if shutil.which(other.submit) and shutil.which(other.query[0])
    ]  # fmt: skip
    raise ConfigError(
        f"the profile {name}",
        found=f"there is no {' and no '.join(absent)} on the path of this machine",
        wanted=f"a machine from which {scheduler.title} takes jobs",
        mend=f"This one has {SCHEDULERS[others[0]].title}: snakemake --profile {others[0]}"
        if others
        else "Log in to the cluster's login node, or load the scheduler's module; without a "
        "cluster: snakemake --cores all",
    )


def is_queued(name: str, job: str) -> bool:
    """Whether the scheduler still holds a job, waiting or running."""
    scheduler = SCHEDULERS[name]
    done = subprocess.run(
        [*scheduler.query, job], capture_output=True, text=True, timeout=ANSWER_S, check=False
    )
    return done.returncode == 0 and re.search(scheduler.over, done.stdout.strip()) is None


def status(name: str, job: str) -> str:
    """``running``, ``success`` or ``failed``, as ``cluster-generic`` asks for it."""
    notes = NOTES.absolute()
    token = (notes / f"{_plain(job)}.job").read_text(encoding="utf-8")
    ended = exit_status(notes / f"{token}.end")
    if ended is not None:
        return "failed" if ended else "success"
    unseen = notes / f"{token}.unseen"
    if is_queued(name, job):
        unseen.unlink(missing_ok=True)
        return "running"
    if not unseen.exists():
        unseen.touch()
    return "failed" if time.time() - unseen.stat().st_mtime > LOST_S else "running"


def exit_status(end: Path) -> int | None:
    """What a job ended with, by its note; None where there is none yet."""
    # A folder that was looked at is looked at anew on file systems that keep what they saw.
    os.listdir(end.parent)
    try:
        return int(end.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def request_of(properties: Mapping[str, Any], site: SiteSettings) -> Request:
    """What a job script of Snakemake asks for, by the properties in its second line."""
    resources = properties.get("resources", {})
    gpus = int(resources.get("gpu") or 0)
    name = str(properties.get("rule") or properties.get("groupid") or "job")
    return Request(
        name=f"commissure-{name}"[:60],
        mem_mb=int(resources.get("mem_mb") or Request.mem_mb),
        minutes=int(resources.get("runtime") or Request.minutes),
        threads=max(1, int(properties.get("threads") or 1)),
        gpus=gpus,
        partition=(site.gpu_partition if gpus else None) or site.partition or "",
    )


def read_properties(jobscript: Path) -> dict[str, Any]:
    """The properties that Snakemake writes into a job script."""
    for line in jobscript.read_text(encoding="utf-8").splitlines():
        if line.startswith("# properties = "):
            properties: dict[str, Any] = json.loads(line.removeprefix("# properties = "))
            return properties
    return {}


def main(name: str, what: str, item: str) -> None:
    """Submit the job script ``item``, or say how the job ``item`` stands."""
    if what == "status":
        print(status(name, item))
        return
    site, path = read_site(), Path(item)
    properties = read_properties(path)
    request = request_of(properties, site)
    log = Path("logs/queue") / f"{request.name}-{properties.get('jobid', 'job')}.log"
    print(submit(name, f"sh {shlex.quote(item)}", request, site, log=NOTES.parent / log)[0])


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except CommissureError as error:
        sys.exit(f"commissure: {error}")
