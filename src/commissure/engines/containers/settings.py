"""Settings of programs in containers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from commissure.engines.containers.pins import pinned
from commissure.settings import Section


class ContainerSettings(Section):
    """How a program in a container is run."""

    via: Literal["docker", "apptainer"] = Field(
        default="docker", description="docker: on a workstation; apptainer: on a cluster."
    )
    digest: str | None = Field(
        default=None,
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="Digest that the Docker image must have (docker images --digests), or the "
        "SHA-256 of the .sif file, so that an image that was moved is noticed.",
    )
    license: str | None = Field(
        default=None, description="The licence file of FreeSurfer, which the program always needs."
    )
    templateflow: str | None = Field(
        default=None,
        description="Folder of TemplateFlow; needed where nodes have no network (apptainer). The "
        "engine derivatives takes transforms between template spaces from it; where it is not set, "
        "from the folder that the variable TEMPLATEFLOW_HOME names.",
    )
    field_maps: bool = Field(
        default=True,
        description="Whether field maps of the dataset are used; false: --ignore fieldmaps.",
    )
    threads: int = Field(default=4, ge=1, description="Threads of a person's job.")
    mem_mb: int = Field(default=16_000, ge=4_000, description="Memory of a person's job.")
    runtime_min: int = Field(
        default=720,
        ge=1,
        description="Minutes that a person may take, after which a cluster ends the job.",
    )
    disk_mb: int = Field(
        default=20_000, ge=0, description="Room that must be free for a person before it starts."
    )
    options: list[str] = Field(
        default_factory=list,
        description="Further options of the program, as [--use-syn-sdc, warn].",
    )


class FmriprepSettings(ContainerSettings):
    """How fMRIPrep is run, where anat or func has the engine fmriprep."""

    image: str = Field(
        default=pinned("fmriprep").reference,
        min_length=1,
        description="Image with its version; for apptainer the path of the .sif file.",
    )
    output_space: str = Field(
        default="MNI152NLin2009cAsym:res-2",
        pattern=r"^(MNI152NLin2009cAsym|MNI152NLin6Asym)(:res-\w+)?$",
        description="The space of the series that are measured.",
    )
    surfaces: bool = Field(
        default=False, description="Whether FreeSurfer's surfaces are made: six hours a person."
    )


class QsiprepSettings(ContainerSettings):
    """How QSIPrep is run, where dwi has the engine qsiprep."""

    image: str = Field(
        default=pinned("qsiprep").reference,
        min_length=1,
        description="Image with its version; for apptainer the path of the .sif file.",
    )
    output_resolution_mm: float = Field(
        default=2.0,
        ge=0.5,
        le=8,
        description="Voxel size of the series; near the acquired one: finer invents nothing.",
    )
    gpus: int = Field(
        default=0,
        ge=0,
        le=8,
        description="Graphics processors of a person's job, on which eddy then runs.",
    )
    eddy_config: str | None = Field(
        default=None,
        description="JSON file of eddy's options; QSIPrep's if unset. use_cuda follows from gpus.",
    )
