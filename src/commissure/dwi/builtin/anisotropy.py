"""A map of anisotropy in the series' own space, to lay it beside the T1w image by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import nibabel as nib
import numpy as np

from commissure.dwi.builtin.realign import Realignment
from commissure.dwi.builtin.resampling import TargetGrid, resampled_series
from commissure.dwi.gradients import Gradients
from commissure.dwi.settings import DwiPreprocessSettings
from commissure.dwi.t1w_placement import AnisotropyMap
from commissure.dwi.tensor import TensorMaps
from commissure.dwi.tensor_volumes import tensor_volumes
from commissure.images.grid import coarser
from commissure.images.load import zooms_mm
from commissure.images.susceptibility import Shift

#: Voxels that are fine enough, and weighted and unweighted volumes that are enough.
_VOXEL_MM, _WEIGHTED, _UNWEIGHTED = 3.0, 40, 4

#: Largest b-value whose volumes are taken where it suffices for a tensor.
_B_MAX_S_MM2 = 1500.0


def anisotropy_map(
    motion: Realignment,
    gradients: Gradients,
    brain: np.ndarray,
    affine: np.ndarray,
    shift: Shift | None,
    senses: np.ndarray,
    settings: DwiPreprocessSettings,
    *,
    fit: Callable[[np.ndarray, Gradients, np.ndarray, np.ndarray], TensorMaps],
) -> AnisotropyMap:
    """Fit FA to a realigned series, as far as a registration needs it.

    Parameters
    ----------
    motion
        The realigned series.
    gradients
        One row per volume, as acquired.
    brain
        3-D of bool, on the acquired grid.
    affine
        4x4, voxel of the acquired grid to mm.
    shift
        What undoes susceptibility distortion, if anything does.
    senses
        ``(volumes,)``: 1 or -1, the sense of the phase encoding.
    settings
        Settings of the step.
    fit
        Fits the tensor to a series with its gradients, inside a mask, of an affine.
    """
    outline = nib.Nifti1Image(brain.astype(np.float32), affine)
    if min(zooms_mm(affine)) < _VOXEL_MM:
        outline = coarser(outline, _VOXEL_MM)
    x, y, z = outline.shape
    inside = np.asanyarray(outline.dataobj) > 0.5
    b0_max = settings.b0_max_b_s_mm2
    chosen = tensor_volumes(gradients, max_b_s_mm2=_B_MAX_S_MM2, b0_max_b_s_mm2=b0_max)
    unweighted = gradients.b0(b0_max)
    volumes = np.concatenate(
        [
            _evenly(np.flatnonzero(unweighted), _UNWEIGHTED),
            _evenly(np.flatnonzero(chosen & ~unweighted), _WEIGHTED),
        ]
    )
    part = replace(
        motion,
        poses=motion.poses[volumes],
        eddies=motion.eddies[volumes],
        dropouts=motion.dropouts[volumes],
        series=motion.series[..., volumes],
    )
    grid = TargetGrid((x, y, z), outline.affine, np.eye(4))
    series = resampled_series(part, affine, grid, shift, senses[volumes])
    turned = gradients.subset(volumes).turned(part.head[:, :3, :3])
    maps = fit(series, turned, inside, outline.affine)
    return AnisotropyMap.of(maps, inside, outline.affine)


def _evenly(items: np.ndarray, count: int) -> np.ndarray:
    """Some of a list's items, evenly spread over it; all where they are fewer."""
    if len(items) <= count:
        return items
    return items[np.linspace(0, len(items) - 1, count).round().astype(int)]
