"""Whether clusters are more than what one continuous cloud of people gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.stats import binom

from commissure.errors import DatasetError
from commissure.models.clusters import k_means

#: Starts of k-means, for the people as for every draw.
STARTS = 5


@dataclass(frozen=True)
class SigClust:
    """The test of two clusters against one Gaussian cloud.

    Attributes
    ----------
    index
        Cluster index: sum of squares within two clusters, of the total.
    expected
        Its mean in draws of the Gaussian cloud.
    p
        Share of the draws, itself among them, whose index is as small.
    """

    index: float
    expected: float
    p: float


def sigclust(
    values: np.ndarray,
    rng: np.random.Generator,
    *,
    simulations: int = 500,
    background: float | None = None,
) -> SigClust:
    """Liu et al. 2008 (doi:10.1198/016214508000000454), eigenvalues as in Huang et al. 2015.

    Parameters
    ----------
    values
        Positions of people, shape (people, columns).
    rng
        Draws the cloud.
    simulations
        Draws.
    background
        Variance of the noise of one column, below which no eigenvalue is taken to lie;
        :func:`background_variance` of the positions if None. Main axes of a larger table bring that
        of the table with them.

    Raises
    ------
    DatasetError
        Nobody differs.
    """
    values = np.asarray(values, float)
    centred = values - values.mean(axis=0)
    total = float((centred**2).sum())
    if total <= 0:
        raise DatasetError(
            "subtypes", found="all people have the same values", wanted="people who differ"
        )
    _, size, axes = np.linalg.svd(centred, full_matrices=False)
    index = float(k_means(centred @ axes.T, 2, rng, starts=STARTS).within[0] / total)
    spread = np.sqrt(null_eigenvalues(centred, size, background))
    drawn = np.empty(simulations)
    # So many draws at once as fill 32 MB.
    at_once = max(1, int(4e6 // (len(values) * len(spread))))
    for first in range(0, simulations, at_once):
        count = min(at_once, simulations - first)
        cloud = rng.standard_normal((count, len(values), len(spread))) * spread
        cloud -= cloud.mean(axis=1, keepdims=True)
        # The same care as for the people, or the draws would be too easy to beat.
        within = k_means(cloud, 2, rng, starts=STARTS).within
        drawn[first : first + count] = within / (cloud**2).sum(axis=(1, 2))
    p = (1 + (drawn <= index).sum()) / (1 + simulations)
    return SigClust(index, float(drawn.mean()), float(p))


def null_eigenvalues(centred: np.ndarray, size: np.ndarray, background: float | None) -> np.ndarray:
    """Eigenvalues of the cloud: those of the people, none below the variance of the noise.

    Parameters
    ----------
    centred
        Positions about their mean.
    size
        Their singular values.
    background
        As in :func:`sigclust`.
    """
    columns = centred.shape[1]
    eigenvalues = np.zeros(columns)
    eigenvalues[: len(size)] = size**2 / max(1, len(centred) - 1)
    noise = background_variance(centred) if background is None else background
    return np.asarray(np.maximum(eigenvalues, noise))


def background_variance(centred: np.ndarray) -> float:
    """Variance of the noise of one column, by the smaller of two estimates.

    The median absolute deviation of all entries is that of Liu et al.: it takes most columns for
    noise. Columns of the brain go together, so that it lies above nearly all eigenvalues, and a
    cloud drawn by it is rounder than the people: three hundred volumes and thicknesses of one
    cohort gave p = .02 without a cluster. The other estimate is the median eigenvalue against that
    of the Marchenko-Pastur law (Gavish and Donoho 2014).
    """
    people, columns = centred.shape
    by_entries = float((1.4826 * np.median(np.abs(centred - np.median(centred)))) ** 2)
    eigenvalues = np.linalg.svd(centred, compute_uv=False) ** 2 / max(1, people - 1)
    known = eigenvalues[: max(1, min(people - 1, columns))]
    ratio = columns / max(1, people - 1)
    edges = (1 - np.sqrt(ratio)) ** 2, (1 + np.sqrt(ratio)) ** 2
    at = np.linspace(*edges, 2001)[1:-1]
    # The density of the eigenvalues that are not 0, up to a constant.
    density = np.sqrt((edges[1] - at) * (at - edges[0])) / at
    middle = at[int(np.searchsorted(np.cumsum(density), density.sum() / 2))]
    return min(by_entries, float(np.median(known) / middle))


def neighbours(centres: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of clusters on the minimum spanning tree of their centres."""
    gaps = np.sqrt(((centres[:, None] - centres) ** 2).sum(axis=2))
    one, other = minimum_spanning_tree(gaps).nonzero()
    return [(int(a), int(b)) for a, b in zip(one, other, strict=True)]


def valley_counts(
    centres: np.ndarray,
    values: np.ndarray,
    pair: tuple[int, int],
    within: np.ndarray | None = None,
) -> tuple[int, int, int]:
    """People near one centre, midway, and near the other centre of a pair of clusters.

    Along the axis that tells the two apart (the line through their centres, or Fisher's where the
    covariance within clusters is given), in three windows of a third of their distance. Only
    people count who are nearer to the midpoint than to any other centre: a convex region, in which
    the projection of a cloud without valleys (a log-concave one) has no valley either.

    Parameters
    ----------
    centres
        Of clusters found in other people, shape (k, columns).
    values
        Positions of the people, shape (people, columns).
    pair
        Numbers of the two clusters.
    within
        Covariance of people within clusters, of the other people, shape (columns, columns).
    """
    one, other = centres[list(pair)]
    middle, gap = (one + other) / 2, other - one
    axis = gap if within is None else np.linalg.lstsq(within, gap, rcond=1e-6)[0]
    length = float(gap @ axis)
    if length <= 0:
        return 0, 0, 0
    rest = np.delete(centres, list(pair), axis=0)
    if len(rest):
        to_middle = ((values - middle) ** 2).sum(axis=1)
        to_rest = ((values[:, None] - rest) ** 2).sum(axis=2).min(axis=1)
        values = values[to_middle < to_rest]
    # From -1/2 at one centre to 1/2 at the other.
    place = (values - middle) @ axis / length
    windows = [int((np.abs(place - at) < 1 / 6).sum()) for at in (-0.5, 0.0, 0.5)]
    return windows[0], windows[1], windows[2]


def valley_p(near_one: int, midway: int, near_other: int) -> float:
    """Chance of so few people midway if there is no valley between two clusters.

    In a cloud with one summit the window in the middle holds at least as many people as the emptier
    of the two at the centres. Both must be beaten, so that the larger of two binomial tests is the
    test's p: it is exact whatever the shape of the cloud, a uniform gradient included.
    """
    return max(float(binom.cdf(midway, midway + near, 0.5)) for near in (near_one, near_other))
