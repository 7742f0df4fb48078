"""What a study may change about lesions over time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from commissure.settings import EngineSettings, Section


class LesionPreprocessSettings(Section):
    """Where masks come from, and how visits are brought into the space of the baseline."""

    masks: str = Field(
        "given",
        min_length=1,
        description="Masks of lesions: given with the images, or the folder of a network that "
        "commissure train-lesion left and that marks lesions in all images of its kind; it needs "
        "the extra deep.",
    )
    least_volume_mm3: float = Field(
        30.0, ge=0, description="Smaller parts of what a network marks are left out."
    )

    registration: Literal["auto", "rigid", "affine", "none"] = Field(
        "auto",
        description="How a visit is brought to the baseline: auto is rigid for MRI and affine for "
        "CT; none where the images of all visits lie on each other already.",
    )


class LesionMeasureSettings(Section):
    """How lesions become a response, and what is measured beside."""

    criteria: Literal[
        "recist-1.1", "rano-2010", "rano-2.0", "rano-2.0-volumes", "rano-2.0-non-enhancing",
        "rano-bm",
    ] = Field("recist-1.1", description="The response criteria.")  # fmt: skip
    confirmed_after_days: float = Field(
        28.0, ge=0, description="Least days from a response to the visit that confirms it."
    )
    stable_after_days: float = Field(
        42.0, ge=0, description="Least days from the baseline for stable disease."
    )
    radiomics: Literal["none", "mri", "ct"] = Field(
        "none",
        description="Radiomic features of every lesion, prepared as for MRI or CT; they need the "
        "extra lesion.",
    )


class LesionSettings(LesionMeasureSettings, LesionPreprocessSettings, EngineSettings):
    """How lesions are followed over visits, and by which criteria their response is judged."""
