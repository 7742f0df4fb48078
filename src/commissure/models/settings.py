"""Settings of the models: which are fitted, and how their penalties are chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from commissure.study.settings import StudySettings

#: Models of all modalities together; each has an entry in
#: :data:`commissure.models.registry.FUSED_MODELS`.
FusedName = Literal["late", "early", "stacked", "multiple_kernel"]
#: Models that see no image.
BaselineName = Literal["clinical", "confounds", "site", "missingness"]
ModelName = Literal["modalities", FusedName, BaselineName]


class ModelSettings(StudySettings):
    """The question, and the models that are asked."""

    models: list[ModelName] = Field(
        default=[
            "late", "early", "stacked", "modalities",
            "clinical", "confounds", "site", "missingness",
        ],
        description="Models to fit; modalities stands for one model of each modality.",
    )  # fmt: skip
    primary: FusedName = Field(
        default="late",
        description="The fused model whose result is the study's result; declared beforehand.",
    )
    inner_folds: int = Field(
        default=5, ge=2, description="Folds inside the training people that choose the penalty."
    )
    penalties: list[PositiveFloat] = Field(
        default=[0.1, 1.0, 3.0, 10.0, 30.0, 100.0],
        min_length=1,
        description="Ridge penalties to choose from, for a block whose people have unit mean "
        "square norm.",
    )
