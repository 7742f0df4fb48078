"""Two labels: the AUC within site, with DeLong's intervals (:mod:`commissure.evaluation.auc`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.evaluation.auc import AucEstimate, auc_difference, auc_of_wins
from commissure.evaluation.curves import prediction_curves
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.measures.measure import Measure, Statistic
from commissure.evaluation.null_distribution import NullDistribution
from commissure.evaluation.out_of_fold import FoldScores, model_aucs, model_record
from commissure.evaluation.pairs import pairwise_comparisons, share_and_influence
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.study import Study


class Area(Measure):
    """AUC within site."""

    key, name = "auc", "AUC"
    chance, suspicious, planted = 0.5, 0.60, 0.70

    def statistic(self, held: HeldOut, strata: np.ndarray) -> Statistic:
        """The AUC among people of one stratum."""
        pairs = pairwise_comparisons(held.labels, held.logits, strata)
        return Statistic(*share_and_influence(pairs), pairs.count)

    def by_labelling(self, held: HeldOut) -> tuple[np.ndarray, np.ndarray]:
        """AUC and DeLong's variance."""
        return auc_of_wins(*held.wins_by_labelling())

    def estimates(
        self,
        study: Study[ModelSettings],
        scores: Sequence[FoldScores],
        null: NullDistribution | None = None,
    ) -> dict[str, AucEstimate]:
        """The three AUCs with DeLong's intervals."""
        return model_aucs(study, scores, null)

    def difference(self, first: Sequence[HeldOut], second: Sequence[HeldOut]) -> AucEstimate:
        """DeLong's paired difference."""
        return auc_difference([one.comparisons() for one in first],
                              [one.comparisons() for one in second])  # fmt: skip

    def record(
        self,
        study: Study[ModelSettings],
        spec: ModelSpec,
        scores: Sequence[FoldScores],
        estimates: Mapping[str, AucEstimate],
        null: NullDistribution | None,
    ) -> dict[str, Any]:
        """AUCs, Brier score and calibration."""
        return model_record(study, spec, scores, estimates, null)

    def details(
        self, study: Study[ModelSettings], scores: Sequence[FoldScores]
    ) -> Mapping[str, Any]:
        """All is in the record."""
        return {}

    def curves(
        self, study: Study[ModelSettings], scores: Sequence[FoldScores]
    ) -> Mapping[str, Any]:
        """Receiver operating characteristic and calibration."""
        return dict(prediction_curves(study, {"model": scores}, ["model"]).get("model", {}))
