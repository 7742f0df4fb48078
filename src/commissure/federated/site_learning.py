"""What a site does when a model is learnt by averaging: steps on its own people, then a difference.

Federated averaging (McMahan et al. 2017, AISTATS) takes several steps at each site before sites are
averaged; FedProx (Li et al. 2020, MLSys) holds them near to where all began. With differential
privacy each person's gradient is clipped before people are added, and the site adds the noise
itself (Abadi et al. 2016, CCS): what leaves is private whoever the coordinator is. The whole
difference is clipped at the site, before any averaging.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from commissure.models.logistic import sigmoid


class Learner(Protocol):
    """A model of a list of arrays, whatever their shapes."""

    def start(self, markers: int, seed: int) -> list[np.ndarray]:
        """Weights that all sites begin with."""

    def gradients(
        self, weights: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray
    ) -> list[np.ndarray]:
        """Gradient of each person's loss by each array, people first."""


class LogisticLearner:
    """Logistic regression: weights of markers, and an intercept."""

    def start(self, markers: int, seed: int) -> list[np.ndarray]:
        """Zeros."""
        return [np.zeros(markers), np.zeros(1)]

    def gradients(
        self, weights: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray
    ) -> list[np.ndarray]:
        """Of the negative log likelihood."""
        slopes, intercept = weights
        left = (sigmoid(x @ slopes + intercept) - y)[:, None]
        return [left * x, left]


#: Learners that a request may name.
LEARNERS: Mapping[str, Learner] = {"logistic": LogisticLearner()}


@dataclass(frozen=True)
class LocalSteps:
    """How a site trains between two averages.

    Attributes
    ----------
    steps
        Steps on all of its people.
    rate
        Length of a step along the mean gradient.
    ridge
        Penalty on the squared weights, as a share of a person's loss.
    proximal
        FedProx: penalty on the squared way from where all began; 0 is federated averaging.
    most_change
        Norm to which the whole difference is clipped.
    person_clip
        Norm to which each person's gradient is clipped; 0 clips none.
    noise
        Standard deviation of the noise on a step's sum, in ``person_clip``.
    shared_between
        Sites whose noise together is that noise, even for one of them, who knows its own; 0 where
        each site adds all of it. Only masked sums may have it, of one step.
    """

    steps: int = 5
    rate: float = 0.5
    ridge: float = 0.0
    proximal: float = 0.0
    most_change: float = 10.0
    person_clip: float = 0.0
    noise: float = 0.0
    shared_between: int = 0

    @property
    def own_noise(self) -> float:
        """What this site adds, in ``person_clip``."""
        return self.noise / max(self.shared_between - 1, 1) ** 0.5

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> LocalSteps:
        """From what a request says."""
        fields: dict[str, Any] = {
            name: float(given[name]) for name in cls.__dataclass_fields__ if name in given
        }
        for name in {"steps", "shared_between"} & set(fields):
            fields[name] = int(fields[name])
        return cls(**fields)


def flattened(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """A list of arrays as one vector."""
    return np.concatenate([np.ravel(array) for array in arrays])


def shaped(vector: np.ndarray, like: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A vector as a list of arrays; the inverse of :func:`flattened`."""
    ends = np.cumsum([array.size for array in like])
    parts = np.split(vector, ends[:-1])
    return [part.reshape(array.shape) for part, array in zip(parts, like, strict=True)]


def clipped(vectors: np.ndarray, most: float) -> np.ndarray:
    """Vectors (rows) shortened to a norm; none is made longer."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors * np.minimum(1.0, most / np.maximum(norms, 1e-300)))


def local_difference(
    learner: Learner,
    weights: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    how: LocalSteps,
    rng: np.random.Generator,
) -> np.ndarray:
    """What a site's steps change in the weights, clipped: one vector.

    Parameters
    ----------
    learner, weights
        The model, and where all sites begin.
    x, y
        (people, markers) and (people,) of this site.
    how
        How it trains.
    rng
        Of the noise, which nobody else may know.
    """
    begun = flattened(weights)
    at = begun.copy()
    for _ in range(how.steps):
        parts = learner.gradients(shaped(at, weights), x, y)
        of_people = np.concatenate([part.reshape(len(x), -1) for part in parts], axis=1)
        if how.person_clip:
            of_people = clipped(of_people, how.person_clip)
        total = of_people.sum(axis=0)
        if how.noise:
            total = total + rng.normal(0.0, how.own_noise * how.person_clip, total.shape)
        slope = total / len(x) + how.ridge * at + how.proximal * (at - begun)
        at = at - how.rate * slope
    return clipped(at - begun, how.most_change)
