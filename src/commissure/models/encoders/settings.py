"""How a representation is learnt."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from commissure.settings import Section

#: File of a stored encoder.
ENCODER = "encoder.npz"

Normalisation = Literal["rows", "columns"]
Start = Literal["drawn", "components"]


class PretrainingSettings(Section):
    """How a representation is learnt of healthy people, age being a weak teacher."""

    sigma: float = Field(
        default=5.0,
        ge=0,
        description="Years of age over which two people count as alike, the standard deviation of "
        "a Gaussian kernel; 0 is SimCLR, where only the two views of one person are.",
    )
    temperature: float = Field(
        default=0.1, gt=0, description="Temperature of the similarities of the loss."
    )
    normalisation: Normalisation = Field(
        default="rows",
        description="rows: the weights of each person's pairs sum to 1; columns: as the published "
        "code of y-aware InfoNCE divides them.",
    )
    noise: float = Field(
        default=0.1, ge=0, description="Noise of a view, in standard deviations of each marker."
    )
    cutout: float = Field(
        default=0.25,
        ge=0,
        lt=1,
        description="Share of the markers (of a map, of the edge of a cut-out box) that a view "
        "lacks.",
    )
    reconstruction: float = Field(
        default=0.0,
        ge=0,
        description="Weight, beside the contrast, of giving back from the embedding, by a linear "
        "map, what a person looks like: the markers, or a map's means over cubes; 0 is the "
        "contrast alone, which keeps little but age.",
    )
    start: Start = Field(
        default="drawn",
        description="Of an encoder of markers: weights begin as drawn, or as the principal "
        "components of the healthy people.",
    )
    hidden: int = Field(default=128, ge=1, description="Units of the hidden layer.")
    embedding: int = Field(default=64, ge=1, description="Numbers that a person becomes.")
    batch: int = Field(default=64, ge=2, description="People of a batch; fewer are refused.")
    epochs: int = Field(default=100, ge=1, description="Times that every person is seen.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Of the optimiser Adam.")
    weight_decay: float = Field(default=5e-5, ge=0, description="Of the optimiser Adam.")
    seed: int = Field(default=0, ge=0, description="Of weights, batches and views.")
