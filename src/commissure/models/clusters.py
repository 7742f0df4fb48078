"""Clusters of people, and where a new person belongs: by the nearest centroid, or nowhere.

k-means is computed here for many samples at once, because a test of clusters draws hundreds of
samples and clusters each: on 500 samples of 200 people it takes less than half of the time of
scikit-learn's, which it equals in the sum of squares (``python -m benchmarks.subtypes kernel``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.cluster import AgglomerativeClustering
from sklearn.mixture import GaussianMixture

from commissure.errors import DatasetError

#: Steps after which k-means stops, be it still moving.
STEPS = 100
#: Covariances of a Gaussian mixture, from which the Bayesian information criterion chooses.
COVARIANCES = ("full", "diag", "spherical")


@dataclass(frozen=True)
class Partition:
    """Clusters of each of some samples.

    Attributes
    ----------
    labels
        Cluster of each person, shape (samples, people).
    centres
        Shape (samples, k, columns).
    within
        Sum of squares within clusters, shape (samples,).
    """

    labels: np.ndarray
    centres: np.ndarray
    within: np.ndarray


def k_means(
    values: np.ndarray,
    k: int,
    rng: np.random.Generator,
    *,
    weights: np.ndarray | None = None,
    starts: int = 3,
) -> Partition:
    """k-means of many samples at once, the best of several starts by k-means++ of each.

    Parameters
    ----------
    values
        Shape (samples, people, columns); or (people, columns), of which ``weights`` make samples.
    k
        Number of clusters.
    rng
        Draws the starts.
    weights
        How often each person is in a sample, shape (samples, people); once if None.
    starts
        Starts of each sample.

    Raises
    ------
    DatasetError
        There are fewer people, or fewer different people, than clusters.
    """
    values = np.asarray(values, float)
    values = values[None] if values.ndim == 2 else values
    refuse_too_many(values[0], k)
    samples = len(values) if weights is None else len(weights)
    if len(values) == 1:
        return _best_of_starts(values, k, rng, samples, weights, starts)
    best: Partition | None = None
    for _ in range(starts):
        part = _moved(values, _seeds(values, k, rng, samples, weights), weights)
        if best is None:
            best = part
            continue
        better = part.within < best.within
        best = Partition(
            np.where(better[:, None], part.labels, best.labels),
            np.where(better[:, None, None], part.centres, best.centres),
            np.where(better, part.within, best.within),
        )
    assert best is not None
    return best


def _best_of_starts(
    values: np.ndarray,
    k: int,
    rng: np.random.Generator,
    samples: int,
    weights: np.ndarray | None,
    starts: int,
) -> Partition:
    """All starts of all samples of one set of people at once."""
    repeated = None if weights is None else np.repeat(weights, starts, axis=0)
    part = _moved(values, _seeds(values, k, rng, samples * starts, repeated), repeated)
    best = part.within.reshape(samples, starts).argmin(axis=1) + starts * np.arange(samples)
    return Partition(part.labels[best], part.centres[best], part.within[best])


def refuse_too_many(values: np.ndarray, k: int) -> None:
    """Refuse more clusters than there are different people.

    Raises
    ------
    DatasetError
        There are fewer.
    """
    different = len(np.unique(values, axis=0)) if k > 1 else len(values)
    if not 1 <= k <= different:
        raise DatasetError(
            "clusters",
            found=f"{k} clusters of {len(values)} people, of whom {different} are different",
            wanted="at least one different person for each cluster",
            mend="Ask for fewer clusters (subtypes.max_clusters in config.yaml)",
        )


def _seeds(
    values: np.ndarray,
    k: int,
    rng: np.random.Generator,
    samples: int,
    weights: np.ndarray | None,
) -> np.ndarray:
    """Starts by k-means++ (Arthur and Vassilvitskii 2007), shape (samples, k, columns)."""
    people = values.shape[1]
    weight = np.ones((samples, people)) if weights is None else weights
    number = np.arange(samples)
    owner = np.zeros(samples, int) if len(values) == 1 else number
    nearest = np.full((samples, people), np.inf)
    chance, centres = weight.astype(float), []
    for _ in range(k):
        edge = np.cumsum(chance, axis=1)
        drawn = (edge < (rng.random(samples) * edge[:, -1])[:, None]).sum(axis=1)
        centre = values[owner, drawn.clip(max=people - 1)]
        centres.append(centre)
        nearest = np.minimum(nearest, ((values - centre[:, None]) ** 2).sum(axis=2))
        chance = nearest * weight
    return np.stack(centres, axis=1)


def _moved(values: np.ndarray, centres: np.ndarray, weights: np.ndarray | None) -> Partition:
    """Lloyd's steps from starts until nobody changes cluster."""
    k = centres.shape[1]
    square = (values**2).sum(axis=2)
    labels = np.full((len(centres), values.shape[1]), -1)
    for _ in range(STEPS):
        far = (centres**2).sum(axis=2)[:, None] - 2 * values @ centres.transpose(0, 2, 1)
        moved = far.argmin(axis=2)
        if (moved == labels).all():
            break
        labels = moved
        member = (labels[:, None] == np.arange(k)[:, None]).astype(float)
        if weights is not None:
            member *= weights[:, None]
        count = member.sum(axis=2)
        mean = (member @ values) / np.maximum(count, 1e-300)[:, :, None]
        centres = np.where(count[:, :, None] > 0, mean, centres)
    far = (centres**2).sum(axis=2)[:, None] - 2 * values @ centres.transpose(0, 2, 1)
    distance = np.maximum(np.take_along_axis(far, labels[:, :, None], 2)[:, :, 0] + square, 0.0)
    within = (distance if weights is None else distance * weights).sum(axis=1)
    return Partition(labels, centres, within)


