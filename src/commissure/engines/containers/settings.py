"""Settings of fMRIPrep in a container."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from commissure.settings import Section

#: The version that is run where none is named: that of the wrapper in the lock.
FMRIPREP_VERSION = "25.2.7"


class FmriprepSettings(Section):
    """How fMRIPrep is run, where anat or func has the engine fmriprep."""

    via: Literal["docker", "apptainer"] = Field(
        default="docker",
        description="docker: by fmriprep-docker, on a workstation; apptainer: on a cluster.",
    )
    image: str = Field(
        default=f"nipreps/fmriprep:{FMRIPREP_VERSION}",
        min_length=1,
        description="Image with its version; for apptainer the path of the .sif file.",
    )
    digest: str | None = Field(
        default=None,
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="Digest that the Docker image must have (docker images --digests), so that a "
        "tag that was moved is noticed.",
    )
    license: str | None = Field(
        default=None, description="The licence file of FreeSurfer, which fMRIPrep always needs."
    )
    templateflow: str | None = Field(
        default=None,
        description="Folder of TemplateFlow; needed where nodes have no network (apptainer). The "
        "engine derivatives takes transforms between template spaces from it; where it is not set, "
        "from the folder that the variable TEMPLATEFLOW_HOME names.",
    )
    output_space: str = Field(
        default="MNI152NLin2009cAsym:res-2",
        pattern=r"^(MNI152NLin2009cAsym|MNI152NLin6Asym)(:res-\w+)?$",
        description="The space of the series that are measured.",
    )
    surfaces: bool = Field(
        default=False, description="Whether FreeSurfer's surfaces are made: six hours a person."
    )
    threads: int = Field(default=4, ge=1, description="Threads of a person's job.")
    mem_mb: int = Field(default=16_000, ge=4_000, description="Memory of a person's job.")
    disk_mb: int = Field(
        default=20_000, ge=0, description="Room that must be free for a person before it starts."
    )
    options: list[str] = Field(
        default_factory=list,
        description="Further options of fMRIPrep, as [--use-syn-sdc, --dummy-scans, '4'].",
    )
