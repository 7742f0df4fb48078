"""What would stop every person's container, looked at before the first."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commissure.engines.containers.program import Folders, Program
from commissure.errors import ConfigError


def check_before(program: Program, settings: Any, folders: Folders) -> list[str]:
    """Refuse what would stop every person's container.

    Parameters
    ----------
    program
        The program.
    settings
        How it is run.
    folders
        Where.

    Returns
    -------
    list of str
        What is odd, and stops nothing: that no digest pins the image.

    Raises
    ------
    ConfigError
        No container engine or wrapper, no image or one of another digest, no licence file, no
        folder of TemplateFlow, options of eddy that cannot be read, too little room, or an option
        that the workflow sets itself.
    """
    ours = dict(program.set_by_us)
    if not settings.field_maps:
        # Given twice, the second --ignore would stand alone.
        ours["--ignore"] = f"{program.name}.field_maps"
    for option in settings.options:
        name = option.partition("=")[0]
        cause = ours.get(name)
        if cause is not None:
            raise ConfigError(
                f"{program.name}.options",
                found=f"it holds {name}, which follows from {cause}",
                wanted="options that nothing else sets",
                mend=f"Remove {name} from {program.name}.options, and set {cause}",
            )
    _check_files(program, settings)
    check = _check_docker if settings.via == "docker" else _check_apptainer
    cautions = check(program, settings)
    _check_room(program, settings, folders)
    return cautions


def _check_files(program: Program, settings: Any) -> None:
    if settings.license is None or not Path(settings.license).is_file():
        raise ConfigError(
            f"{program.name}.license",
            found="no licence file of FreeSurfer is named"
            if settings.license is None
            else f"there is no file {settings.license}",
            wanted="the file license.txt that FreeSurfer's registration page sends",
            mend="Register at FreeSurfer's page, it is free, and name the file in config.yaml",
        )
    if settings.templateflow is not None and not Path(settings.templateflow).is_dir():
        raise ConfigError(
            f"{program.name}.templateflow",
            found=f"there is no folder {settings.templateflow}",
            wanted="the folder that TEMPLATEFLOW_HOME names",
            mend=f"Correct {program.name}.templateflow in config.yaml",
        )
    eddy = getattr(settings, "eddy_config", None)
    if eddy is None:
        return
    try:
        readable = isinstance(json.loads(Path(eddy).read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        readable = False
    if not readable:
        raise ConfigError(
            f"{program.name}.eddy_config",
            found=f"{eddy} is not there, or no JSON file of options by name",
            wanted="a file like eddy_params.json of QSIPrep",
            mend=f"Correct {program.name}.eddy_config in config.yaml",
        )


def _engine(program: Program) -> str:
    return " or ".join(f"{modality}.engine" for modality in program.serves)


def _check_docker(program: Program, settings: Any) -> list[str]:
    docker = shutil.which("docker")
    if docker is None or _said([docker, "version", "--format", "{{.Server.Version}}"]) is None:
        raise ConfigError(
            _engine(program),
            found=f"{program.name} is to run by docker, which is not "
            + ("installed" if docker is None else "running, or not open to you"),
            wanted="a Docker that answers `docker version`",
            mend=f"Start it, or set {program.name}.via: apptainer and {program.name}.image to a "
            ".sif file",
        )
    # fmriprep-docker asks on its standard input whether to load an image, and dies without one.
    lines = _said([docker, "images", "--digests", "--format", "{{.Digest}}", settings.image])
    if not lines:
        raise ConfigError(
            f"{program.name}.image",
            found=f"the image {settings.image} is not on this machine",
            wanted="an image that `docker images` lists",
            mend=f"Run docker pull {settings.image} once",
        )
    if settings.digest is None:
        return [_without_digest(program, settings, f"that of this machine is {' or '.join(lines)}")]
    if settings.digest not in lines:
        raise ConfigError(
            f"{program.name}.digest",
            found=f"the image {settings.image} on this machine has {' or '.join(lines)}",
            wanted=settings.digest,
            mend=f"Run docker pull {settings.image.rpartition(':')[0]}@{settings.digest}",
        )
    return []


def _check_apptainer(program: Program, settings: Any) -> list[str]:
    if shutil.which("apptainer") is None and shutil.which("singularity") is None:
        raise ConfigError(
            _engine(program),
            found=f"{program.name} is to run by apptainer, which is not on the path",
            wanted="apptainer or singularity",
            mend=f"Load its module, or set {program.name}.via: docker",
        )
    image = Path(settings.image)
    if not image.is_file():
        raise ConfigError(
            f"{program.name}.image",
            found=f"there is no file {settings.image}",
            wanted=f"the .sif file of {program.title}",
            mend=f"Run apptainer build {program.name}.sif docker://{program.pin.reference} once, "
            "and name the file",
        )
    if settings.digest is None:
        how = f"set it to what sha256sum {image.name} prints, after sha256:"
        return [_without_digest(program, settings, how)]
    with image.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if digest != settings.digest:
        raise ConfigError(
            f"{program.name}.digest",
            found=f"the file {settings.image} has {digest}",
            wanted=settings.digest,
            mend="Build or fetch the file again, or correct the digest",
        )
    return []


def _without_digest(program: Program, settings: Any, how: str) -> str:
    return (
        f"{program.name}.digest is not set: the image {settings.image} is known by its name alone, "
        f"which may come to mean another one; {how}"
    )


def _check_room(program: Program, settings: Any, folders: Folders) -> None:
    there = next(path for path in (folders.work, *folders.work.absolute().parents) if path.is_dir())
    free_mb = shutil.disk_usage(there).free / 1e6
    if free_mb < settings.disk_mb:
        raise ConfigError(
            f"{program.name}.disk_mb",
            found=f"{free_mb / 1000:.1f} GB are free where {program.title} works",
            wanted=f"{settings.disk_mb / 1000:.1f} GB for a person",
            mend=f"Make room, name another output_dir, or lower {program.name}.disk_mb",
        )


def _said(command: Sequence[str]) -> list[str] | None:
    """Words of a command's output; None where it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split() if done.returncode == 0 else None
