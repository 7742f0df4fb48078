"""fMRIPrep of one person: what is checked before, the command, and what it left."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commissure.engines.containers.settings import FmriprepSettings
from commissure.errors import ConfigError
from commissure.files import write_json

#: Options that the workflow sets, and nobody else.
_OURS = {
    "--participant-label": "the batch",
    "-w": "the workflow",
    "--work-dir": "the workflow",
    "--nthreads": "fmriprep.threads",
    "--nprocs": "fmriprep.threads",
    "--omp-nthreads": "fmriprep.threads",
    "--mem": "fmriprep.mem_mb",
    "--mem-mb": "fmriprep.mem_mb",
    "--fs-license-file": "fmriprep.license",
    "--output-spaces": "fmriprep.output_space",
    "--fs-no-reconall": "fmriprep.surfaces",
}

#: Lines of the program's log that are looked through for its last words.
_LOG_LINES = 400

#: What the wrapper says after every failure.
_OF_THE_WRAPPER = "fMRIPrep: Please report errors"

_LAST_WORDS = re.compile(r"(?:Error|Exception|Killed|No space left|Cannot|FATAL)", re.IGNORECASE)


@dataclass(frozen=True)
class Folders:
    """Where fMRIPrep reads and writes.

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


def check_before(settings: FmriprepSettings, folders: Folders) -> None:
    """Refuse what would stop every person's container.

    Parameters
    ----------
    settings
        How it is run.
    folders
        Where.

    Raises
    ------
    ConfigError
        No container engine or wrapper, no image or one of another digest, no licence file, no
        folder of TemplateFlow, too little room, or an option that the workflow sets itself.
    """
    for option in settings.options:
        name = option.partition("=")[0]
        if name in _OURS:
            raise ConfigError(
                "fmriprep.options",
                found=f"it holds {name}, which follows from {_OURS[name]}",
                wanted="options that nothing else sets",
                mend=f"Remove {name} from fmriprep.options, and set {_OURS[name]}",
            )
    if settings.license is None or not Path(settings.license).is_file():
        raise ConfigError(
            "fmriprep.license",
            found="no licence file of FreeSurfer is named"
            if settings.license is None
            else f"there is no file {settings.license}",
            wanted="the file license.txt that FreeSurfer's registration page sends",
            mend="Register at FreeSurfer's page, it is free, and name the file in config.yaml",
        )
    if settings.templateflow is not None and not Path(settings.templateflow).is_dir():
        raise ConfigError(
            "fmriprep.templateflow",
            found=f"there is no folder {settings.templateflow}",
            wanted="the folder that TEMPLATEFLOW_HOME names",
            mend="Correct fmriprep.templateflow in config.yaml",
        )
    (_check_docker if settings.via == "docker" else _check_apptainer)(settings)
    _check_room(settings, folders)


def _check_docker(settings: FmriprepSettings) -> None:
    docker = shutil.which("docker")
    if docker is None or _said([docker, "version", "--format", "{{.Server.Version}}"]) is None:
        raise ConfigError(
            "anat.engine or func.engine",
            found="fmriprep is to run by docker, which is not "
            + ("installed" if docker is None else "running, or not open to you"),
            wanted="a Docker that answers `docker version`",
            mend="Start it, or set fmriprep.via: apptainer and fmriprep.image to a .sif file",
        )
    # fmriprep-docker asks on its standard input whether to load an image, and dies without one.
    lines = _said([docker, "images", "--digests", "--format", "{{.Digest}}", settings.image])
    if not lines:
        raise ConfigError(
            "fmriprep.image",
            found=f"the image {settings.image} is not on this machine",
            wanted="an image that `docker images` lists",
            mend=f"Run docker pull {settings.image} once",
        )
    if settings.digest is not None and settings.digest not in lines:
        raise ConfigError(
            "fmriprep.digest",
            found=f"the image {settings.image} on this machine has {' or '.join(lines)}",
            wanted=settings.digest,
            mend=f"Run docker pull {settings.image.partition(':')[0]}@{settings.digest}",
        )


def _check_apptainer(settings: FmriprepSettings) -> None:
    if shutil.which("apptainer") is None and shutil.which("singularity") is None:
        raise ConfigError(
            "anat.engine or func.engine",
            found="fmriprep is to run by apptainer, which is not on the path",
            wanted="apptainer or singularity",
            mend="Load its module, or set fmriprep.via: docker",
        )
    if not Path(settings.image).is_file():
        raise ConfigError(
            "fmriprep.image",
            found=f"there is no file {settings.image}",
            wanted="the .sif file of fMRIPrep",
            mend="Run apptainer build fmriprep.sif docker://nipreps/fmriprep:VERSION once, and "
            "name the file",
        )


def _check_room(settings: FmriprepSettings, folders: Folders) -> None:
    folders.work.mkdir(parents=True, exist_ok=True)
    free_mb = shutil.disk_usage(folders.work).free / 1e6
    if free_mb < settings.disk_mb:
        raise ConfigError(
            "fmriprep.disk_mb",
            found=f"{free_mb / 1000:.1f} GB are free where fMRIPrep works",
            wanted=f"{settings.disk_mb / 1000:.1f} GB for a person",
            mend="Make room, name another output_dir, or lower fmriprep.disk_mb",
        )


