"""Settings of the models: which are fitted, and how their penalties are chosen."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from commissure.models.encoders.settings import PretrainingSettings
from commissure.settings import Section
from commissure.study.settings import StudySettings

#: Models of all modalities together; each has an entry in
#: :data:`commissure.models.registry.FUSED_MODELS`.
FusedName = Literal["late", "early", "stacked", "multiple_kernel"]
#: Models that see no image.
BaselineName = Literal["clinical", "confounds", "site", "missingness"]
#: The published index of a disorder as a model.
VULNERABILITY = "vulnerability"
#: Deviations from charts of the training controls as a model.
DEVIATIONS = "deviations"
#: An embedding as a model, as one more block of late fusion, and moved by the outcome.
EmbeddingName = Literal["embedding", "embedding_late", "embedding_tuned"]
EMBEDDING_NAMES = get_args(EmbeddingName)
EMBEDDING_LATE, EMBEDDING_TUNED = EMBEDDING_NAMES[1:]
ModelName = Literal[
    "modalities", "vulnerability", "deviations", EmbeddingName, FusedName, BaselineName
]
#: A parameter of an estimator.
Parameter = bool | int | float | str | None


class EstimatorSettings(Section):
    """A scikit-learn estimator on modalities side by side, as one more model."""

    name: str = Field(pattern="^[a-z][a-z0-9_]*$", description="What it is called in the results.")
    estimator: str = Field(description="Import path of its class, as sklearn.svm.SVC.")
    options: dict[str, Parameter] = Field(
        default_factory=dict, description="Parameters that stay as they are."
    )
    grid: dict[str, list[Parameter]] = Field(
        default_factory=dict,
        description="Values of parameters from which the inner folds choose, as in scikit-learn's "
        "GridSearchCV.",
    )
    blocks: list[str] = Field(
        default_factory=list,
        description="What it sees: names of modalities, and clinical for the columns of "
        "fusion.clinical; all modalities if empty.",
    )
    select: list[PositiveInt] = Field(
        default_factory=list,
        description="Numbers of markers from which the inner folds choose: so many are kept, those "
        "that each tell the outcome best (F test), chosen anew in the training people of every "
        "fold and standardised; all are kept if empty.",
    )
    permutations: int = Field(
        default=100,
        ge=0,
        description="Of the permutations of fusion.permutations, how many it takes part in: each "
        "fits it anew in every fold, for every value of its grid.",
    )

    @model_validator(mode="after")
    def _own_name(self) -> Self:
        if self.name in get_args(ModelName):
            raise ValueError(f"'{self.name}' is the name of another model")
        if any(not values for values in self.grid.values()):
            raise ValueError("a parameter of the grid has no value")
        return self


class EmbeddingSettings(PretrainingSettings):
    """The embedding of the models embedding, embedding_late and embedding_tuned."""

    encoder: str | None = Field(
        default=None,
        description="Folder of commissure pretrain whose encoder is taken as it is; without one "
        "an encoder is learnt in every fold on its training controls, and the extra deep is "
        "needed.",
    )
    tuning_epochs: int = Field(
        default=100,
        ge=1,
        description="Of embedding_tuned: times that every person in training is seen with their "
        "outcome.",
    )
    permutations: int = Field(
        default=100,
        ge=0,
        description="Of the permutations of fusion.permutations, how many embedding_tuned takes "
        "part in: each tunes it anew in every fold.",
    )


class ModelSettings(StudySettings):
    """The question, and the models that are asked."""

    models: list[ModelName | EstimatorSettings] = Field(
        default=[
            "late", "early", "stacked", "modalities", "vulnerability",
            "clinical", "confounds", "site", "missingness",
        ],
        description="Models to fit; modalities stands for one model of each modality, "
        "vulnerability for one of the indices RVI and AVI, deviations for one of all markers as "
        "deviations from reference charts, both learnt on the training controls, embedding for one "
        "of a learnt embedding, embedding_late for late fusion with it as one more block, and "
        "embedding_tuned for its encoder and a linear head moved together by the outcome. An entry "
        "with name, estimator and grid is any scikit-learn estimator by its import path.",
    )  # fmt: skip
    primary: str = Field(
        default="late",
        description="The fused model (late, early, stacked, multiple_kernel, or the name of an "
        "estimator) whose result is the study's result; declared beforehand.",
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

    embedding: EmbeddingSettings = EmbeddingSettings()

    @property
    def embedding_asked(self) -> bool:
        """Whether a model of an embedding is asked for."""
        return not set(EMBEDDING_NAMES).isdisjoint(self.model_names())

    def estimators(self) -> dict[str, EstimatorSettings]:
        """The models that are named by their import path, by name."""
        return {model.name: model for model in self.models if isinstance(model, EstimatorSettings)}

    def model_names(self) -> list[str]:
        """Names of all models that are asked for, each once."""
        names = [m.name if isinstance(m, EstimatorSettings) else m for m in self.models]
        return list(dict.fromkeys(names))
