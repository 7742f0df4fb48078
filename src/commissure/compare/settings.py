"""How the tolerances of markers are measured."""

from __future__ import annotations

from pydantic import Field

from commissure.settings import Section


class TolerancesSettings(Section):
    """What ``snakemake tolerances`` does; a run does not do it by itself."""

    people: int = Field(
        default=3,
        ge=1,
        description="People who are measured again with their inputs moved by the last digit, "
        "those with most modalities first.",
    )
    repeats: int = Field(default=3, ge=1, description="How often each of them is measured again.")
    seed: int = Field(default=0, ge=0, description="Of the directions that voxels are moved in.")
