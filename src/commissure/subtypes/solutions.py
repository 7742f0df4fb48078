"""Every number of clusters that is tried, with what speaks for and against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from commissure.models.clusters import NearestCentroid, k_means, ward
from commissure.subtypes.confounds import Confound, confound_test
from commissure.subtypes.indices import silhouette
from commissure.subtypes.settings import SubtypesSettings
from commissure.subtypes.significance import neighbours, valley_counts, valley_p
from commissure.subtypes.stability import Stability, stability

#: From these on a solution counts as stable and as replicated.
MIN_JACCARD, MAX_PAC, MIN_REPLICATION = 0.75, 0.2, 0.8


@dataclass(frozen=True)
class Direction:
    """Positions of people in a space that was learnt from one part of them.

    Attributes
    ----------
    learnt, held
        Numbers of the people of the part, and of those held out.
    values
        Positions of everybody, shape (people, axes).
    """

    learnt: np.ndarray
    held: np.ndarray
    values: np.ndarray


@dataclass
class Solution:
    """One number of clusters.

    Attributes
    ----------
    k
        The number.
    labels
        Cluster of everybody by the nearest centroid, from 0 by falling size, shape (people,).
    centroids
        By which new people are assigned.
    sizes
        People of each cluster among those from whom it was learnt.
    silhouette
        Among them.
    valley
        The p that there is no valley between two neighbouring clusters.
    replication
        Prediction strength (Tibshirani and Walther 2005): of the least replicated cluster of people
        held out, the share of pairs whom the centroids of the others put together.
    confounds
        Records of :func:`~commissure.subtypes.confounds.confound_test`.
    stability
        Where it was computed.
    against
        What speaks against it, in words; empty where it is admissible.
    """

    k: int
    labels: np.ndarray
    centroids: NearestCentroid
    sizes: list[int]
    silhouette: float
    valley: float
    replication: float
    confounds: list[dict[str, Any]] = field(default_factory=list)
    stability: Stability | None = None
    against: list[str] = field(default_factory=list)

    @property
    def stable(self) -> bool:
        """Whether its clusters come again in people drawn anew, and in those held out."""
        known = self.stability
        return bool(
            known is not None
            and known.jaccard.min() >= MIN_JACCARD
            and known.pac <= MAX_PAC
            and self.replication >= MIN_REPLICATION
        )


def clusters_of(
    values: np.ndarray, k: int, settings: SubtypesSettings, rng: np.random.Generator
) -> np.ndarray:
    """Clusters by the method of the recipe, numbered by falling size; shape (people,)."""
    if settings.recipe == "drysdale":
        labels = ward(values, k)
    else:
        labels = k_means(values, k, rng, starts=10).labels[0]
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    return np.argsort(order)[labels]


def tried_solutions(
    learnt: np.ndarray,
    values: np.ndarray,
    directions: Sequence[Direction],
    folds: Sequence[Direction],
    confounds: Sequence[Confound],
    settings: SubtypesSettings,
    rng: np.random.Generator,
) -> list[Solution]:
    """Solutions of two clusters and more.

    Parameters
    ----------
    learnt
        Numbers of the people from whom the clusters are learnt.
    values
        Positions of everybody, shape (people, axes).
    directions
        Discovery to validation, and back: for the replication.
    folds
        Parts of the people, each held out once: for the valleys.
    confounds
        What clusters must not follow.
    settings
        The settings.
    rng
        Draws starts.
    """
    most = min(settings.max_clusters, len(learnt) // settings.min_cluster_people)
    solutions = []
    for k in range(2, most + 1):
        labels = clusters_of(values[learnt], k, settings, rng)
        centroids = NearestCentroid(settings.sure).fit(values[learnt], labels)
        everybody = centroids.nearest(values)
        solution = Solution(
            k=k,
            labels=everybody,
            centroids=centroids,
            sizes=[int(n) for n in np.bincount(labels, minlength=k)],
            silhouette=silhouette(values[learnt], labels),
            valley=valley(folds, k, settings, rng),
            replication=float(np.mean([
                prediction_strength(d, k, settings, rng) for d in directions
            ])),
            confounds=[confound_test(everybody, confound, rng) for confound in confounds],
        )  # fmt: skip
        solution.against = _against(solution, len(learnt), settings)
        solutions.append(solution)
    return solutions


def add_stability(
    solution: Solution,
    learnt: np.ndarray,
    values: np.ndarray,
    settings: SubtypesSettings,
    rng: np.random.Generator,
) -> None:
    """Compute how stable a solution is."""
    labels = k_means(values[learnt], solution.k, rng, starts=10).labels[0]
    solution.stability = stability(values[learnt], labels, rng, draws=settings.draws)


def _against(solution: Solution, people: int, settings: SubtypesSettings) -> list[str]:
    """What makes a solution inadmissible, in words."""
    against = []
    least = max(settings.min_cluster_people, settings.min_cluster_share * people)
    if min(solution.sizes) < least:
        against.append(
            f"the smallest cluster has {min(solution.sizes)} people, a handful of outliers "
            f"({least:.0f} are needed)"
        )
    told = [
        f"{record['confound']} ({record['measure']} {record['value']:.2f})"
        for record in solution.confounds
        if record["told"] and record["mandatory"]
    ]
    if told:
        against.append(f"its clusters are told from {' and '.join(told)}")
    if solution.valley > settings.alpha:
        against.append(
            "there are as many people midway between two clusters as in them "
            f"(p {solution.valley:.2g})"
        )
    return against


def valley(
    folds: Sequence[Direction], k: int, settings: SubtypesSettings, rng: np.random.Generator
) -> float:
    """The p that two neighbouring clusters have no valley between them, in people held out.

    Each person is counted once, along the line between centroids that others made. Of all
    neighbouring pairs the largest p counts.
    """
    parts = []
    for direction in folds:
        labels = clusters_of(direction.values[direction.learnt], k, settings, rng)
        model = NearestCentroid().fit(direction.values[direction.learnt], labels)
        own = direction.values[direction.learnt] - model.centres_[labels]
        within = own.T @ own / max(1, len(own) - k)
        parts.append((direction, model.centres_, within, model.nearest(direction.values)))
    first = parts[0][3]
    worst = 0.0
    for one, other in neighbours(parts[0][1]):
        counts = np.zeros(3, int)
        for direction, centres, within, nearest in parts:
            together = np.array([[((first == a) & (nearest == b)).sum() for b in range(k)]
                                 for a in range(k)])  # fmt: skip
            match = linear_sum_assignment(-together)[1]
            pair = (int(match[one]), int(match[other]))
            counts += valley_counts(centres, direction.values[direction.held], pair, within)
        worst = max(worst, valley_p(*(int(n) for n in counts)))
    return worst


def prediction_strength(
    direction: Direction, k: int, settings: SubtypesSettings, rng: np.random.Generator
) -> float:
    """Share of pairs of a cluster of the people held out whom foreign centroids put together."""
    values, learnt, held = direction.values, direction.learnt, direction.held
    if len(held) <= k:
        return 0.0
    model = NearestCentroid().fit(values[learnt], clusters_of(values[learnt], k, settings, rng))
    predicted, fresh = model.nearest(values[held]), clusters_of(values[held], k, settings, rng)
    shares = []
    for number in range(k):
        of_cluster = predicted[fresh == number]
        people = len(of_cluster)
        if people < 2:
            return 0.0
        count = np.bincount(of_cluster, minlength=k)
        shares.append((count * (count - 1)).sum() / (people * (people - 1)))
    return float(min(shares))
