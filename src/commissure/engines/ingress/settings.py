"""Settings of results that other tools left, and that join the markers."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from commissure.settings import Section

#: Tools whose results can be read.
ToolName = Literal[
    "freesurfer", "fastsurfer", "synthseg", "cat12", "mriqc", "halfpipe", "xcpd", "lcmodel",
    "fslmrs", "osprey", "spant",
]  # fmt: skip

#: Parcellations by tool, the first where none is named: of FreeSurfer's ``?h.<name>.stats``, and
#: atlases of CAT12.
PARCELLATIONS: dict[str, tuple[str, ...]] = {
    "freesurfer": ("aparc", "aparc.DKTatlas"),
    "fastsurfer": ("aparc.DKTatlas.mapped", "aparc.DKTatlas"),
    "cat12": ("neuromorphometrics",),
}

#: Scales of concentrations by tool, the first where none is named.
SCALINGS: dict[str, tuple[str, ...]] = {
    "fslmrs": ("molality", "molarity"),
    "osprey": ("TissCorrWaterScaled", "CSFWaterScaled", "rawWaterScaled"),
    "spant": ("molal", "legacy"),
}

#: Tools that give fitted spectra.
SPECTRUM_TOOLS = ("lcmodel", "fslmrs", "osprey", "spant")

#: Tools that give matrices or time series of parcels.
PARCEL_TOOLS = ("halfpipe", "xcpd")


class IngressSettings(Section):
    """The output folder of another tool, whose results join the markers."""

    tool: ToolName = Field(description="Which tool made the folder.")
    folder: str = Field(
        min_length=1,
        description="Its output folder: SUBJECTS_DIR of FreeSurfer and FastSurfer, the folder with "
        "SynthSeg's CSV files, the folder above CAT12's report and label, the folder with "
        "group_T1w.tsv and group_bold.tsv of MRIQC, the derivatives of HALFpipe or XCP-D, a folder "
        "with tables of LCModel named as sub-01_ses-1_voi-ACC.table, or with a folder of each fit "
        "of FSL-MRS or spant, or Osprey's output.",
    )
    session: str | None = Field(
        default=None,
        description="The visit of everybody in the folder, where the names of files and folders do "
        "not say it, as ses-1.",
    )
    parcellation: str | None = Field(
        default=None,
        description="FreeSurfer and FastSurfer: the cortical table, ?h.<this>.stats. By default "
        "aparc (Desikan-Killiany), and aparc.DKTatlas.mapped for FastSurfer. CAT12: the atlas of "
        "its volumes, by default neuromorphometrics.",
    )
    voxel: str | None = Field(
        default=None,
        pattern=r"^[a-zA-Z0-9]+$",
        description="LCModel, FSL-MRS, Osprey and spant: the voxel of all spectra in the folder, "
        "where no voi- in the names says it.",
    )
    scaling: str | None = Field(
        default=None,
        description="FSL-MRS, Osprey and spant: the scale of the concentrations. FSL-MRS: molality "
        "(default) or molarity. Osprey: TissCorrWaterScaled (default), CSFWaterScaled or "
        "rawWaterScaled. spant: molal (default) or legacy. Ratios are read with each.",
    )
    labels: str | None = Field(
        default=None,
        description="HALFpipe: the table of the atlas (number and name of each parcel), because "
        "its matrices name no parcel. Where an output has headings it is not needed.",
    )
    pattern: str | None = Field(
        default=None,
        description="HALFpipe and XCP-D: which files to read where there are several atlases or "
        "features, as '*atlas-schaefer400*'.",
    )
    tasks: list[str] = Field(
        default=["rest"],
        description="MRIQC, HALFpipe and XCP-D: tasks of the BOLD runs that are read, with * as a "
        "wildcard.",
    )

    @field_validator("session")
    @classmethod
    def _with_prefix(cls, session: str | None) -> str | None:
        return session if session is None or session.startswith("ses-") else f"ses-{session}"

    @model_validator(mode="after")
    def _options_of_the_tool(self) -> Self:
        owners = {
            "parcellation": tuple(PARCELLATIONS),
            "voxel": SPECTRUM_TOOLS,
            "scaling": tuple(SCALINGS),
            "labels": PARCEL_TOOLS,
            "pattern": PARCEL_TOOLS,
        }
        for option, tools in owners.items():
            if getattr(self, option) is not None and self.tool not in tools:
                raise ValueError(f"{option} is an option of {' and '.join(tools)} only")
        known = SCALINGS.get(self.tool, ())
        if self.scaling is not None and self.scaling not in known:
            raise ValueError(f"scaling of {self.tool} is one of {', '.join(known)}")
        return self

    @property
    def cortex(self) -> str:
        """The parcellation of FreeSurfer, FastSurfer or CAT12."""
        return self.parcellation or PARCELLATIONS[self.tool][0]


def read_ingress(record: dict) -> IngressSettings:
    """Settings of a tool's folder from their plain form."""
    return IngressSettings(**record)
