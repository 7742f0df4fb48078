"""Contrast between grey and white matter of a whole T1w image, before anything is segmented."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy.ndimage import (
    binary_fill_holes,
    binary_opening,
    distance_transform_edt,
    gaussian_filter,
    label,
)

from commissure.images.grid import coarser, resample_to

#: Voxel size at which the head is outlined.
COARSE_MM = 4.0

#: Brighter than this share of the image's bright end, a voxel belongs to the head.
HEAD_SHARE = 0.15

#: What is this deep below the skin, and this far below the vertex at most, is brain.
DEEP_MM, BELOW_VERTEX_MM = 24.0, 110.0

#: Brightness is compared within neighbourhoods of this width (standard deviation).
LIGHT_MM = 25.0

#: Bins of the histogram; least share of dark, middle and bright voxels; steps of fitting.
BINS, SHARES_MIN, STEPS = 200, (0.02, 0.15, 0.15), 30


def tissue_contrast(image: nib.Nifti1Image) -> float:
    """Difference of white and grey matter over their joint spread, deep inside the head.

    For comparing images of one person: noise, ghosts and blur lower it, and so does a weaker T1
    weighting. Three normal distributions are fitted to the histogram, started from the two
    thresholds that divide it best (Otsu N, IEEE TSMC 1979;9:62-66).

    Parameters
    ----------
    image
        3-D T1w with or without skull, any orientation.

    Returns
    -------
    float
        0 where no head can be outlined.
    """
    low = coarser(image, COARSE_MM)
    deep = _deep(low)
    if deep.sum() < BINS:
        return 0.0
    coarse = np.asarray(low.dataobj)
    sigma = LIGHT_MM / COARSE_MM
    light = gaussian_filter(coarse * deep, sigma) / np.maximum(gaussian_filter(deep, sigma), 1e-3)
    light = np.where(deep > 0, light, light[deep > 0].mean()).astype(np.float32)
    region, field = (
        resample_to(nib.Nifti1Image(part, low.affine), image.shape, image.affine, outside="edge")
        for part in (deep, light)
    )
    inside = (region > 0.5) & (field > 0)
    values = np.asanyarray(image.dataobj)[inside] / field[inside]
    low_end, high_end = np.percentile(values, [0.5, 99.5])
    if not high_end > low_end:
        return 0.0
    counts, edges = np.histogram(values, BINS, (low_end, high_end))
    mean, spread = _three_classes(counts / counts.sum(), (edges[1:] + edges[:-1]) / 2)
    return float((mean[2] - mean[1]) / np.hypot(spread[2], spread[1]))


def _deep(low: nib.Nifti1Image) -> np.ndarray:
    """Where the brain must be, on a coarse grid: deep inside the upper part of the head."""
    data = np.asarray(low.dataobj)
    head = binary_opening(data > HEAD_SHARE * np.percentile(data, 98))
    parts, count = label(head)
    if not count:
        return np.zeros(data.shape, np.float32)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    head = binary_fill_holes(parts == sizes.argmax())
    depth = distance_transform_edt(np.pad(head, 1))[1:-1, 1:-1, 1:-1] * COARSE_MM
    up = low.affine[2, :3] @ np.indices(data.shape).reshape(3, -1)
    height = up.reshape(data.shape)
    return ((depth > DEEP_MM) & (height > height[head].max() - BELOW_VERTEX_MM)).astype(np.float32)


def _three_classes(share: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and spreads of three normal distributions that make up a histogram, dark to bright."""
    below, moment = np.cumsum(share), np.cumsum(share * value)
    weight = np.stack(np.broadcast_arrays(below[:, None], below - below[:, None], 1 - below))
    first = np.stack(
        np.broadcast_arrays(moment[:, None], moment - moment[:, None], moment[-1] - moment)
    )
    least = np.array(SHARES_MIN)[:, None, None]
    between = (first**2 / np.where(weight > least, weight, np.inf)).sum(axis=0)
    between[~(weight > least).all(axis=0)] = -1
    a, b = np.unravel_index(between.argmax(), between.shape)
    parts = np.split(np.arange(share.size), [int(a) + 1, int(b) + 1])
    size = np.array([share[part].sum() for part in parts]) + 1e-9
    mean = np.array([share[part] @ value[part] for part in parts]) / size
    spread = np.sqrt(
        [share[p] @ (value[p] - m) ** 2 / s for p, m, s in zip(parts, mean, size, strict=True)]
    )
    floor = 0.005 * (value[-1] - value[0])
    spread = np.maximum(spread, floor)
    for _ in range(STEPS):
        chance = size * np.exp(-0.5 * ((value[:, None] - mean) / spread) ** 2) / spread + 1e-30
        part = chance / chance.sum(axis=1, keepdims=True) * share[:, None]
        size = part.sum(axis=0)
        mean = value @ part / size
        variance = (part * (value[:, None] - mean) ** 2).sum(axis=0) / size
        spread = np.sqrt(variance) + floor
    order = np.argsort(mean)
    return mean[order], spread[order]