def ward(values: np.ndarray, k: int) -> np.ndarray:
    """Clusters of people by Ward's method, shape (people,)."""
    refuse_too_many(values, k)
    return np.asarray(AgglomerativeClustering(n_clusters=k, linkage="ward").fit_predict(values))


def mixtures(values: np.ndarray, most: int, seed: int) -> list[GaussianMixture]:
    """For each k from 1 on the Gaussian mixture with the least BIC over :data:`COVARIANCES`."""
    best = []
    for k in range(1, most + 1):
        fitted = [
            GaussianMixture(k, covariance_type=kind, n_init=2, reg_covar=1e-6, random_state=seed)
            .fit(values)
            for kind in COVARIANCES
        ]  # fmt: skip
        best.append(min(fitted, key=lambda model: float(model.bic(values))))
    return best


class NearestCentroid(BaseEstimator):
    """Assigns people to the nearest centroid, or to none.

    Clusters count as spheres of one variance. A person is assigned where the posterior probability
    of the nearest cluster, by its share of the people, reaches ``sure``, and where the distance
    does not exceed the 99th percentile of those of the training people by a quarter.

    Parameters
    ----------
    sure
        Probability from which a person is assigned.
    """

    def __init__(self, sure: float = 0.8) -> None:
        self.sure = sure

    def fit(self, X: np.ndarray, y: np.ndarray) -> NearestCentroid:
        """Learn from positions (people, columns) and their clusters (people,), from 0 on."""
        X, y = np.asarray(X, float), np.asarray(y)
        numbers = np.unique(y)
        self.centres_ = np.stack([X[y == number].mean(axis=0) for number in numbers])
        self.shares_ = np.array([(y == number).mean() for number in numbers])
        squares = ((X - self.centres_[np.searchsorted(numbers, y)]) ** 2).sum(axis=1)
        freedom = max(1, (len(X) - len(numbers)) * X.shape[1])
        self.variance_ = max(float(squares.sum() / freedom), 1e-300)
        self.limit_ = 1.25 * float(np.sqrt(np.quantile(squares, 0.99)))
        return self

    def distances(self, X: np.ndarray) -> np.ndarray:
        """Distance of people to every centroid, shape (people, clusters)."""
        gaps = np.asarray(X, float)[:, None] - self.centres_
        return np.sqrt((gaps**2).sum(axis=2))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Posterior probability of every cluster, shape (people, clusters)."""
        logit = np.log(self.shares_) - self.distances(X) ** 2 / (2 * self.variance_)
        odds = np.exp(logit - logit.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def nearest(self, X: np.ndarray) -> np.ndarray:
        """Number of the nearest centroid, shape (people,)."""
        return self.distances(X).argmin(axis=1)

    def outside(self, X: np.ndarray) -> np.ndarray:
        """Who lies farther from every centroid than the training people do."""
        return self.distances(X).min(axis=1) > self.limit_

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Number of the cluster, -1 for people who are assigned to none; shape (people,)."""
        probability = self.predict_proba(X)
        known = (probability.max(axis=1) >= self.sure) & ~self.outside(X)
        return np.where(known, probability.argmax(axis=1), -1)
