"""Settings of the marker table: visits, exclusion rules and a lab's own tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from commissure.modalities import MODALITIES
from commissure.settings import Section


class SessionsSettings(Section):
    """Which sessions are the visits of the study."""

    baseline: str | list[str] = Field(
        default_factory=list,
        description="The session whose markers count, or several where people or modalities differ "
        "in its name. By default what the names say (01 before 02, baseline before 12m, pre before "
        "post), or acq_time in sessions.tsv or scans.tsv of the dataset; names of no order are "
        "refused.",
    )
    followup: str | list[str] = Field(
        default_factory=list, description="The later session against which change is taken."
    )

    @model_validator(mode="after")
    def _different(self) -> Self:
        both = set(self.names("baseline")) & set(self.names("followup"))
        if both:
            raise ValueError(f"'{min(both)}' is named as baseline and as followup")
        return self

    def names(self, key: Literal["baseline", "followup"]) -> list[str]:
        """The sessions that are declared as one of the two, in order."""
        given = getattr(self, key)
        return [given] if isinstance(given, str) else list(given)


class ColumnsSettings(Section):
    """Which columns of a table hold one kind of value, and what that is."""

    columns: list[str] | None = Field(
        default=None,
        description="Columns to take, with * as a wildcard; each pattern must match one of "
        "numbers. By default every numeric column.",
    )
    exclude: list[str] = Field(
        default_factory=list, description="Columns to leave out of those, with * as a wildcard."
    )
    unit: str = Field(default="1", description="Unit of the values; 1 for pure numbers.")
    prefix: str = Field(default="", description="Start of the column names that the region lacks.")
    suffix: str = Field(default="", description="End of the column names that the region lacks.")
    role: Literal["marker", "confound"] = Field(
        default="marker",
        description="confound: the columns describe the measurement (motion, noise), and enter the "
        "confounds model only.",
    )
    adjust: Literal["none", "head_size"] = Field(
        default="none",
        description="head_size: the columns are volumes, and are freed of head size: that of a "
        "column of the table called eTIV, ICV, TIV or EstimatedTotalIntraCranialVol, else that of "
        "the images.",
    )
    description: str = Field(default="", description="One sentence for markers.json.")


class TableSettings(ColumnsSettings):
    """One table of a lab (FreeSurfer, LCModel, clinical scores ...) that joins the markers."""

    file: str = Field(description="Path of the TSV or CSV, relative to the working folder.")
    participant: str = Field(
        default="participant_id", description="Column with the person's identifier."
    )
    session: str | None = Field(default=None, description="Column with the visit, if there is one.")
    layout: Literal["wide", "tidy"] = Field(
        default="wide",
        description="wide: one row per person, one column per region; "
        "tidy: the columns of markers.tsv.",
    )
    modality: str = Field(
        default="table",
        pattern=r"^[a-z][a-z0-9]*$",
        description="Modality under which the columns join the models: anat, func, dwi, mrs, "
        "table, or a name of your own.",
    )
    marker: str = Field(default="value", description="Name of the marker that the columns hold.")
    markers: dict[str, ColumnsSettings] = Field(
        default_factory=dict,
        description="Several kinds of value in one table, by marker, each with columns, exclude, "
        "unit, prefix, suffix, role, adjust and description: {fs_volume: {columns: [*_volume], "
        "suffix: _volume, unit: mm3, adjust: head_size}, fs_thickness: {columns: [*_thickness]}}.",
    )
    missing: list[str] = Field(
        default_factory=list,
        description="What else stands for a missing value in the table, as n.d. or -999; n/a, NaN "
        "and an empty cell always do.",
    )
    decimal: Literal[".", ","] = Field(
        default=".", description="Sign before the decimals of the table's numbers."
    )
    source: str = Field(default="", description="Software and version that made the table.")

    @model_validator(mode="after")
    def _one_description(self) -> Self:
        # A job is given every option, those too that nobody set.
        of_one = {
            name
            for name in ("marker", *ColumnsSettings.model_fields)
            if getattr(self, name)
            != type(self).model_fields[name].get_default(call_default_factory=True)
        }
        if self.markers and of_one:
            raise ValueError(
                f"markers says it of each kind of value: {min(of_one)} is not set here"
            )
        if self.layout == "tidy" and (self.markers or of_one):
            raise ValueError(
                f"a tidy table names its markers itself: {min(of_one | {'markers'})} has no place"
            )
        return self

    def kinds(self) -> Mapping[str, ColumnsSettings]:
        """The kinds of value of a wide table, by marker."""
        return self.markers or {self.marker: self}


class MarkersSettings(Section):
    """Which measurements are left out of the models. Decide before you look at labels."""

    max_mean_fd_mm: float | None = Field(
        default=0.55,
        gt=0,
        description="Leave out BOLD runs with a larger mean framewise displacement "
        "(Parkes et al. 2018, lenient rule).",
    )
    max_dwi_motion_mm: float | None = Field(
        default=None,
        gt=0,
        description="Leave out diffusion series with a larger mean relative displacement.",
    )
    max_fwhm_ppm: float | None = Field(
        default=0.1, gt=0, description="Leave out spectra with a larger line width."
    )
    min_mrs_snr: float | None = Field(
        default=None, gt=0, description="Leave out spectra with a smaller signal-to-noise ratio."
    )
    max_f_csf: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Leave out spectra whose voxel holds a larger fraction of CSF.",
    )
    mriqc_fence: float | None = Field(
        default=1.5,
        gt=0,
        description="Flag a metric of MRIQC that lies further than this many interquartile ranges "
        "beyond the quartiles of its site, on its bad side (the whiskers of MRIQC's own plots; "
        "Tukey 1977). Two such metrics flag all values of the image.",
    )
    mriqc_outliers: int | None = Field(
        default=None,
        gt=0,
        description="Leave out T1w images or BOLD runs with at least so many metrics of MRIQC "
        "beyond their limits.",
    )
    exclude: list[str] = Field(
        default_factory=list,
        description="Participants to leave out altogether, as sub-01 or sub-01/func.",
    )
    ratings: Literal["off", "any", "majority"] = Field(
        default="majority",
        description="Leave out what raters dropped on the pages of people (ratings.tsv and "
        "ratings_<rater>.tsv in output_dir): where any of several raters drops it, or more drop "
        "than keep it; off reads no ratings.",
    )
    acquisition: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="Of several acquisitions of one visit that measure the same, which counts: "
        "labels of acq- by modality in their order, as {dwi: [b1000, multishell]}; '' is none. "
        "After them comes what most people have. Others are named in the cautions, and never "
        "averaged.",
    )

    @field_validator("acquisition")
    @classmethod
    def _known_modalities(cls, acquisition: dict) -> dict:
        for modality in acquisition:
            if modality not in MODALITIES:
                raise ValueError(f"'{modality}' is none of {', '.join(MODALITIES)}")
        return acquisition

    @property
    def acquisitions(self) -> dict[str, tuple[str, ...]]:
        """Labels by modality, in their order, without ``acq-``."""
        lists = {k: [v] if isinstance(v, str) else v for k, v in self.acquisition.items()}
        return {key: tuple(v.removeprefix("acq-") for v in values) for key, values in lists.items()}


def read_tables(records: list[dict]) -> list[TableSettings]:
    """Settings of a lab's tables from their plain form."""
    return [TableSettings(**record) for record in records]
