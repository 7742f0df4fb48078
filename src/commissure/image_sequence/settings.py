"""How the images of a person are cut, and how a network learns from them."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from commissure.settings import Section

#: By how much each convolution makes the voxels larger.
_STRIDE = 2


class SequenceSettings(Section):
    """What the network sees, how it is built, and how long it learns."""

    lesions: int = Field(
        3, ge=1, le=20, description="Lesions of a person: the largest of the first visit."
    )
    crop_mm: float = Field(
        48.0, ge=8, le=256, description="Edge of the cube around each of them, in mm."
    )
    voxel_mm: float = Field(2.0, ge=0.3, le=10, description="Edge of the voxels of the cubes.")
    channels: tuple[int, ...] = Field(
        (8, 16, 32),
        min_length=1,
        max_length=6,
        description="Channels of each convolution; each halves the cube.",
    )
    hidden: int = Field(16, ge=1, le=512, description="Numbers that the LSTM keeps of a person.")
    dropout: float = Field(
        0.2, ge=0, lt=1, description="Share of these numbers that is left out while it learns."
    )
    epochs: int = Field(60, ge=1, description="Times everybody in training is seen.")
    batch: int = Field(8, ge=1, description="People of a step.")
    learning_rate: float = Field(3e-3, gt=0, le=0.1, description="At the first step.")
    weight_decay: float = Field(1e-2, ge=0, description="Of AdamW.")
    seed: int = Field(1, ge=0, description="Draws weights, the order of people and the changes.")

    @field_validator("channels")
    @classmethod
    def _some_of_each(cls, channels: tuple[int, ...]) -> tuple[int, ...]:
        if min(channels) < 1:
            raise ValueError("a convolution has one channel at least")
        return channels

    @model_validator(mode="after")
    def _large_enough(self) -> SequenceSettings:
        if self.edge < _STRIDE ** len(self.channels):
            raise ValueError(
                f"a cube of {self.edge} voxels cannot be halved {len(self.channels)} times: "
                "a larger crop_mm, a smaller voxel_mm or fewer channels are expected"
            )
        return self

    @property
    def edge(self) -> int:
        """Edge of the cubes in voxels."""
        return max(1, round(self.crop_mm / self.voxel_mm))