def _said(command: Sequence[str]) -> list[str] | None:
    """Lines of a command's output; None where it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split() if done.returncode == 0 else None


def command(
    person: str,
    settings: FmriprepSettings,
    folders: Folders,
    *,
    threads: int,
    mem_mb: int,
    anat_only: bool = False,
) -> list[str]:
    """The command line of one person.

    Parameters
    ----------
    person
        With prefix, as ``sub-01``.
    settings
        How it is run.
    folders
        Where.
    threads, mem_mb
        What the scheduler gave to the job.
    anat_only
        Whether only the T1w image is asked for.

    Returns
    -------
    list of str
        Of ``fmriprep-docker``, or of Apptainer.
    """
    options = [
        "--participant-label", person.removeprefix("sub-"),
        "--nthreads", str(threads),
        "--omp-nthreads", str(min(threads, 8)),
        "--mem-mb", str(mem_mb),
        "--skip-bids-validation", "--notrack",
        *(() if settings.surfaces else ("--fs-no-reconall",)),
        *(("--anat-only",) if anat_only else ()),
        *settings.options,
    ]  # fmt: skip
    license = str(Path(settings.license or "").resolve())
    spaces = ["--output-spaces", settings.output_space]
    bids, tree, work = (
        str(path.resolve()) for path in (folders.bids, folders.tree, folders.work / person)
    )
    if settings.via == "docker":
        wrapper = str(Path(sys.executable).parent / "fmriprep-docker")
        # TemplateFlow lies inside the image: the wrapper maps no other folder.
        environment = ["-e", "OMP_NUM_THREADS", "1"]
        return [
            wrapper, bids, tree, "participant", "--no-tty", "-i", settings.image, "-w", work,
            "--fs-license-file", license, *environment, *options, *spaces,
        ]  # fmt: skip
    program = shutil.which("apptainer") or shutil.which("singularity") or "apptainer"
    binds = [f"{bids}:/data:ro", f"{tree}:/out", f"{work}:/work", f"{license}:/license.txt:ro"]
    variables = []
    if settings.templateflow is not None:
        binds.append(f"{Path(settings.templateflow).resolve()}:/templateflow")
        variables = ["--env", "TEMPLATEFLOW_HOME=/templateflow"]
    return [
        program, "run", "--cleanenv", "--containall",
        *(part for bind in binds for part in ("-B", bind)), *variables,
        settings.image, "/data", "/out", "participant", "-w", "/work",
        "--fs-license-file", "/license.txt", *options, *spaces,
    ]  # fmt: skip


def run_person(
    person: str,
    settings: FmriprepSettings,
    folders: Folders,
    *,
    inputs: object,
    threads: int,
    mem_mb: int,
    anat_only: bool = False,
) -> str:
    """Run fMRIPrep for a person, unless it has been run to its end with the same.

    Parameters
    ----------
    inputs
        Fingerprints of the person's images: another run is made where they change.

    Returns
    -------
    str
        Why it failed, with the program's own last words; empty where it came to its end.
    """
    words = command(person, settings, folders, threads=threads, mem_mb=mem_mb, anat_only=anat_only)
    asked = {"settings": settings.model_dump(exclude={"threads", "mem_mb", "disk_mb"}),
             "inputs": inputs, "anat_only": anat_only}  # fmt: skip
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    stamp = folders.work / f"{person}.json"
    if _stamped(stamp).get("key") == key and (folders.tree / person).is_dir():
        return ""
    for folder in (folders.tree, folders.work / person, folders.log):
        folder.mkdir(parents=True, exist_ok=True)
    log = folders.log / f"{person}.log"
    with log.open("w", encoding="utf-8") as file:
        print("$", " ".join(words), file=file, flush=True)
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False
            )
        except OSError as error:
            return f"fMRIPrep could not be started ({type(error).__name__}: {error.strerror})"
    if done.returncode == 0:
        write_json({"key": key}, stamp)
        return ""
    return (
        f"fMRIPrep ended with status {done.returncode}: {last_words(log, folders.tree / person)} "
        f"(logs/fmriprep/{log.name})"
    )


def _stamped(stamp: Path) -> Mapping[str, str]:
    try:
        return json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def last_words(log: Path, person: Path) -> str:
    """What the program said last of why it ended: of its crash files, else of its log.

    Parameters
    ----------
    log
        What it printed.
    person
        The person's folder in the tree, with crash files in ``log``.
    """
    texts = [*sorted(person.glob("log/**/crash-*.txt"))[-1:], log]
    for path in texts:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        except OSError:
            continue
        lines = [
            line.strip()
            for line in lines
            if line.strip() and not line.startswith(("$", _OF_THE_WRAPPER))
        ]
        told = next((line for line in reversed(lines) if _LAST_WORDS.search(line)), "")
        if told or lines:
            return (told or lines[-1])[:300]
    return "it said nothing"
