"""Whether the same clusters come again when people are drawn anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commissure.models.clusters import k_means
from commissure.subtypes.indices import paired_people

#: Share of the people in each draw of the consensus, as in Monti et al. 2003.
CONSENSUS_SHARE = 0.8
#: Pairs of people whose consensus lies between are ambiguous (Senbabaoglu et al. 2014).
AMBIGUOUS = (0.1, 0.9)


@dataclass(frozen=True)
class Stability:
    """How stable the clusters of a solution are.

    Attributes
    ----------
    jaccard
        Of each cluster the mean likeness to the most alike cluster of a bootstrap sample (Hennig
        2007), shape (k,). From .75 on a cluster counts as stable.
    pac
        Proportion of ambiguously clustered pairs; 0 where every pair is always or never together.
    """

    jaccard: np.ndarray
    pac: float


def stability(
    values: np.ndarray, labels: np.ndarray, rng: np.random.Generator, *, draws: int = 50
) -> Stability:
    """Bootstrap Jaccard of each cluster, and the consensus of subsamples.

    Parameters
    ----------
    values
        Positions, shape (people, columns).
    labels
        Clusters by k-means, shape (people,).
    rng
        Draws people.
    draws
        Samples of each kind.
    """
    people, k = len(values), int(labels.max()) + 1
    weights = rng.multinomial(people, np.full(people, 1 / people), size=draws).astype(float)
    # A sample without k different people has no k clusters.
    weights = weights[(weights > 0).sum(axis=1) > k]
    again = k_means(values, k, rng, weights=weights).labels
    member = (labels == np.arange(k)[:, None]).astype(float)
    drawn = (weights > 0).astype(float)
    found = (again[:, None] == np.arange(k)[:, None]) * drawn[:, None]
    both = found @ member.T
    either = found.sum(axis=2)[:, :, None] + (drawn @ member.T)[:, None] - both
    alike = np.where(either > 0, both / np.maximum(either, 1), 0.0)
    present = (drawn @ member.T) > 0
    best = np.where(present, alike.max(axis=1), np.nan)
    return Stability(np.nanmean(best, axis=0), consensus_pac(values, k, rng, draws=draws))


def consensus_pac(values: np.ndarray, k: int, rng: np.random.Generator, *, draws: int) -> float:
    """Proportion of ambiguously clustered pairs over subsamples of the people.

    The pairs are those of :func:`~commissure.subtypes.indices.paired_people`.
    """
    people = len(values)
    size = max(k + 1, round(CONSENSUS_SHARE * people))
    drawn = np.zeros((draws, people))
    for row in drawn:
        row[rng.permutation(people)[:size]] = 1.0
    labels = k_means(values, k, rng, weights=drawn).labels
    paired = paired_people(people)
    drawn, labels = drawn[:, paired], labels[:, paired]
    together = np.zeros((len(paired), len(paired)))
    for number in range(k):
        member = (labels == number) * drawn
        together += member.T @ member
    sampled = drawn.T @ drawn
    upper = np.triu_indices(len(paired), 1)
    share = together[upper] / np.maximum(sampled[upper], 1)
    share = share[sampled[upper] > 0]
    return float(((share > AMBIGUOUS[0]) & (share < AMBIGUOUS[1])).mean())
