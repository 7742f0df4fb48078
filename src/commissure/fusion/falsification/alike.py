"""People who are far more alike than any others: one person twice, or relatives."""

from __future__ import annotations

import math

import numpy as np

#: Columns that people must have for their likeness to mean anything.
SHARED_COLUMNS = 10
#: Standardised values beyond count as this: one outlier must not make two people alike.
_LARGEST_Z = 5.0
#: Share of the columns that a person must have to be compared.
_MEASURED = 0.8
#: Robust standard deviations by which a pair stands out from the most alike of normal pairs.
_MARGIN = 4.0
#: Pairs from which the likeness of unrelated people is learnt, and rows that are compared at once.
_PAIRS, _ROWS = 2_000_000, 1000
#: Of the drawn pairs, those whose likeness is computed at once.
_DRAWN = 10_000


def near_copies(values: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of rows whose likeness lies far outside that of all others, the most alike first.

    Standardised values are turned to their main axes, each divided by the root of its variance plus
    the mean variance, so that what all people share (size, age) makes nobody alike. The likeness of
    two people is Fisher's z of the cosine between them. A pair stands out that lies more than
    ``sqrt(2 ln pairs) + 4`` robust standard deviations above the median: the first term is what the
    largest of so many normal values reaches. People with too many gaps are compared with nobody:
    gaps at the same places would make them alike.

    Parameters
    ----------
    values
        Markers of one modality, shape (people, columns), with gaps.
    """
    whole = np.flatnonzero(np.isfinite(values).sum(axis=1) >= _MEASURED * values.shape[1])
    axes = _axes(values[whole])
    if axes is None:
        return []
    people = len(axes)
    axes = axes / np.maximum(np.linalg.norm(axes, axis=1), 1e-300)[:, None]
    rng = np.random.default_rng(people)
    first, second = rng.integers(0, people, (2, min(_PAIRS, people**2)))
    apart = first != second
    first, second = first[apart], second[apart]
    drawn = np.empty(len(first))
    for start in range(0, len(drawn), _DRAWN):
        part = slice(start, start + _DRAWN)
        drawn[part] = np.einsum("ij,ij->i", axes[first[part]], axes[second[part]])
    lower, middle, upper = np.quantile(_fisher(drawn), [0.25, 0.5, 0.75])
    pairs = people * (people - 1) / 2
    limit = middle + (math.sqrt(2 * math.log(pairs)) + _MARGIN) * (upper - lower) / 1.349
    found = []
    for start in range(0, people, _ROWS):
        cosine = axes[start : start + _ROWS] @ axes[start:].T
        # Fisher's z rises with the cosine: it is computed of the few that may exceed the limit.
        for row, other in zip(*np.nonzero(cosine > math.tanh(limit) - 1e-9), strict=True):
            like = float(_fisher(cosine[row, other]))
            if row < other and like > limit:
                found.append((like, int(start + row), int(start + other)))
    return [
        (int(whole[a]), int(whole[b]))
        for _, a, b in sorted(found, key=lambda pair: (-pair[0], pair[1:]))
    ]


def _axes(values: np.ndarray) -> np.ndarray | None:
    """People in the evened main axes of their standardised values; None with too few of either."""
    values = values[:, np.isfinite(values).sum(axis=0) > 1]
    spread = np.nanstd(values, axis=0)
    kept = spread > 0
    if kept.sum() < SHARED_COLUMNS or len(values) < SHARED_COLUMNS:
        return None
    z = (values[:, kept] - np.nanmean(values[:, kept], axis=0)) / spread[kept]
    z = np.nan_to_num(np.clip(z, -_LARGEST_Z, _LARGEST_Z))
    turned = len(z) < z.shape[1]
    variance, axes = np.linalg.eigh(z @ z.T if turned else z.T @ z)
    variance = np.maximum(variance, 0.0)
    scores = axes * np.sqrt(variance) if turned else z @ axes
    return scores / np.sqrt(variance + variance.mean())


def _fisher(cosine: np.ndarray) -> np.ndarray:
    return np.arctanh(np.clip(cosine, -0.9999999, 0.9999999))
