"""Mean series of cortical parcels and subcortical structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from commissure.images.atlas import Atlas, schaefer, structures
from commissure.images.connectivity_sets import SUBCORTEX
from commissure.images.seitzman import seitzman


@dataclass(frozen=True)
class Parcels:
    """Parcels on one grid: the cortex in the atlas's order, then the subcortical structures.

    Attributes
    ----------
    labels
        One row per cortical parcel: the label table of the atlas.
    names
        All names, cortical first; P of them.
    image
        3-D on the grid: 0, or 1 + position in ``names``.
    """

    labels: pd.DataFrame
    names: tuple[str, ...]
    image: np.ndarray


@dataclass(frozen=True)
class ParcelSeries:
    """Mean series of the parcels.

    Attributes
    ----------
    series
        Shape (T, P); NaN for a parcel with too little coverage.
    coverage
        Shape (P,): share of a parcel's voxels that lie in the brain mask and vary.
    """

    series: np.ndarray
    coverage: np.ndarray


def usual_parcels(choice: Literal[100, 400, "Seitzman300"]) -> Atlas:
    """The parcels of the cortex that ``func.parcels`` names."""
    return seitzman() if choice == "Seitzman300" else schaefer(choice)


def parcels_on_grid(cortex: Atlas, shape: tuple[int, int, int], affine: np.ndarray) -> Parcels:
    """Lay the parcels of the cortex and the subcortical structures on a grid.

    Parameters
    ----------
    cortex
        An atlas whose labels have ``hemisphere``, ``network`` and centroids.
    shape, affine
        The grid, in template space.
    """
    image = np.zeros(shape, np.int32)
    on_grid = cortex.on_grid(shape, affine)
    for position, index in enumerate(cortex.labels["index"]):
        image[on_grid == index] = position + 1
    deep = structures()
    deep_on_grid, numbers = deep.on_grid(shape, affine), deep.groups("structure")
    for position, structure in enumerate(SUBCORTEX, start=len(cortex.labels)):
        image[np.isin(deep_on_grid, numbers[structure])] = position + 1
    return Parcels(cortex.labels, (*cortex.labels["name"], *SUBCORTEX), image)


def parcel_tsnr(tsnr: np.ndarray, brain: np.ndarray, parcels: Parcels) -> np.ndarray:
    """Median signal-to-noise ratio in time of each parcel.

    Parameters
    ----------
    tsnr
        Shape (V,): the voxels of ``brain`` in its order; NaN where a voxel does not vary.
    brain
        Boolean, shape (X, Y, Z).
    parcels
        On the same grid.

    Returns
    -------
    numpy.ndarray
        Shape (P,); NaN where no voxel of a parcel is in the brain.
    """
    table = pd.DataFrame({"parcel": parcels.image[brain], "tsnr": tsnr})
    medians = table.groupby("parcel")["tsnr"].median()
    return medians.reindex(np.arange(1, len(parcels.names) + 1)).to_numpy(float)


def parcel_series(
    bold: np.ndarray, brain: np.ndarray, parcels: Parcels, *, min_coverage: float
) -> ParcelSeries:
    """Average the voxels of each parcel that lie in the brain and vary in time.

    Parameters
    ----------
    bold
        Shape (X, Y, Z, T).
    brain
        Shape (X, Y, Z), nonzero in the brain.
    parcels
        On the same grid.
    min_coverage
        A parcel with a smaller share of usable voxels becomes NaN.
    """
    count, volumes = len(parcels.names), bold.shape[3]
    whole = np.bincount(parcels.image.ravel(), minlength=count + 1)[1:]
    inside = (parcels.image > 0) & (np.asarray(brain) > 0)
    values, which = bold[inside], parcels.image[inside] - 1
    alive = np.ptp(values, axis=1) > 0
    values, which = values[alive], which[alive]
    used = np.bincount(which, minlength=count)
    coverage = np.divide(used, whole, out=np.zeros(count), where=whole > 0)
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(count))
    series = np.full((volumes, count), np.nan)
    present = used > 0
    if present.any():
        sums = np.add.reduceat(values[order].astype(float), starts[present], axis=0)
        series[:, present] = (sums / used[present][:, None]).T
    series[:, coverage < min_coverage] = np.nan
    return ParcelSeries(series, coverage)
