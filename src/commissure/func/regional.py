"""Regional activity at rest: ALFF, fALFF and ReHo of every voxel, averaged over regions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from commissure.func.amplitude import amplitude
from commissure.func.denoising import ridge_projection
from commissure.func.homogeneity import regional_homogeneity
from commissure.func.parcels import Parcels
from commissure.images.connectivity_sets import NETWORKS, SUBCORTEX, network_parcels

#: What is measured where ``regional_measures`` names it.
REGIONAL_MEASURES = ("alff", "falff", "reho")

#: Voxels that are cleaned at a time: bounds the memory.
_AT_A_TIME = 8192


@dataclass(frozen=True)
class Cleaning:
    """What turns a raw series into a cleaned one, as matrices: all of it is linear.

    Attributes
    ----------
    unfiltered
        Shape (T, T): trend and confounds taken out by the volumes that count, all frequencies kept.
    filtered
        Shape (T, T): the series that connectivity is made of, in the band.
    good
        Boolean, shape (T,): volumes that count; rows of others mean nothing.
    """

    unfiltered: np.ndarray
    filtered: np.ndarray
    good: np.ndarray


def unfiltered_cleaning(
    confounds: np.ndarray, good: np.ndarray, penalty: np.ndarray | None = None
) -> np.ndarray:
    """Matrix that takes mean, straight line and confounds out, and keeps all frequencies.

    Parameters
    ----------
    confounds
        Shape (T, p).
    good
        Boolean, shape (T,): volumes by which the weights are found.
    penalty
        Shape (p,), mean squares, of :func:`commissure.func.regressors.movement_penalties`; without
        it the confounds are taken out whole.

    Returns
    -------
    numpy.ndarray
        Shape (T, T); 0 in rows and columns of volumes that do not count.
    """
    times = np.flatnonzero(good)
    trend, _ = np.linalg.qr(np.column_stack([np.ones(len(times)), times - times.mean()]))
    without_trend = np.eye(len(times)) - trend @ trend.T
    model = without_trend @ confounds[good]
    length = np.sqrt((model**2).sum(axis=0))
    kept = length > 1e-9 * np.maximum(np.sqrt((confounds[good] ** 2).sum(axis=0)), 1e-300)
    model = model[:, kept] / length[kept]
    shrink = np.zeros(kept.sum())
    if penalty is not None:
        shrink = len(times) * penalty[kept] / length[kept] ** 2
    solver, _ = ridge_projection(model, shrink)
    matrix = np.zeros((len(good), len(good)))
    matrix[np.ix_(good, good)] = without_trend - model @ (solver @ without_trend)
    return matrix


def voxel_measures(
    series: np.ndarray,
    brain: np.ndarray,
    cleaning: Cleaning,
    *,
    tr_s: float,
    low_hz: float,
    high_hz: float,
    asked: Collection[str] = REGIONAL_MEASURES,
) -> dict[str, np.ndarray]:
    """ALFF, fALFF and ReHo of every voxel of the brain.

    Parameters
    ----------
    series
        Shape (V, T): raw series of the voxels of ``brain`` in its order.
    brain
        Boolean, shape (X, Y, Z).
    cleaning
        How the series are cleaned.
    tr_s
        Repetition time, seconds.
    low_hz, high_hz
        Ends of the band.
    asked
        Of :data:`REGIONAL_MEASURES`.

    Returns
    -------
    dict
        By name an array of shape (V,), NaN where the voxel does not vary. ``alff`` is divided by
        its mean over the brain; ``falff`` lies between 0 and 1; ``reho`` is Kendall's W.
    """
    good, values = cleaning.good, {}
    alive = np.ptp(series, axis=1) > 0
    if {"alff", "falff"} & set(asked):
        cleaned = _cleaned(series, cleaning.unfiltered, good)
        found = amplitude(cleaned, good, tr_s=tr_s, low_hz=low_hz, high_hz=high_hz)
        values["alff"] = np.where(alive, found.alff, np.nan) / found.alff[alive].mean()
        values["falff"] = np.where(alive, found.falff, np.nan)
    if "reho" in asked:
        moving = brain.copy()
        moving[brain] = alive
        cleaned = _cleaned(series[alive], cleaning.filtered, good)
        values["reho"] = np.full(len(series), np.nan)
        values["reho"][alive] = regional_homogeneity(cleaned, moving)
    return {name: values[name] for name in REGIONAL_MEASURES if name in values and name in asked}


def _cleaned(series: np.ndarray, matrix: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Series at the volumes that count, after a matrix of :class:`Cleaning` (float32)."""
    kept = np.ascontiguousarray(matrix[good].T, np.float32)
    result = np.empty((len(series), kept.shape[1]), np.float32)
    for start in range(0, len(series), _AT_A_TIME):
        part = series[start : start + _AT_A_TIME]
        # The mean is a thousand times the fluctuations, and float32 has seven digits.
        result[start : start + _AT_A_TIME] = (part - part.mean(axis=1, keepdims=True)) @ kept
    return result


def parcel_values(values: np.ndarray, brain: np.ndarray, parcels: Parcels) -> np.ndarray:
    """Mean of a voxel measure over each parcel, where half of its voxels in the brain have one.

    Parameters
    ----------
    values
        Shape (V,): the voxels of ``brain`` in its order; NaN where there is no value.
    brain
        Boolean, shape (X, Y, Z).
    parcels
        On the same grid.

    Returns
    -------
    numpy.ndarray
        Shape (P,), in the order of ``parcels.names``.
    """
    which, count = parcels.image[brain], len(parcels.names) + 1
    known = np.isfinite(values)
    inside = np.bincount(which, minlength=count)[1:]
    used = np.bincount(which[known], minlength=count)[1:]
    sums = np.bincount(which[known], values[known], minlength=count)[1:]
    enough = (used > 0) & (2 * used >= inside)
    return np.divide(sums, used, out=np.full(count - 1, np.nan), where=enough)


def regional_values(
    by_parcel: Mapping[str, np.ndarray], usable: np.ndarray, parcels: Parcels
) -> Iterator[tuple[str, str, float]]:
    """Markers of regional activity, as marker, region and value.

    Parameters
    ----------
    by_parcel
        Of each measure the values of :func:`parcel_values`.
    usable
        Boolean, shape (P,): parcels with enough coverage and signal.
    parcels
        Which value is what.

    Yields
    ------
    marker, region, value
        Region is a network, with the mean over its parcels, or a structure below the cortex, with
        the mean of both sides; NaN where none is known.
    """
    names = [name.removesuffix("_L") for name in SUBCORTEX if name.endswith("_L")]
    sides = {
        name: np.array([parcels.names.index(f"{name}_{side}") for side in "LR"]) for name in names
    }
    regions = {network: network_parcels(parcels.labels, network) for network in NETWORKS} | sides
    for measure, values in by_parcel.items():
        for region, members in regions.items():
            known = [values[k] for k in members if usable[k] and np.isfinite(values[k])]
            yield measure, region, float(np.mean(known)) if known else float("nan")
