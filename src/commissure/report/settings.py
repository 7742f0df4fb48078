"""Options of the report."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ReportSettings(BaseModel):
    """What the report shows; none of these changes a result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field("Markers of treatment resistance", description="Heading of the page.")
    subjects_with_figures: int = Field(
        12,
        ge=0,
        description="How many people's own figures are embedded: flagged people first, "
        "then people who together show every modality.",
    )
    figures_mb: float = Field(
        8.0,
        ge=0,
        le=12,
        description="Size in megabytes that embedded figures of people may take together; "
        "what does not fit is named by its path.",
    )
    viewer: bool = Field(
        True,
        description="Whether the page of a person holds its images for the slice viewer (about "
        "1 MB at clinical resolution).",
    )
    page_mb: float = Field(
        2.0,
        ge=0,
        le=50,
        description="Size in megabytes that the figures on the page of a person may take together; "
        "what does not fit is named by its path.",
    )
    pages_up_to: int = Field(
        1000,
        ge=0,
        description="A run writes the page of each person where the study has at most so many "
        "people with images. Of more it writes none and says so; `commissure report FOLDER "
        "--person sub-01` writes those that are wanted.",
    )
    main_markers: tuple[str, ...] = Field(
        (
            "volume/Hippocampus_L",
            "volume/Hippocampus_R",
            "volume/SFG_L",
            "volume/SFG_R",
            "volume/LateralVentricle_L",
            "volume/LateralVentricle_R",
            "fc/Default",
            "fc_dmn_core/Default",
            "fc_dlpfc_strength/DLPFC_bilateral",
            "fc_thal_cortex/Cont",
            "fc_striatum_cortex/frontal",
            "fa/WM",
            "fa/GCC",
            "fa/ACR_L",
            "fa/ACR_R",
            "md/WM",
            "glu/ACC",
            "gsh/ACC",
        ),
        description="Markers drawn in figures, as marker/region, chosen before the results "
        "are seen; the tables hold all markers.",
    )
    adjust_for: tuple[str, ...] = Field(
        ("age", "sex"),
        description="Columns of participants.tsv that group differences are adjusted for, beside "
        "the site (and, for volumes, the intracranial volume); those that are absent are left out.",
    )
    false_discovery_rate: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Level at which a group difference is marked, after correction over all "
        "markers of a comparison (Benjamini-Hochberg).",
    )
