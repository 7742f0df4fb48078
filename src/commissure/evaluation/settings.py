"""Settings of the evaluation: permutations and secondary analyses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from commissure.models.settings import ModelSettings

#: The threshold that maximises sensitivity + specificity among the training people.
YOUDEN: Literal["youden"] = "youden"


class EvaluationSettings(ModelSettings):
    """The question, the models, and what their numbers are worth."""

    permutations: int = Field(
        default=1000,
        ge=0,
        description="Permutations of the labels within site; each reruns the nested procedure. "
        "From 50 on they also widen the intervals by what DeLong's formula leaves out.",
    )
    permutation_repeats: int = Field(
        default=3,
        ge=1,
        description="Repeats of the cross-validation in each permutation; the reported p is that "
        "of this reduced procedure.",
    )
    permutation_jobs: int | None = Field(
        default=None,
        ge=1,
        description="Jobs over which the permutations are spread. Without a word it is one job up "
        "to permutation_jobs_above people, and of more people two jobs for every block of 125 "
        "permutations (up to 2000 people: 250), one of which leaves sites out. With more than one, "
        "the repeats of the cross-validation, the attempts to prove the result wrong and the "
        "secondary analyses are jobs of their own, too. The result is the same to the last bit, "
        "however many there are.",
    )
    permutation_jobs_above: int = Field(
        default=2000,
        ge=1,
        description="Number of people above which the classifier is spread over jobs where "
        "permutation_jobs does not say how many.",
    )
    secondary_analyses: bool = Field(
        default=True,
        description="Shares of the modalities, stability of the markers, learning curve and the "
        "result under each exclusion rule; they take about as long as all else.",
    )
    threshold: Literal["youden"] | Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.5,
        description="Predicted probability from which a person is taken for positive where "
        "sensitivity, predictive values and net benefit are told; youden takes the one with the "
        "largest sensitivity + specificity among the training people of each fold.",
    )
    prevalence: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of the positive label where the model would be used: predictive values, "
        "net benefit and calibration are then told at it beside those of the sample, whose share "
        "follows from who was recruited.",
    )
    conformal_level: float = Field(
        default=0.9,
        gt=0,
        lt=1,
        description="Share of the people of each label whose conformal set of labels is to hold "
        "the true one.",
    )
