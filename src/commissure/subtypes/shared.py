"""What markers and symptoms share: in the people it was learnt from, and in people held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from commissure.markers.intervals import Z_95
from commissure.models.canonical import CanonicalVariates, unit_ranks


@dataclass(frozen=True)
class SharedVariate:
    """One pair of canonical variates.

    Attributes
    ----------
    in_sample, held_out
        Correlation in the people it was learnt from, and in those held out.
    low, high
        95 % interval of the latter (Fisher's z).
    by_chance
        Median of the largest in-sample correlation when symptoms are dealt out to other people.
    p_in_sample, p_held_out
        Share of the permutations, each of which repeats the selection, whose largest correlation
        over all pairs is as large; never smaller than that of the pair before.
    likeness
        Cosine of its loadings with the most alike ones learnt from the people held out.
    """

    in_sample: float
    held_out: float
    low: float
    high: float
    by_chance: float
    p_in_sample: float
    p_held_out: float
    likeness: float


def shared_variates(
    model: CanonicalVariates,
    markers: np.ndarray,
    items: np.ndarray,
    discovery: np.ndarray,
    strata: np.ndarray,
    rng: np.random.Generator,
    *,
    permutations: int,
) -> list[SharedVariate]:
    """Correlations of all pairs, with the tests that repeat everything that sees the symptoms.

    Parameters
    ----------
    model
        What is learnt; unfitted.
    markers
        Prepared in the discovery people, shape (people, markers).
    items
        Without gaps, shape (people, items).
    discovery
        Who is in the discovery part, shape (people,).
    strata
        Site of each person: symptoms are dealt out within site.
    rng
        Deals.
    permutations
        How often.
    """
    train, test = np.flatnonzero(discovery), np.flatnonzero(~discovery)
    X = reduced(model, markers, train)
    ranks = unit_ranks(X[train]) if model.selected is not None else None

    def correlations(symptoms: np.ndarray) -> tuple[np.ndarray, np.ndarray, CanonicalVariates]:
        fitted = clone(model).fit(X[train], symptoms[train], ranks=ranks)
        return (
            fitted.correlations(X[train], symptoms[train]),
            fitted.correlations(X[test], symptoms[test]),
            fitted,
        )

    in_sample, held_out, fitted = correlations(items)
    other = clone(model).fit(X[test], items[test])
    likeness = np.abs(_unit(fitted.loadings_).T @ _unit(other.loadings_)).max(axis=1)
    largest = np.empty((permutations, 2))
    for row in largest:
        one, two, _ = correlations(items[_dealt((train, test), strata, rng)])
        row[:] = one.max(), two.max()
    p_in, p_out = (
        np.maximum.accumulate(
            [(1 + (largest[:, column] >= r).sum()) / (1 + permutations) for r in measured]
        )
        for column, measured in enumerate((in_sample, held_out))
    )
    by_chance = float(np.median(largest[:, 0]))
    half = Z_95 / np.sqrt(max(1, len(test) - 3))
    z = np.arctanh(np.clip(held_out, -0.999999, 0.999999))
    return [
        SharedVariate(
            float(in_sample[k]), float(held_out[k]), float(np.tanh(z[k] - half)),
            float(np.tanh(z[k] + half)), by_chance, float(p_in[k]), float(p_out[k]),
            float(likeness[k]),
        )
        for k in range(len(in_sample))
    ]  # fmt: skip


def reduced(model: CanonicalVariates, markers: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Markers on the main axes of the training people, where the model takes only these.

    It does not see the symptoms, so that one rotation serves all permutations.
    """
    if not model.axes or model.selected is not None:
        return markers
    centre = markers[train].mean(axis=0)
    axes = np.linalg.svd(markers[train] - centre, full_matrices=False)[2]
    return (markers - centre) @ axes[: max(model.axes)].T


def _dealt(parts: Sequence[np.ndarray], strata: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Numbers of people after they have been exchanged within each part and site."""
    order = np.arange(len(strata))
    for part in parts:
        for site in np.unique(strata[part]):
            rows = part[strata[part] == site]
            order[rows] = rng.permutation(rows)
    return order


def _unit(loadings: np.ndarray) -> np.ndarray:
    size = np.sqrt((loadings**2).sum(axis=0))
    return np.asarray(loadings / np.where(size > 0, size, 1.0))
