"""What a study may change about the comparison of denoising strategies."""

from __future__ import annotations

from pydantic import Field

from commissure.settings import Section


class QcFcSettings(Section):
    """Which strategy of denoising leaves least of head motion in this cohort (QC-FC)."""

    covariates: list[str] = Field(
        default=["age", "sex", "site"],
        description="Participants' columns that are taken out of connectivity and displacement "
        "before they are correlated, where there are enough people.",
    )
    min_people: int = Field(
        default=20, ge=8, description="With fewer people there are numbers but no verdict."
    )
    permutations: int = Field(
        default=199,
        ge=19,
        description="How often displacements are dealt out to other people: what chance does.",
    )
