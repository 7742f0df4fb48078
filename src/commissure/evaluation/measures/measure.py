"""What a measure is, and how its values over people, repeats and labellings become results.

A measure looks at held-out predictions and compares people of one site who were scored by one
fitted model. Beside its value it gives the influence of every person, the linear part of what the
value owes to them: its squares sum to the variance, and differences of influences to that of a
difference between two models on the same people.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from commissure.evaluation.auc import NO_AUC, AucEstimate
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.null_distribution import NullDistribution
from commissure.evaluation.out_of_fold import FoldScores, left_out_of, repeats_of
from commissure.evaluation.pairs import TIE
from commissure.evaluation.permutation import permuted_labels
from commissure.markers.intervals import Z_95
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.outcomes.kind import carries_outcome, without_outcome
from commissure.study.study import Study

#: What intervals from influences are called.
INFLUENCE = "from each person's influence"


@dataclass(frozen=True)
class Statistic:
    """The value of a measure in one round of folds.

    Attributes
    ----------
    value
        NaN where nobody can be compared.
    influence
        Shape (people,); 0 for who is not compared. Its squares sum to the variance of the value.
    weight
        What the round weighs among others: the pairs or people that were compared.
    """

    value: float
    influence: np.ndarray
    weight: float


class Measure(ABC):
    """By what number the predictions of an outcome are judged.

    Attributes
    ----------
    key, name
        Stem of its keys in metrics.json (``<key>_within_site``), and what a sentence calls it.
    chance, suspicious, planted
        What a model that knows nothing reaches; what a model that sees no brain must not exceed;
        what a planted difference of 3 SD must reach.
    chance_spread
        About the standard deviation of a null study's value times the root of its people, folds
        that share training people counted; where permutations are few, it stands in for them.
    scale
        On which scale intervals are made: ``logit`` for a share, ``fisher`` for a correlation.
    """

    key: str
    name: str
    chance: float
    suspicious: float
    planted: float
    chance_spread: float = 0.9
    scale: Literal["logit", "fisher"] = "logit"

    @abstractmethod
    def statistic(self, held: HeldOut, strata: np.ndarray) -> Statistic:
        """The value among people of one stratum, in one round of folds."""

    @abstractmethod
    def by_labelling(self, held: HeldOut) -> tuple[np.ndarray, np.ndarray]:
        """Value within site and its variance for every labelling, each shape (labellings,)."""

    @abstractmethod
    def details(
        self, study: Study[ModelSettings], scores: Sequence[FoldScores]
    ) -> Mapping[str, Any]:
        """What else metrics.json says of a model: errors, calibration, numbers of people."""

    @abstractmethod
    def curves(
        self, study: Study[ModelSettings], scores: Sequence[FoldScores]
    ) -> Mapping[str, Any]:
        """What the report draws of a model."""

    def permuted(self, study: Study[ModelSettings], count: int, first: int = 0) -> np.ndarray:
        """Outcomes permuted within site, the observed ones first, shape (people, count + 1)."""
        design = study.design
        return permuted_labels(
            study.y, design.sites, count, study.settings.seed, first, design.families
        )

    def within(self, held: HeldOut) -> float:
        """The value within site."""
        return self.statistic(held, held.cells).value

    def estimates(
        self,
        study: Study[ModelSettings],
        scores: Sequence[FoldScores],
        null: NullDistribution | None = None,
    ) -> dict[str, AucEstimate]:
        """``within`` site, ``pooled`` and with the site ``left_out``, as :func:`model_aucs`."""
        held = repeats_of(study, scores)
        away = left_out_of(study, scores)
        widened_within = 1.0 if null is None else null.widening(len(held))
        widened_away = 1.0
        if null is not None and null.left_out is not None:
            widened_away = null.left_out.widening(1)
        return {
            "within": self.estimate([self.statistic(one, one.cells) for one in held],
                                    widened_within),
            "pooled": self.estimate([self.statistic(one, one.fold) for one in held]),
            "left_out": NO_AUC if away is None else
            self.estimate([self.statistic(away, away.sites)], widened_away),
        }  # fmt: skip

    def estimate(self, rounds: Sequence[Statistic], widening: float = 1.0) -> AucEstimate:
        """The value over the repeats with its 95 % interval.

        As for the AUC, the variance is the mean over the repeats, not that of their average.
        """
        known = [one for one in rounds if math.isfinite(one.value) and one.weight > 0]
        if not known:
            return NO_AUC
        value = float(
            np.average([one.value for one in known], weights=[one.weight for one in known])
        )
        error = widening * math.sqrt(float(np.mean([(one.influence**2).sum() for one in known])))
        people = int(np.any([one.influence != 0 for one in known], axis=0).sum())
        words = INFLUENCE
        if widening != 1:
            words += f", widened by {widening:.2f} from permutations"
        low, high = _interval(value, error, people, self.scale)
        return AucEstimate(value, low, high, error, words, n_compared=people)

    def difference(self, first: Sequence[HeldOut], second: Sequence[HeldOut]) -> AucEstimate:
        """How much larger the first model's value is, on the people whom both score."""
        values, variances, weights = [], [], []
        for left, right in zip(first, second, strict=True):
            both = scored(left) & scored(right)
            labels = without_outcome(left.labels, ~both)
            one, other = (
                self.statistic(replace(held, labels=labels), held.cells) for held in (left, right)
            )
            if math.isfinite(one.value - other.value):
                values.append(one.value - other.value)
                variances.append(float(((one.influence - other.influence) ** 2).sum()))
                weights.append(one.weight)
        if not values:
            return NO_AUC
        value, error = float(np.average(values, weights=weights)), math.sqrt(np.mean(variances))
        return AucEstimate(
            value, value - Z_95 * error, value + Z_95 * error, error, f"{INFLUENCE}, paired"
        )

    def record(
        self,
        study: Study[ModelSettings],
        spec: ModelSpec,
        scores: Sequence[FoldScores],
        estimates: Mapping[str, AucEstimate],
        null: NullDistribution | None,
    ) -> dict[str, Any]:
        """The entry of a model in metrics.json."""
        return {
            "kind": spec.kind,
            "description": spec.description,
            f"{self.key}_within_site": estimates["within"].record(),
            f"{self.key}_pooled": estimates["pooled"].record(),
            f"{self.key}_leave_site_out": estimates["left_out"].record(),
            **self.details(study, scores),
            "p_permutation": None if null is None else null.p,
            "n": int(scored(repeats_of(study, scores)[0]).sum()),
            "modalities": list(spec.modalities),
        }


def scored(held: HeldOut) -> np.ndarray:
    """Who has an outcome and a prediction, shape (people,)."""
    said = np.isfinite(held.logits)
    return carries_outcome(held.labels) & (said if said.ndim == 1 else said.all(axis=1))


def share_won(lead: np.ndarray) -> np.ndarray:
    """1 where a score lies ahead, 0.5 where the two are equal."""
    return 0.5 * (1.0 + np.where(np.abs(lead) > TIE, np.sign(lead), 0.0))


def _interval(value: float, error: float, people: int, scale: str) -> tuple[float, float]:
    if scale == "fisher":
        if abs(value) >= 1:
            return value, value
        width = Z_95 * error / (1 - value**2)
        return math.tanh(math.atanh(value) - width), math.tanh(math.atanh(value) + width)
    if value in (0.0, 1.0):
        # Nobody is ordered otherwise: three people of those compared might be (rule of three).
        reach = min(1.0, 3 / max(people, 1))
        return (0.0, reach) if value == 0 else (1 - reach, 1.0)
    width = Z_95 * error / (value * (1 - value))
    logit = math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-(logit + side * width))) for side in (-1, 1))
    return low, high
