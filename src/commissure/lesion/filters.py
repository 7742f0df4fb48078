"""Filters that bring out texture before features are computed: means, blobs and Laws' kernels.

They follow the second Image Biomarker Standardisation Initiative, whose reference response maps
they reproduce.

References
----------
Whybra P et al., The Image Biomarker Standardization Initiative: standardized convolutional filters
for reproducible radiomics, Radiology 310:e231319, 2024; reference manual arXiv:2006.05470.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from typing import Literal

import numpy as np
from scipy import ndimage

Border = Literal["zero", "nearest", "periodic", "mirror"]

#: What scipy calls what lies beyond the image. The initiative's mirror repeats the last voxel.
_MODES = {"zero": "constant", "nearest": "nearest", "periodic": "wrap", "mirror": "reflect"}

#: Laws' kernels, normalised.
LAWS = {
    "L5": np.array([1, 4, 6, 4, 1]) / np.sqrt(70),
    "E5": np.array([-1, -2, 0, 2, 1]) / np.sqrt(10),
    "S5": np.array([-1, 0, 2, 0, -1]) / np.sqrt(6),
    "W5": np.array([-1, 2, 0, -2, 1]) / np.sqrt(10),
    "R5": np.array([1, -4, 6, -4, 1]) / np.sqrt(70),
    "L3": np.array([1, 2, 1]) / np.sqrt(6),
    "E3": np.array([-1, 0, 1]) / np.sqrt(2),
    "S3": np.array([-1, 2, -1]) / np.sqrt(6),
}


def mean_filter(data: np.ndarray, support: int, border: Border, *, axes: int = 3) -> np.ndarray:
    """Mean of a cube, or of a square in the plane of the first two axes.

    Parameters
    ----------
    data
        (X, Y, Z).
    support
        Edge of the cube, voxels, odd.
    border
        What lies beyond the image.
    axes
        3, or 2 for slices on their own.

    Returns
    -------
    numpy.ndarray
        The response, (X, Y, Z).
    """
    size = [support] * axes + [1] * (3 - axes)
    return ndimage.uniform_filter(np.asarray(data, float), size, mode=_MODES[border])


def laplacian_of_gaussian(
    data: np.ndarray,
    sigma_mm: float,
    voxel_mm: Sequence[float],
    border: Border,
    *,
    axes: int = 3,
    cutoff: float = 4.0,
) -> np.ndarray:
    """Laplacian of a Gaussian: large where a blob of about sigma times the root of axes lies.

    Parameters
    ----------
    data
        (X, Y, Z).
    sigma_mm
        Scale of the Gaussian.
    voxel_mm
        Voxel size along each axis.
    border
        What lies beyond the image.
    axes
        3, or 2 for slices on their own.
    cutoff
        Where the kernel ends, in sigma.

    Returns
    -------
    numpy.ndarray
        The response, (X, Y, Z), in units of the image per square voxel.
    """
    data = np.asarray(data, float)
    lines = [_gaussian_and_curvature(sigma_mm / size, cutoff) for size in voxel_mm[:axes]]
    response = np.zeros_like(data)
    # The second derivative along one axis is smoothed along the others.
    for curved in range(axes):
        part = data
        for axis, (gaussian, curvature) in enumerate(lines):
            line = curvature if axis == curved else gaussian
            part = ndimage.convolve1d(part, line, axis=axis, mode=_MODES[border])
        response += part
    return response


def _gaussian_and_curvature(sigma: float, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian and its second derivative at whole voxels."""
    radius = int(cutoff * sigma + 0.5)
    at = np.arange(-radius, radius + 1)
    gaussian = np.exp(-((at / sigma) ** 2) / 2) / (np.sqrt(2 * np.pi) * sigma)
    return gaussian, gaussian * ((at / sigma) ** 2 - 1) / sigma**2


def laws(
    data: np.ndarray,
    kernels: Sequence[str],
    border: Border,
    *,
    any_direction: bool = False,
    energy_voxels: int | None = None,
) -> np.ndarray:
    """Laws' texture: the product of one kernel along each axis.

    Parameters
    ----------
    data
        (X, Y, Z).
    kernels
        Names from :data:`LAWS` along the axes; two of them filter slices on their own.
    border
        What lies beyond the image.
    any_direction
        The largest response over all right-angled rotations of the kernels.
    energy_voxels
        With it, the mean absolute response within so many voxels instead of the response.

    Returns
    -------
    numpy.ndarray
        The response, (X, Y, Z).
    """
    data = np.asarray(data, float)
    directions = _rotations(kernels) if any_direction else [tuple(LAWS[name] for name in kernels)]
    response = None
    for lines in directions:
        filtered = data
        for axis, line in enumerate(lines):
            filtered = ndimage.convolve1d(filtered, line, axis=axis, mode=_MODES[border])
        response = filtered if response is None else np.maximum(response, filtered)
    assert response is not None
    if energy_voxels is None:
        return response
    return mean_filter(np.abs(response), 2 * energy_voxels + 1, border, axes=len(kernels))


def _rotations(kernels: Sequence[str]) -> list[tuple[np.ndarray, ...]]:
    """The kernels along the axes after every right-angled rotation, each once."""
    lines = [LAWS[name] for name in kernels]
    unique: dict[tuple[bytes, ...], tuple[np.ndarray, ...]] = {}
    count = len(lines)
    for order in permutations(range(count)):
        for signs in product((1, -1), repeat=count):
            if round(np.linalg.det(np.eye(count)[list(order)] * signs)) == 1:
                turned = tuple(lines[i][::sign] for i, sign in zip(order, signs, strict=True))
                unique.setdefault(tuple(line.tobytes() for line in turned), turned)
    return list(unique.values())
