"""Spheres around published coordinates: seeds of striatal and subgenual connectivity."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np

from commissure.images.grid import resample_to
from commissure.images.load import zooms_mm
from commissure.images.template import template

#: A voxel of the template is grey matter from this probability.
GREY_MIN = 0.5


@dataclass(frozen=True)
class Seed:
    """A sphere in MNI space.

    Attributes
    ----------
    name
        As regions of markers have it.
    centre_mm
        MNI coordinates.
    radius_mm
        A voxel belongs to it whose centre is at most so far away.
    cortical
        Whether only grey matter of the template counts, and only voxels with the signal-to-noise
        ratio that ``min_sgacc_tsnr`` asks for.
    """

    name: str
    centre_mm: tuple[float, float, float]
    radius_mm: float
    cortical: bool = False


# Di Martino A et al., Cereb Cortex 2008;18:2735-2747: inferior and superior ventral striatum,
# dorsal caudate, dorsal caudal, dorsal rostral and ventral rostral putamen.
_STRIATAL = {
    "VSi": (9, 9, -8), "VSs": (10, 15, 0), "DC": (13, 15, 9),
    "DCP": (28, 1, 3), "DRP": (25, 8, 6), "VRP": (20, 12, -3),
}  # fmt: skip

#: Six seeds a side.
STRIATAL_SEEDS = tuple(
    Seed(f"{name}_{side}", (sign * x, y, z), 3.5)
    for name, (x, y, z) in _STRIATAL.items()
    for side, sign in (("L", -1), ("R", 1))
)

# Fox MD et al., Biol Psychiatry 2012;72:595-603.
SGACC = Seed("sgACC", (6, 16, -10), 6.0, cortical=True)
DLPFC = Seed("DLPFC_L", (-38, 44, 26), 6.0, cortical=True)

SEEDS = (*STRIATAL_SEEDS, SGACC, DLPFC)


def seed_series(
    series: np.ndarray,
    brain: np.ndarray,
    affine: np.ndarray,
    tsnr: np.ndarray,
    *,
    min_coverage: float,
    min_tsnr: float,
    min_cortical_tsnr: float,
) -> np.ndarray:
    """Mean series of :data:`SEEDS`.

    Parameters
    ----------
    series
        Shape (V, T): the voxels of ``brain`` in its order.
    brain
        Boolean, shape (X, Y, Z).
    affine
        Of the grid, in template space.
    tsnr
        Shape (V,): signal-to-noise ratio in time; NaN where a voxel does not vary.
    min_coverage
        A seed with a smaller share of usable voxels is missing.
    min_tsnr
        A seed whose voxels have a lower median is missing.
    min_cortical_tsnr
        A voxel of a cortical seed with less is not usable.

    Returns
    -------
    numpy.ndarray
        Shape (T, S); NaN for a seed that is missing.
    """
    order = np.full(brain.shape, -1)
    order[brain] = np.arange(len(series))
    grey = _grey_matter(brain.shape, affine)
    result = np.full((series.shape[1], len(SEEDS)), np.nan)
    for column, seed in enumerate(SEEDS):
        voxels = sphere(seed, brain.shape, affine)
        if seed.cortical:
            voxels = voxels[grey[tuple(voxels.T)]]
        rows = order[tuple(voxels.T)]
        rows = rows[rows >= 0]
        rows = rows[np.isfinite(tsnr[rows])]
        if len(rows) and np.median(tsnr[rows]) < min_tsnr:
            continue
        if seed.cortical:
            rows = rows[tsnr[rows] >= min_cortical_tsnr]
        if len(rows) and len(rows) >= min_coverage * len(voxels):
            result[:, column] = series[rows].mean(axis=0, dtype=float)
    return result


def sphere(seed: Seed, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Voxels of a seed (N, 3): those in its radius, or the nearest where the grid is too coarse."""
    centre = nib.affines.apply_affine(np.linalg.inv(affine), np.array(seed.centre_mm, float))
    reach = int(np.ceil(seed.radius_mm / min(zooms_mm(affine)))) + 1
    around = np.rint(centre).astype(int) + np.indices((2 * reach + 1,) * 3).reshape(3, -1).T - reach
    around = around[((around >= 0) & (around < shape)).all(axis=1)]
    away_mm = np.linalg.norm(nib.affines.apply_affine(affine, around) - seed.centre_mm, axis=1)
    within = away_mm <= seed.radius_mm
    return around[within if within.any() else away_mm == away_mm.min(initial=np.inf)]


def _grey_matter(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    grey = template("GM", resolution_mm=max(zooms_mm(affine)))
    return resample_to(grey, (shape[0], shape[1], shape[2]), affine) >= GREY_MIN
