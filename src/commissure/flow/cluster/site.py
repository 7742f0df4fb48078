"""``site.yaml``: what a study needs to know of the machines that it runs on, and of nothing else.

No result depends on it. One file serves every scheduler; ``commissure init`` never replaces it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from commissure.errors import ConfigError
from commissure.settings import Section, validated

#: Where the file lies: in the folder in which snakemake is started.
SITE_FILE = "site.yaml"

#: Names another file, as one that all studies of a lab share.
SITE_VARIABLE = "COMMISSURE_SITE"


class SiteSettings(Section):
    """What a lab says of its cluster."""

    partition: str | None = Field(
        None,
        pattern=r"^[\w.,@-]+$",
        description="Partition or queue; the default if unset.",
    )
    account: str | None = Field(
        None, pattern=r"^[\w.,@-]+$", description="Account or project; your default if unset."
    )
    gpu: Literal["auto", "never", "require"] = Field(
        "auto",
        description="Whether steps that can use a graphics processor ask for one. auto: where "
        "gpu_partition is named, or this computer has one; require: no run without.",
    )
    gpu_partition: str | None = Field(
        None,
        pattern=r"^[\w.,@-]+$",
        description="Partition or queue of the steps that ask for a graphics processor.",
    )
    modules: list[str] = Field(
        default_factory=list,
        description="Environment modules that are loaded on the node before a job, as "
        "[apptainer/1.3].",
    )
    setup: list[str] = Field(
        default_factory=list, description="Further shell commands before a job, on the node."
    )
    options: list[str] = Field(
        default_factory=list,
        description="Further words of the command that submits a job (qsub, bsub).",
    )
    parallel_environment: str = Field(
        "smp", pattern=r"^[\w.-]+$", description="Name by which SGE gives several cores of a node."
    )
    scratch: str | None = Field(
        None,
        description="Folder on the node's own disk for files of a job that runs, as "
        "/scratch/$USER; variables are read on the node.",
    )
    scratch_least_gb: float = Field(
        2.0, ge=0, description="Room that must be free there before a job begins, GB."
    )
    scratch_most_gb: float | None = Field(
        None, gt=0, description="Room that a job may take there before it is ended, GB."
    )
    first_job_min: float = Field(
        10.0,
        ge=0,
        description="Minutes to wait for a first tiny job that looks at a node; 0: there is none.",
    )

    @property
    def commands(self) -> list[str]:
        """Shell commands that make a node ready for a job."""
        return [*(f"module load {name}" for name in self.modules), *self.setup]


def site_file() -> Path:
    """Where the file of this run lies, whether it is there or not."""
    return Path(os.environ.get(SITE_VARIABLE) or SITE_FILE)


def read_site(path: Path | None = None) -> SiteSettings:
    """What the lab says; every default where there is no file.

    Raises
    ------
    ConfigError
        The file cannot be read, or a key is unknown.
    """
    path = site_file() if path is None else path
    if not path.is_file():
        if os.environ.get(SITE_VARIABLE) and path == site_file():
            raise ConfigError(
                SITE_VARIABLE,
                found=f"there is no file {path}",
                wanted=f"a file like {SITE_FILE}",
                mend=f"Correct the variable {SITE_VARIABLE}",
            )
        return SiteSettings()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        where = " ".join(str(getattr(error, "problem_mark", "") or error).split())
        raise ConfigError(
            path.name, found=f"it is no YAML ({where})", wanted="options by name"
        ) from None
    if not isinstance(content, dict):
        raise ConfigError(path.name, found="it holds no options", wanted="options by name")
    return validated(SiteSettings, content, who=f"{path.name} is not valid")
