"""Settings of the classifier: the question, the folds, the models, the evaluation.

Each floor adds its own options: :mod:`commissure.study.settings`,
:mod:`commissure.models.settings`, :mod:`commissure.evaluation.settings`.
"""

from __future__ import annotations

from pydantic import Field

from commissure.evaluation.settings import EvaluationSettings


class FusionSettings(EvaluationSettings):
    """The classifier and the attempts to prove it wrong."""

    recalibrate: bool | None = Field(
        default=None,
        description="Whether the stored model's logits get the intercept and slope that calibrate "
        "the out-of-fold predictions (a slope below 0 counts as 0). Without a word those of late "
        "do, whose mean of evidence is too modest, and of no other model. The results are as "
        "before.",
    )
