"""What a program in a container is, where it works, and for whom it is run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commissure.engines.containers.pins import Pin, pinned

#: Options that the workflow sets for every program, and from what they follow.
OF_ALL = {
    "--participant-label": "the batch",
    "-w": "the workflow",
    "--work-dir": "the workflow",
    "--nthreads": "{name}.threads",
    "--nprocs": "{name}.threads",
    "--n-cpus": "{name}.threads",
    "--omp-nthreads": "{name}.threads",
    "--mem": "{name}.mem_mb",
    "--mem-mb": "{name}.mem_mb",
    "--fs-license-file": "{name}.license",
}


@dataclass(frozen=True)
class Folders:
    """Where a program reads and writes.

    Attributes
    ----------
    bids
        The dataset.
    tree
        Its derivatives.
    work
        Its working directory, which lets a run that broke off go on.
    log
        Folder of a log for each person.
    """

    bids: Path
    tree: Path
    work: Path
    log: Path

    @classmethod
    def of(cls, engine: str, bids: str | Path | None, output_dir: str | Path) -> Folders:
        """Those of an engine, below the run's output folder."""
        out = Path(output_dir)
        return cls(Path(bids or ""), out / engine, out / "work" / engine, out / "logs" / engine)


@dataclass(frozen=True)
class Offered:
    """What the scheduler gave to a job.

    Attributes
    ----------
    threads, mem_mb, gpus
        Threads, megabytes and graphics processors.
    """

    threads: int
    mem_mb: int
    gpus: int = 0


@dataclass(frozen=True)
class Person:
    """Somebody whom a program is run for.

    Attributes
    ----------
    name
        With prefix, as ``sub-01``.
    images
        Modalities of which they have images that the program reads.
    asked
        Modalities that the program is asked for.
    """

    name: str
    images: frozenset[str]
    asked: frozenset[str]


@dataclass(frozen=True)
class Program:
    """A program in a container.

    Attributes
    ----------
    name
        Of its engine, and of its section in the configuration.
    title
        As its authors write it.
    serves, reads
        Modalities that it can preprocess, and those whose images it reads.
    options
        Options that the workflow sets, and from what they follow.
    command
        ``command(person, settings, folders, offered)``: the command line of one person.
    """

    name: str
    title: str
    serves: tuple[str, ...]
    reads: tuple[str, ...]
    options: Mapping[str, str]
    command: Callable[[Person, Any, Folders, Offered], list[str]]

    @property
    def pin(self) -> Pin:
        """The image that is run where none is named."""
        return pinned(self.name)

    @property
    def set_by_us(self) -> dict[str, str]:
        """Every option that the workflow sets, and from what it follows."""
        return {key: text.format(name=self.name) for key, text in OF_ALL.items()} | dict(
            self.options
        )


def shared_options(person: Person, settings: Any, offered: Offered) -> list[str]:
    """Options that the programs of one family have in common."""
    return [
        "--participant-label", person.name.removeprefix("sub-"),
        "--nthreads", str(offered.threads),
        "--omp-nthreads", str(min(offered.threads, 8)),
        "--mem-mb", str(offered.mem_mb),
        "--skip-bids-validation", "--notrack",
        *(() if settings.field_maps else ("--ignore", "fieldmaps")),
    ]  # fmt: skip


def apptainer(
    person: Person,
    settings: Any,
    folders: Folders,
    *,
    binds: Mapping[Path, str] | None = None,
    gpu: bool = False,
) -> list[str]:
    """The command line of Apptainer up to the options of the program.

    Parameters
    ----------
    person, settings, folders
        Whom it is for, how, and where.
    binds
        Further files, and where the program sees them.
    gpu
        Whether it sees the graphics processors.
    """
    program = shutil.which("apptainer") or shutil.which("singularity") or "apptainer"
    places, variables = _mounts(person, settings, folders, binds, license="/license.txt")
    return [
        program, "run", "--cleanenv", "--containall", *(("--nv",) if gpu else ()),
        *(word for place in places for word in ("-B", place)),
        *(word for variable in variables for word in ("--env", variable)),
        settings.image, "/data", "/out", "participant", "-w", "/work",
        "--fs-license-file", "/license.txt",
    ]  # fmt: skip


def docker(
    person: Person,
    settings: Any,
    folders: Folders,
    *,
    binds: Mapping[Path, str] | None = None,
    gpu: bool = False,
) -> list[str]:
    """The command line of Docker up to the options of the program; as :func:`apptainer`."""
    license = "/opt/freesurfer/license.txt"
    places, variables = _mounts(person, settings, folders, binds, license=license)
    return [
        shutil.which("docker") or "docker", "run", "--rm", *(("--gpus", "all") if gpu else ()),
        *(word for place in places for word in ("-v", place)),
        *(word for variable in variables for word in ("-e", variable)),
        settings.image, "/data", "/out", "participant", "-w", "/work",
        "--fs-license-file", license,
    ]  # fmt: skip


def _mounts(
    person: Person,
    settings: Any,
    folders: Folders,
    binds: Mapping[Path, str] | None,
    *,
    license: str,
) -> tuple[list[str], list[str]]:
    """Folders with the places at which the program sees them, and environment variables."""
    places = [
        f"{folders.bids.resolve()}:/data:ro",
        f"{folders.tree.resolve()}:/out",
        f"{(folders.work / person.name).resolve()}:/work",
        f"{Path(settings.license or '').resolve()}:{license}:ro",
        *(f"{path.resolve()}:{inside}:ro" for path, inside in (binds or {}).items()),
    ]
    if settings.templateflow is None:
        return places, []
    places.append(f"{Path(settings.templateflow).resolve()}:/templateflow")
    return places, ["TEMPLATEFLOW_HOME=/templateflow"]


def read_json(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing where it is not there or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
