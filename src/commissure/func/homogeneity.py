"""Regional homogeneity: how alike the course of a voxel and of its neighbours is.

Zang Y et al., NeuroImage 2004;22:394-400: Kendall's coefficient of concordance W of the 27 voxels
of a cube. It rests on ranks, so that neither scale nor mean of a voxel matters.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

#: Voxels of a neighbourhood: the voxel and all that share a face, an edge or a corner with it.
NEIGHBOURS = 27

#: So many of them must be inside: half, the voxel itself among them.
FEWEST = 14

#: Series that are ranked at a time: bounds the memory.
_AT_A_TIME = 8192


def regional_homogeneity(series: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Kendall's W of every voxel and its neighbours inside, with ties corrected.

    ``W = 12 sum_t (R_t - mean R)² / (K² (n³ - n) - K sum_k sum_g (t³ - t))``, K voxels, n volumes,
    R the sums of their ranks, t the sizes of groups of equal values. Of voxels that are independent
    W is about 1 / K, so that at the edge it would be larger than within. Where fewer than 27 are
    inside, the value is therefore the W that 27 voxels with the same mean correlation of ranks
    have: ``W = (1 + (K - 1) r) / K``.

    Parameters
    ----------
    series
        Shape (V, T): the voxels of ``inside`` in its order, not smoothed.
    inside
        Boolean, shape (X, Y, Z).

    Returns
    -------
    numpy.ndarray
        Shape (V,); NaN where fewer than :data:`FEWEST` of the 27 are inside, or nothing varies.
    """
    volumes = series.shape[1]
    ranks, ties = _centred_ranks(series)
    corner = [slice(int(k.min()), int(k.max()) + 1) for k in np.nonzero(inside)]
    where = inside[corner[0], corner[1], corner[2]]
    voxels = _cube_sum(where.astype(np.float32))[where].astype(float)
    squares = np.zeros(len(series))
    volume = np.zeros(where.shape, np.float32)
    for column in ranks.T:
        volume[where] = column
        squares += _cube_sum(volume)[where].astype(float) ** 2
    volume[where] = ties
    tied = _cube_sum(volume)[where].astype(float)
    most = voxels**2 * (volumes**3 - volumes) - voxels * tied
    known = (voxels >= FEWEST) & (most > 1e-6 * volumes**3)
    concordance = np.divide(12 * squares, most, out=np.full(len(series), np.nan), where=known)
    alike = (voxels * concordance - 1) / np.maximum(voxels - 1, 1)
    return (1 + (NEIGHBOURS - 1) * alike) / NEIGHBOURS


def _centred_ranks(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks in time less their mean (V, T), equal values sharing theirs; and what ties take (V,).

    Ranks of a row with equal values are SciPy's; the others take one sorting of many rows.
    """
    volumes = series.shape[1]
    places = np.arange(volumes, dtype=np.float32) - np.float32((volumes - 1) / 2)
    ranks, ties = np.empty(series.shape, np.float32), np.zeros(len(series))
    for start in range(0, len(series), _AT_A_TIME):
        rows = series[start : start + _AT_A_TIME]
        order = np.argsort(rows, axis=1)
        ranked = ranks[start : start + _AT_A_TIME]
        np.put_along_axis(ranked, order, np.broadcast_to(places, rows.shape), axis=1)
        ordered = np.take_along_axis(rows, order, axis=1)
        for row in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1)):
            ranked[row] = rankdata(rows[row]) - (volumes + 1) / 2
            sizes = np.unique(rows[row], return_counts=True)[1].astype(float)
            ties[start + row] = (sizes**3 - sizes).sum()
    return ranks, ties


def _cube_sum(volume: np.ndarray) -> np.ndarray:
    """Sum over the 3 x 3 x 3 cube around every voxel; nothing lies beyond the edge."""
    total = volume
    for axis in range(volume.ndim):
        wider = total.copy()
        ahead = [slice(None)] * volume.ndim
        behind = [slice(None)] * volume.ndim
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        wider[tuple(behind)] += total[tuple(ahead)]
        wider[tuple(ahead)] += total[tuple(behind)]
        total = wider
    return total
