"""Settings of the T1-weighted images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from commissure.settings import EngineSettings, Section


class AnatPreprocessSettings(Section):
    """How the brain, its tissues and the way to the template are found."""

    skull_stripped: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Whether the images come without skull; 'auto' asks the sidecar's "
        "SkullStripped, then the image itself.",
    )
    registration_resolution_mm: float = Field(
        2.0,
        ge=1.0,
        le=5.0,
        description="Voxel size at which the tissues are registered to the template; halving it "
        "takes about six times as long.",
    )
    segmentation_resolution_mm: float = Field(
        1.0,
        ge=0.5,
        le=4.0,
        description="Images that are finer than this are segmented at this voxel size; the "
        "probabilities are then brought back to the image's own grid.",
    )
    prior_weight: float = Field(
        1.0,
        ge=0.0,
        le=1.0,
        description="Trust in the template's tissue maps during segmentation; 0 uses intensities "
        "and neighbours only.",
    )
    neighbour_weight: float = Field(
        0.15,
        ge=0.0,
        le=1.0,
        description="Log-odds by which a neighbouring voxel's tissue favours the same tissue "
        "(Markov random field); 0 switches it off.",
    )


class AnatMeasureSettings(Section):
    """Measuring volumes has no options."""


class AnatSettings(AnatMeasureSettings, AnatPreprocessSettings, EngineSettings):
    """What a study may change about the T1-weighted images."""
