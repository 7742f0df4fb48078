"""What ``snakemake representation`` learns."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from commissure.models.encoders.settings import PretrainingSettings


class RepresentationSettings(PretrainingSettings):
    """What ``snakemake representation`` learns of the controls; a run does not do it by itself."""

    of: Literal["markers", "maps"] = Field(
        default="markers",
        description="What an encoder is learnt on: markers, or maps of grey matter (maps).",
    )
    resolution_mm: Literal[3, 4, 6, 12] = Field(
        default=4, description="Edge of the voxels of maps, in mm."
    )
    smoothing_mm: float = Field(
        default=0.0,
        ge=0,
        description="Full width at half maximum of the Gaussian by which maps are smoothed, in mm; "
        "0 is none.",
    )
    digests: bool = Field(
        default=True,
        description="Whether the encoder keeps digests of its people, by which it knows them.",
    )

    @property
    def pretraining(self) -> PretrainingSettings:
        """How it is learnt."""
        learnt = self.model_dump(include=set(PretrainingSettings.model_fields))
        return PretrainingSettings(**learnt)
