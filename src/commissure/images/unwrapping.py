"""Phases without the jumps of a whole turn."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree


def unwrapped(phase: np.ndarray, magnitude: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Add whole turns to a phase image so that neighbours differ by less than half a turn.

    Parameters
    ----------
    phase
        3-D, radians.
    magnitude
        3-D, the strength of the signal whose phase it is.
    mask
        3-D, where to unwrap; each connected piece by itself, its median within half a turn of 0.

    Returns
    -------
    numpy.ndarray
        3-D float32 in radians, 0 outside the mask.

    Notes
    -----
    From voxel to voxel along the spanning tree of the most trustworthy pairs: those of strong
    signals with little difference of phase (Dymerska B et al., Magn Reson Med 85:2294-2308, 2021,
    has more elaborate weights).
    """
    inside = np.asarray(mask) > 0
    # The trees of scipy take indices of 32 bits alone.
    number = np.full(inside.shape, -1, np.int32)
    number[inside] = np.arange(int(inside.sum()), dtype=np.int32)
    wrapped = np.asarray(phase, float)
    first, second, cost = _pairs(number, wrapped, np.asarray(magnitude, float))
    count = int(inside.sum())
    tree = minimum_spanning_tree(coo_array((cost, (first, second)), shape=(count, count)).tocsr())
    values = wrapped[inside]
    pieces, amount = label(inside)
    piece = pieces[inside]
    result = np.zeros(count)
    for k in range(1, amount + 1):
        members = np.flatnonzero(piece == k)
        order, before = breadth_first_order(tree, members[0], directed=False)
        # Each voxel stands behind the one that it is reached from.
        result[order[0]] = values[order[0]]
        for voxel in order[1:]:
            parent = before[voxel]
            result[voxel] = result[parent] + _turned(values[voxel] - values[parent])
        result[members] -= 2 * np.pi * np.round(np.median(result[members]) / (2 * np.pi))
    flat = np.zeros(inside.shape, np.float32)
    flat[inside] = result
    return flat


def _pairs(
    number: np.ndarray, phase: np.ndarray, magnitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neighbours inside the mask, and what it costs to trust their difference."""
    firsts, seconds, costs = [], [], []
    strongest = max(float(magnitude[number >= 0].max(initial=0)), 1e-12)
    for axis in range(3):
        here, there = (
            tuple(part if k == axis else slice(None) for k in range(3))
            for part in (slice(None, -1), slice(1, None))
        )
        both = (number[here] >= 0) & (number[there] >= 0)
        change = np.abs(_turned(phase[there] - phase[here])[both]) / np.pi
        weak = np.minimum(magnitude[here], magnitude[there])[both] / strongest
        firsts.append(number[here][both])
        seconds.append(number[there][both])
        # Never 0: a sparse graph has no edges of no length.
        costs.append(0.01 + change + 0.1 / (0.02 + weak))
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(costs)


def _turned(angle: np.ndarray) -> np.ndarray:
    """Angles within half a turn of 0."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
