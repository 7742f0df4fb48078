"""How far connectivity follows head motion across people, pair by pair (QC-FC).

Power JD et al., NeuroImage 2012;59:2142-2154; Ciric R et al., NeuroImage 2017;154:174-187; Parkes L
et al., NeuroImage 2018;171:415-436. The pairs share parcels and people, so that neither their
number nor a textbook null says what chance does: displacements are dealt out to other people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control, rankdata, t

#: Pairs with a value in a smaller share of the people are left out.
PAIR_KNOWN_MIN = 0.9

#: Groups of pairs, by distance, whose means are drawn.
DISTANCE_GROUPS = 10


@dataclass(frozen=True)
class MotionInEdges:
    """Correlations of connectivity with head motion over the people, by one strategy.

    Attributes
    ----------
    people, pairs
        How many of each went in.
    median_abs_r
        Median over the pairs of the absolute (partial) correlation with mean displacement.
    expected_abs_r
        What chance leaves of an absolute correlation, ``sqrt(2 / (pi (N - k - 3)))`` with k
        covariates.
    chance_low, chance_high
        2.5th and 97.5th percentile of the median where displacements are dealt out anew.
    p_median
        Share of these with a median as large.
    significant_percent, significant_percent_fdr
        Pairs with p < 0.05, and after Benjamini's and Hochberg's correction.
    distance_rho
        Spearman correlation over the pairs of r with the distance between the parcels.
    p_distance
        Share of the deals with an absolute value as large.
    distance_slope
        Change of r per 100 mm.
    curve
        Mean distance in mm and mean r of groups of equally many pairs.
    """

    people: int
    pairs: int
    median_abs_r: float
    expected_abs_r: float
    chance_low: float
    chance_high: float
    p_median: float
    significant_percent: float
    significant_percent_fdr: float
    distance_rho: float
    p_distance: float
    distance_slope: float
    curve: list[tuple[float, float]]


def motion_in_edges(
    z: np.ndarray,
    displacement_mm: np.ndarray,
    distances_mm: np.ndarray,
    covariates: np.ndarray,
    *,
    permutations: int,
    seed: int = 0,
) -> MotionInEdges | None:
    """Correlate every pair's connectivity with mean displacement over the people.

    Parameters
    ----------
    z
        Shape (N, E): Fisher's z of each person; NaN where a person has no value. The few that a
        pair lacks take the pair's mean.
    displacement_mm
        Shape (N,): mean framewise displacement.
    distances_mm
        Shape (E,): distance between the parcels.
    covariates
        Shape (N, k), without gaps: taken out of both sides.
    permutations
        How often displacements are dealt out anew.
    seed
        Of the deals.

    Returns
    -------
    MotionInEdges or None
        None where no pair is left, nobody moves differently, or fewer than four degrees of
        freedom are left.
    """
    count, used = len(z), covariates.shape[1]
    known = np.isfinite(z)
    kept = known.mean(axis=0) >= PAIR_KNOWN_MIN if count else np.zeros(z.shape[1], bool)
    if count - used - 2 < 4 or not kept.any():
        return None
    values = np.where(known[:, kept], z[:, kept], 0).astype(np.float64)
    means = values.sum(axis=0) / known[:, kept].sum(axis=0)
    values = np.where(known[:, kept], values, means)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(count), covariates]))
    values, spread = _unit(values - basis @ (basis.T @ values))
    motion, moved = _unit((displacement_mm - basis @ (basis.T @ displacement_mm))[:, None])
    if not moved[0] > 1e-12:
        return None
    values, distances = values[:, spread > 1e-12], distances_mm[kept][spread > 1e-12]
    r = motion[:, 0] @ values
    freedom = count - used - 2
    p = 2 * t.sf(np.abs(r) * np.sqrt(freedom / np.maximum(1 - r**2, 1e-12)), freedom)

    ranks = _centred(rankdata(distances))
    rho = float(ranks @ _centred(rankdata(r)))
    rng = np.random.default_rng(seed)
    medians, rhos = np.empty((2, permutations))
    for k in range(permutations):
        dealt = rng.permutation(motion[:, 0])
        dealt -= basis @ (basis.T @ dealt)
        chance = (dealt / np.linalg.norm(dealt)) @ values
        medians[k] = np.median(np.abs(chance))
        rhos[k] = ranks @ _centred(rankdata(chance))
    median = float(np.median(np.abs(r)))
    low, high = np.quantile(medians, (0.025, 0.975))
    groups = np.array_split(np.argsort(distances, kind="stable"), DISTANCE_GROUPS)
    return MotionInEdges(
        people=count,
        pairs=len(r),
        median_abs_r=median,
        expected_abs_r=float(np.sqrt(2 / (np.pi * max(count - used - 3, 1)))),
        chance_low=float(low),
        chance_high=float(high),
        p_median=float((1 + (medians >= median - 1e-12).sum()) / (1 + permutations)),
        significant_percent=100 * float((p < 0.05).mean()),
        significant_percent_fdr=100 * float((false_discovery_control(p) < 0.05).mean()),
        distance_rho=rho,
        p_distance=float((1 + (np.abs(rhos) >= abs(rho) - 1e-12).sum()) / (1 + permutations)),
        distance_slope=100 * float(np.polyfit(distances, r, 1)[0]),
        curve=[(float(distances[g].mean()), float(r[g].mean())) for g in groups if len(g)],
    )


def _unit(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of length one, and the lengths that they had."""
    length = np.linalg.norm(columns, axis=0)
    return columns / np.where(length > 1e-12, length, 1), length


def _centred(ranks: np.ndarray) -> np.ndarray:
    """Ranks of mean zero and length one: products of two are Spearman's correlation."""
    centred = ranks - ranks.mean()
    return centred / np.linalg.norm(centred)
