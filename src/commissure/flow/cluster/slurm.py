"""What Slurm would refuse or leave waiting for ever, asked before the first job is submitted."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from commissure.errors import ConfigError
from commissure.flow.cluster.asking import in_words, largest, said
from commissure.flow.cluster.queues import Request, check_programs, slurm_words
from commissure.flow.cluster.site import SiteSettings


@dataclass(frozen=True)
class Partition:
    """What ``sinfo`` says of a partition.

    Attributes
    ----------
    name
        Of it.
    default
        Whether jobs go there that name none.
    minutes
        Longest job; None where there is no limit.
    gpus
        Whether a node of it has graphics processors.
    mem_mb, cores
        Those of its largest node.
    """

    name: str
    default: bool
    minutes: int | None
    gpus: bool
    mem_mb: int
    cores: int


def check_slurm(requests: Iterable[Request], site: SiteSettings) -> None:
    """Refuse what Slurm would refuse of each kind of job, or would let wait for ever.

    Parameters
    ----------
    requests
        What the jobs of the run ask for; of each kind the largest are asked after.
    site
        What the lab says.

    Raises
    ------
    ConfigError
        Slurm is not there or does not answer, a partition or account does not exist, a partition
        has no graphics processor, no node is as large as a job, or a job is longer than allowed.
    """
    check_programs("slurm")
    partitions = _partitions()
    _check_account(site)
    for request in largest(requests):
        usual = next((p for p in partitions if p.default), None)
        named = [p for p in partitions if p.name == request.partition] if request.partition else []
        if request.partition and not named:
            raise ConfigError(
                "gpu_partition" if request.gpus and site.gpu_partition else "partition",
                found=f"Slurm has no partition {request.partition}",
                wanted=" or ".join(sorted({p.name for p in partitions})),
                mend="Correct it in site.yaml, or in the profile that you named",
            )
        place = named[0] if named else usual
        if place is not None:
            _check_place(request, place, partitions)
        _ask(request, site, place)


def _check_place(request: Request, place: Partition, partitions: Sequence[Partition]) -> None:
    if request.gpus and not place.gpus:
        others = sorted({p.name for p in partitions if p.gpus})
        raise ConfigError(
            f"the step {request.name}",
            found=f"it asks for a graphics processor, and the partition {place.name} has none",
            wanted=f"a partition that has one: {' or '.join(others)}"
            if others
            else "a partition that has one; this cluster has none",
            mend=f"Set gpu_partition: {others[0]} in site.yaml, or gpu: never"
            if others
            else "Set gpu: never in site.yaml",
        )
    if place.minutes is not None and request.minutes > place.minutes:
        raise ConfigError(
            f"the step {request.name}",
            found=f"its job asks for {request.minutes} minutes, and the partition {place.name} "
            f"gives {place.minutes} at most: it would wait for ever",
            wanted="a partition with room for it, or a shorter job",
            mend="Name another partition in site.yaml, lower batch_size in config.yaml, or the "
            "runtime of default-resources in the profile",
        )


def _partitions() -> list[Partition]:
    done = said(["sinfo", "-h", "-o", "%P|%l|%m|%c|%G"])
    if done.returncode:
        raise ConfigError(
            "Slurm",
            found=f"it does not answer ({in_words(done)})",
            wanted="a Slurm that answers `sinfo`",
            mend="Wait until it does, or ask whoever runs the cluster",
        )
    found = []
    for line in done.stdout.splitlines():
        name, limit, memory, cores, gres = line.split("|", 4)
        largest_node = (int(re.sub(r"\D", "", text) or 0) for text in (memory, cores))
        place = name.rstrip("*"), name.endswith("*"), _minutes(limit), "gpu" in gres
        found.append(Partition(*place, *largest_node))
    merged: dict[str, Partition] = {}
    for part in found:  # one line for each kind of node
        known = merged.setdefault(part.name, part)
        merged[part.name] = replace(
            known,
            gpus=known.gpus or part.gpus,
            mem_mb=max(known.mem_mb, part.mem_mb),
            cores=max(known.cores, part.cores),
        )
    return list(merged.values())


def _minutes(limit: str) -> int | None:
    """Minutes of ``days-hours:minutes:seconds``; None for ``infinite``."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + minutes + (1 if seconds else 0)


def _check_account(site: SiteSettings) -> None:
    """Refuse an account that the accounting does not know; without accounting there is nothing."""
    if site.account is None:
        return
    words = ["sacctmgr", "-nP", "list", "assoc", f"user={getpass.getuser()}", "format=account"]
    done = said(words)
    known = sorted(set(done.stdout.split()))
    if done.returncode == 0 and known and site.account.lower() not in map(str.lower, known):
        raise ConfigError(
            "account",
            found=f"Slurm gives you no account {site.account}",
            wanted=" or ".join(known),
            mend="Correct account in site.yaml",
        )


def _ask(request: Request, site: SiteSettings, place: Partition | None) -> None:
    """Let Slurm look at a job without taking it."""
    done = said(["sbatch", "--test-only", *slurm_words(request, site), "--wrap", "true"])
    if done.returncode == 0:
        return
    raise ConfigError(
        f"the step {request.name}",
        found=f"Slurm would refuse its job: {in_words(done)}",
        wanted="a job that it takes; this one asks for "
        f"{request.mem_mb} MB, {request.minutes} minutes and {request.threads} cores"
        + (f" and {request.gpus} graphics processors" if request.gpus else "")
        + (
            f", and the largest node of {place.name} has {place.mem_mb} MB and {place.cores} cores"
            if place
            else ""
        ),
        mend="Name another partition or account in site.yaml, or lower batch_size in config.yaml "
        "or the resources in the profile",
    )
