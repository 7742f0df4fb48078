"""What the training people of a model were like, and how far others lie from them.

Means, spreads and main axes of their markers are kept, no person's own values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from commissure.models.nested import Division, nested_auc
from commissure.models.preparation import has_block
from commissure.study.design import Block

#: Main axes of a block that describe its training people.
AXES = 10
#: A person is outside where the distance exceeds the largest left-out training person's by this.
MARGIN = 1.25
#: Drawn training people against whom new people are told apart.
DRAWN = 200
#: People without whom old and new are not told apart.
MIN_NEW = 10


def training_domain(values: np.ndarray, block: Block, seed: int = 0) -> dict[str, Any]:
    """What the people of a block are like, without keeping any of them.

    Returns
    -------
    dict
        Columns, their ``mean``, ``sd``, ``low`` and ``high`` (5 % and 95 %), main ``axes`` of the
        standardised values, their ``variance``, the variance that is left per column (``rest``),
        people (``n``), the ``limit`` of the distance, and ``two_sample_auc``: the AUC between the
        training people and drawn ones, which new people exceed only where they differ.
    """
    markers = values[has_block(values, block)][:, list(block.columns)]
    domain = _described(markers)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 10]))
    fold = rng.permutation(len(markers)) % 5
    left_out = np.full(len(markers), np.nan)
    for number in range(5):
        test = fold == number
        if (~test).sum() > 2 and test.any():
            left_out[test] = distance(_described(markers[~test]), markers[test])
    limit = MARGIN * np.nanmax(left_out) if np.isfinite(left_out).any() else math.inf
    domain |= {"columns": [int(index) for index in block.columns], "limit": float(limit)}
    return domain | {"two_sample_auc": two_sample_auc(domain, markers, seed)}


def distance(domain: Mapping[str, Any], markers: np.ndarray) -> np.ndarray:
    """How far people lie from the training people; about 1 is typical.

    The larger of the root mean square along the main axes and across them (Mahalanobis' distance
    in two parts); gaps count as the mean.

    Parameters
    ----------
    domain
        As from :func:`training_domain`.
    markers
        The block's columns, shape (people, columns).
    """
    z = standardised(domain, markers)
    axes, variance = domain["axes"], domain["variance"]
    along = z @ axes
    across = ((z - along @ axes.T) ** 2).sum(axis=1) / max(domain["rest"].sum(), 1e-12)
    inside = (along**2 / variance).mean(axis=1) if len(variance) else np.zeros(len(z))
    return np.sqrt(np.maximum(inside, across))


def two_sample_auc(domain: Mapping[str, Any], markers: np.ndarray, seed: int = 0) -> float:
    """AUC of a cross-validated ridge classifier between people and drawn training people.

    Parameters
    ----------
    domain
        As from :func:`training_domain`.
    markers
        The block's columns, shape (people, columns).
    seed
        Seed of the drawn people and of the folds.
    """
    if len(markers) < MIN_NEW:
        return math.nan
    rng = np.random.default_rng(np.random.SeedSequence([seed, 11]))
    axes, variance = domain["axes"], domain["variance"]
    z = rng.normal(size=(DRAWN, len(variance))) * np.sqrt(variance) @ axes.T
    z += rng.normal(size=z.shape) * np.sqrt(domain["rest"])
    both = np.vstack([standardised(domain, markers), z])
    labels = np.r_[np.ones(len(markers)), np.zeros(DRAWN)]
    fold = np.r_[rng.permutation(len(markers)) % 5, np.arange(DRAWN) % 5]
    divisions = []
    for number in range(5):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        inner = tuple(
            (train[fold[train] != other], train[fold[train] == other])
            for other in range(5)
            if other != number
        )
        divisions.append(Division(train, test, inner))
    penalties = both.shape[1] * np.array([0.1, 1.0, 10.0, 100.0])
    return float(nested_auc(both, labels[:, None], divisions, penalties)[0])


def standardised(domain: Mapping[str, Any], markers: np.ndarray) -> np.ndarray:
    """Columns in training standard deviations from the training mean; gaps are the mean."""
    sd = np.where(domain["sd"] > 0, domain["sd"], 1.0)
    return np.nan_to_num((markers - domain["mean"]) / sd)


def _described(markers: np.ndarray) -> dict[str, Any]:
    measured = np.isfinite(markers)
    counts = measured.sum(axis=0)
    filled = np.where(measured, markers, 0.0)
    mean = filled.sum(axis=0) / np.maximum(counts, 1)
    centred = np.where(measured, markers - mean, 0.0)
    sd = np.sqrt((centred**2).sum(axis=0) / np.maximum(counts - 1, 1))
    z = centred / np.where(sd > 0, sd, 1.0)
    _, size, axes = np.linalg.svd(z, full_matrices=False)
    # An axis is kept where many people say so: a tenth of them per axis.
    kept = min(AXES, max(1, len(markers) // 10), len(size))
    axes, variance = axes[:kept].T, size[:kept] ** 2 / max(1, len(markers) - 1)
    real = variance > 1e-9
    axes, variance = axes[:, real], variance[real]
    rest = np.maximum(z.var(axis=0) - (axes**2 * variance).sum(axis=1), 0.0)
    low, high = (
        np.array([np.quantile(c[np.isfinite(c)], q) if np.isfinite(c).any() else np.nan
                  for c in markers.T]) for q in (0.05, 0.95)
    )  # fmt: skip
    return {"mean": mean, "sd": sd, "counts": counts, "low": low, "high": high, "axes": axes,
            "variance": variance, "rest": rest, "n": len(markers)}  # fmt: skip
