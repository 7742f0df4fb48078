"""Averages of a diffusion map over the atlas's white-matter tracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from commissure.dwi.enigma_names import AVERAGES
from commissure.images.grid import block_means
from commissure.images.load import zooms_mm


@dataclass(frozen=True)
class Average:
    """A weighted mean over a region.

    Attributes
    ----------
    value
        The mean; NaN where no voxel counts.
    voxels
        Number of voxels that count.
    """

    value: float
    voxels: int


def finer_grid(
    shape: Sequence[int], affine: np.ndarray, parts: int
) -> tuple[tuple[int, int, int], np.ndarray]:
    """Divide each voxel into ``parts`` along each axis: shape and affine of the finer grid."""
    divided = np.array(affine, dtype=float)
    divided[:3, :3] = affine[:3, :3] / parts
    divided[:3, 3] = affine[:3, 3] + affine[:3, :3] @ np.full(3, (1 / parts - 1) / 2)
    return (shape[0] * parts, shape[1] * parts, shape[2] * parts), divided


def parts_for(affine: np.ndarray, fine_mm: float = 2.0) -> int:
    """Into how many parts to divide voxels, so that parts are not larger than ``fine_mm``."""
    return max(1, int(np.ceil(max(zooms_mm(affine)) / fine_mm - 1e-6)))


def empty_on(shape: Sequence[int], affine: np.ndarray) -> nib.Nifti1Image:
    """An image that only says where its voxels are."""
    return nib.Nifti1Image(np.zeros(tuple(shape), np.float32), affine)


def label_shares(
    fine_labels: np.ndarray, tracts: Mapping[str, Sequence[int]], parts: int
) -> dict[str, np.ndarray]:
    """Share of each voxel that carries a tract's label.

    Parameters
    ----------
    fine_labels
        Label numbers on the finer grid.
    tracts
        Label numbers by tract.
    parts
        As given to :func:`finer_grid`.

    Returns
    -------
    dict
        One 3-D array (0 to 1) per tract, on the voxel grid.
    """
    numbers = np.rint(fine_labels).astype(np.int32)
    return {
        tract: block_means(np.isin(numbers, list(labels)).astype(np.float32), parts)
        for tract, labels in tracts.items()
    }


def tract_average(
    values: np.ndarray, share: np.ndarray, weight: np.ndarray, *, share_min: float = 0.5
) -> Average:
    """Mean over the voxels that mostly belong to a tract, weighted by label and white matter.

    Nothing of ``values`` decides which voxels count: what they lose everywhere the mean loses.

    Parameters
    ----------
    values
        3-D map.
    share
        3-D, share of the voxel that carries the label.
    weight
        3-D, share of white matter; 0 where a voxel does not count.
    share_min
        Smallest share of a voxel that counts.
    """
    chosen = (weight > 0) & (share >= share_min)
    if not chosen.any():
        return Average(float("nan"), 0)
    weights = (share * weight)[chosen]
    return Average(float(np.average(values[chosen], weights=weights)), int(chosen.sum()))


def averaged_tracts(measured: Mapping[str, Average]) -> dict[str, Average]:
    """Means over both sides and over compounds, weighted by the number of voxels.

    Parameters
    ----------
    measured
        Average and number of voxels of the labels, as ``ACR_L`` and ``GCC``.

    Returns
    -------
    dict
        By the names of :data:`AVERAGES`; one whose parts are not all there is left out.
    """
    result = {}
    for name, parts in AVERAGES.items():
        if all(part in measured and measured[part].voxels for part in parts):
            voxels = sum(measured[part].voxels for part in parts)
            total = sum(measured[part].value * measured[part].voxels for part in parts)
            result[name] = Average(total / voxels, voxels)
    return result
