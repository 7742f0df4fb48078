"""Indices of how many clusters there are, each beside what one Gaussian cloud gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from sklearn.metrics import calinski_harabasz_score, silhouette_score

from commissure.models.clusters import NearestCentroid, k_means, mixtures, ward

#: Draws from the box of the gap statistic.
GAP_DRAWS = 20
#: Ways to find clusters, by name.
METHODS = ("k_means", "ward", "mixture")
#: People of whom all pairs are looked at; of more, so many drawn ones. What takes pairs would take
#: time and memory by the square of the people.
PAIRED = 2000


def labels_by_method(
    values: np.ndarray, numbers: Sequence[int], rng: np.random.Generator, seed: int
) -> dict[str, dict[int, np.ndarray]]:
    """Clusters by every method of :data:`METHODS` for every number of clusters."""
    of_mixtures = mixtures(values, max(numbers), seed)
    return {
        "k_means": {k: k_means(values, k, rng, starts=10).labels[0] for k in numbers},
        "ward": {k: _ward(values, k) for k in numbers},
        "mixture": {k: np.asarray(of_mixtures[k - 1].predict(values)) for k in numbers},
    }


def _ward(values: np.ndarray, k: int) -> np.ndarray:
    """Ward's clusters; of many people those of drawn ones, whom the others join by centroid."""
    rows = paired_people(len(values))
    if len(rows) == len(values):
        return ward(values, k)
    return NearestCentroid().fit(values[rows], ward(values[rows], k)).nearest(values)


def paired_people(people: int) -> np.ndarray:
    """Rows of the people of whom all pairs are looked at: all, or :data:`PAIRED` drawn ones."""
    if people <= PAIRED:
        return np.arange(people)
    rng = np.random.default_rng(np.random.SeedSequence([people, 23]))
    return np.sort(rng.choice(people, PAIRED, replace=False))


def mixture_number(values: np.ndarray, most: int, seed: int) -> int:
    """Number of clusters, 1 among them, by the BIC of Gaussian mixtures."""
    bic = [float(model.bic(values)) for model in mixtures(values, most, seed)]
    return int(np.argmin(bic)) + 1


def silhouette(values: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette of :func:`paired_people`; NaN where there are no two clusters of them."""
    rows = paired_people(len(values))
    values, labels = values[rows], labels[rows]
    count = len(np.unique(labels))
    return float(silhouette_score(values, labels)) if 1 < count < len(values) else float("nan")


def calinski_harabasz(values: np.ndarray, labels: np.ndarray) -> float:
    """Calinski and Harabasz' ratio of variances; NaN where there are no two clusters."""
    count = len(np.unique(labels))
    if not 1 < count < len(values):
        return float("nan")
    return float(calinski_harabasz_score(values, labels))


INDICES: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "silhouette": silhouette,
    "calinski_harabasz": calinski_harabasz,
}


def gap_statistic(
    values: np.ndarray, most: int, rng: np.random.Generator, *, draws: int = GAP_DRAWS
) -> tuple[np.ndarray, np.ndarray, int]:
    """Gap of 1 to ``most`` clusters, its standard error, and the number that it chooses.

    Tibshirani et al. 2001: the reference is uniform in a box along the main axes, and the smallest
    k is taken with Gap(k) >= Gap(k + 1) - s(k + 1).
    """
    centred = values - values.mean(axis=0)
    rotated = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    low, high = rotated.min(axis=0), rotated.max(axis=0)
    box = rng.uniform(low, high, size=(draws, *rotated.shape))
    gap, error = np.zeros(most), np.zeros(most)
    for k in range(1, most + 1):
        expected = np.log(np.maximum(k_means(box, k, rng).within, 1e-300))
        measured = np.log(max(k_means(rotated, k, rng, starts=10).within[0], 1e-300))
        gap[k - 1] = expected.mean() - measured
        error[k - 1] = expected.std() * np.sqrt(1 + 1 / draws)
    enough = gap[:-1] >= gap[1:] - error[1:]
    return gap, error, int(enough.argmax()) + 1 if enough.any() else most


def indices_by_chance(
    values: np.ndarray,
    numbers: Sequence[int],
    spread: np.ndarray,
    rng: np.random.Generator,
    *,
    simulations: int = 40,
) -> dict[str, dict[int, np.ndarray]]:
    """Every index of :data:`INDICES` under one Gaussian cloud (a parametric bootstrap).

    Parameters
    ----------
    values
        Positions; their number counts.
    numbers
        Numbers of clusters.
    spread
        Standard deviation of the cloud along each axis.
    rng
        Draws the cloud.
    simulations
        Draws.
    """
    cloud = rng.standard_normal((simulations, len(values), len(spread))) * spread
    drawn: dict[str, dict[int, np.ndarray]] = {name: {} for name in INDICES}
    for k in numbers:
        labels = k_means(cloud, k, rng).labels
        for name, index in INDICES.items():
            drawn[name][k] = np.array(
                [index(one, label) for one, label in zip(cloud, labels, strict=True)]
            )
    return drawn
