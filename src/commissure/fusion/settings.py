"""Settings of the classifier: the question, the folds, the models, the evaluation.

Each floor adds its own options: :mod:`commissure.study.settings`,
:mod:`commissure.models.settings`, :mod:`commissure.evaluation.settings`.
"""

from __future__ import annotations

from commissure.evaluation.settings import EvaluationSettings


class FusionSettings(EvaluationSettings):
    """The classifier and the attempts to prove it wrong."""
