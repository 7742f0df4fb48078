"""What a network takes, how it is built and how it is trained."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from commissure.errors import ConfigError
from commissure.settings import Section
from commissure.torch_device import Device

#: BIDS suffix of the images in which a network marks lesions.
ImageSuffix = Literal["ct", "T1w", "FLAIR", "T2w"]

#: Where a network computes: auto is a graphics processor where torch sees one.


class NetworkShape(Section):
    """What a network takes and how it is built; weights of another shape do not fit."""

    image: ImageSuffix = Field(description="BIDS suffix of the images.")
    voxel_mm: float = Field(gt=0.2, le=10.0, description="Edge of the voxels that it sees.")
    patch: int = Field(48, ge=8, le=256, description="Edge of the cubes that it sees, in voxels.")
    channels: tuple[int, ...] = Field(
        (8, 16, 32, 64),
        min_length=2,
        max_length=6,
        description="Channels of each level; the voxels of each but the first and the last are "
        "twice as large as those of the one before.",
    )

    @field_validator("channels")
    @classmethod
    def _some_of_each(cls, channels: tuple[int, ...]) -> tuple[int, ...]:
        if min(channels) < 1:
            raise ValueError("a level has one channel at least")
        return channels

    @model_validator(mode="after")
    def _halves_to_the_last_level(self) -> NetworkShape:
        multiple = 2 ** (len(self.channels) - 2)
        if self.patch % multiple:
            raise ValueError(
                f"a patch of {self.patch} voxels cannot be halved {len(self.channels) - 2} times; "
                f"a multiple of {multiple} is expected"
            )
        return self

    @property
    def strides(self) -> tuple[int, ...]:
        """Factors on the voxels from level to level: the first level sees them as they are."""
        return (1, *(2 for _ in self.channels[2:]))


class TrainingSettings(Section):
    """How long and by which draws a network learns."""

    steps: int = Field(1500, ge=1, description="Steps of gradient descent.")
    batch: int = Field(2, ge=2, description="Patches of a step: every other one is at a lesion.")
    learning_rate: float = Field(1e-2, gt=0, le=0.1, description="At the first step.")
    held_out: float = Field(
        0.2, ge=0, le=0.5, description="Share of the people on whom it is tried, not trained."
    )
    seed: int = Field(1, ge=0, description="Draws weights, people, patches and their changes.")


def checked_choices(who: str, **chosen: str | None) -> dict[str, Any]:
    """Options of a command that are one of a few words; those that are None stay so.

    Raises
    ------
    ConfigError
        A word is none of them.
    """
    for name, value in chosen.items():
        known = get_args(Device if name == "device" else ImageSuffix)
        if value is not None and value not in known:
            raise ConfigError(who, found=f"--{name} {value}", wanted=" or ".join(known))
    return chosen
