"""Marchenko-Pastur PCA: what is noise among the components of a small patch of the series.

The rule is that of DIPY's ``mppca`` (same threshold, same weights; with ``step=1`` the same
numbers). DIPY visits every voxel in Python; here the patches lie on a coarser lattice, still
overlapping, and their eigenvalue problems are solved in batches.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter

#: Least width of a patch in voxels along each axis.
NARROWEST = 5


def patch_widths(shape: tuple[int, ...], volumes: int) -> tuple[int, int, int]:
    """Width of a patch along each axis: as many voxels as there are volumes, and 5 at least.

    With fewer voxels than volumes the law of the noise rests on too few eigenvalues. Axes grow in
    turn by two voxels, as far as the image reaches.

    Parameters
    ----------
    shape
        Of a volume.
    volumes
        Number of volumes.
    """
    widths = [NARROWEST] * 3
    while np.prod(widths) < volumes:
        growing = [k for k in range(3) if widths[k] + 2 <= shape[k]]
        if not growing:
            break
        widths[min(growing, key=lambda k: widths[k])] += 2
    x, y, z = widths
    return x, y, z


def mppca(series: np.ndarray, mask: np.ndarray, *, step: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Denoise a series by the Marchenko-Pastur law of patch eigenvalues.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``, not yet interpolated.
    mask
        3-D, where to denoise; the rest is returned as it came.
    step
        Distance in voxels between the centres of patches that are 5 voxels wide, 3 at most; those
        of wider patches lie further apart in proportion.

    Returns
    -------
    denoised : numpy.ndarray
        float32, like ``series``.
    noise : numpy.ndarray
        3-D, standard deviation of the noise; 0 outside the mask.

    Raises
    ------
    ValueError
        The image is narrower than 5 voxels along an axis.

    Notes
    -----
    Veraart J et al., Denoising of diffusion MRI using random matrix theory, NeuroImage
    142:394-406, 2016. Overlapping estimates are averaged with weight 1/(1 + components kept), as
    in Manjón JV et al., PLoS ONE 8:e73021, 2013. That patches hold as many voxels as there are
    volumes is the rule of MRtrix3's ``dwidenoise``.
    """
    shape = series.shape[:3]
    if min(shape) < NARROWEST:
        raise ValueError(
            f"an image of {shape} voxels is narrower than a patch of {NARROWEST} voxels"
        )
    mask = np.asarray(mask) > 0
    series = np.asarray(series, dtype=np.float32)
    widths = patch_widths(shape, series.shape[3])
    corners = _lattice(mask, widths, step)
    total, weight, variance = _weighted_patches(series, corners, widths)
    reached = mask & (weight > 0)
    denoised = series.copy()
    denoised[reached] = np.clip(total[reached] / weight[reached][:, None], 0, None)
    noise = np.zeros(shape, np.float32)
    noise[reached] = np.sqrt(variance[reached] / weight[reached])
    return denoised, noise


def _weighted_patches(
    series: np.ndarray, corners: np.ndarray, widths: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums over overlapping patches: weighted signal, weights, weighted variance of the noise."""
    shape, volumes = series.shape[:3], series.shape[3]
    weight = np.zeros(shape, np.float32)
    total = np.zeros_like(series)
    variance = np.zeros(shape, np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(  # type: ignore[call-overload]
        series, widths, axis=(0, 1, 2)
    )
    samples = int(np.prod(widths))
    batch = max(1, int(2e7) // (samples * volumes))
    for start in range(0, len(corners), batch):
        chunk = corners[start : start + batch]
        patches = windows[tuple(chunk.T)].reshape(len(chunk), volumes, samples)
        denoised_patches, weights, variances = _denoised_patches(patches.transpose(0, 2, 1))
        for corner, patch, share, spread in zip(
            chunk, denoised_patches, weights, variances, strict=True
        ):
            box = tuple(slice(c, c + width) for c, width in zip(corner, widths, strict=True))
            total[box] += share * patch.reshape(*widths, volumes)
            weight[box] += share
            variance[box] += share * spread
    return total, weight, variance


def _lattice(mask: np.ndarray, widths: tuple[int, int, int], step: int) -> np.ndarray:
    """First corners of the patches whose centre, or whose lattice cell, touches the mask."""
    axes = []
    steps = [round(step * width / NARROWEST) for width in widths]
    for n, width, apart in zip(mask.shape, widths, steps, strict=True):
        radius = width // 2
        centres = np.arange(radius, n - radius, apart)
        # The last patch must end at the border, or the far edge is never reached.
        axes.append(np.union1d(centres, [n - radius - 1]))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    if max(steps) > 1:
        cell = [2 * (apart // 2) + 1 for apart in steps]
        mask = maximum_filter(mask.astype(np.uint8), size=cell) > 0
    return grid[mask[tuple(grid.T)]] - np.array(widths) // 2


def _denoised_patches(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    samples, volumes = patches.shape[1:]
    mean = patches.mean(axis=1, keepdims=True)
    centred = patches - mean
    values, vectors = np.linalg.eigh(np.swapaxes(centred, 1, 2) @ centred / samples)
    variance = _noise_variance(values.astype(float), samples)
    threshold = (1 + np.sqrt(volumes / samples)) ** 2 * variance
    noisy = values < threshold[:, None]
    kept = np.where(noisy[:, None, :], 0, vectors)
    estimate = centred @ (kept @ np.swapaxes(kept, 1, 2)) + mean
    weights = 1 / (1 + volumes - noisy.sum(axis=1))
    return estimate, weights.astype(np.float32), variance.astype(np.float32)


def _noise_variance(values: np.ndarray, samples: int) -> np.ndarray:
    """Variance of the largest set of small eigenvalues that is as wide as pure noise would be.

    ``values`` has rising eigenvalues per row, of a covariance over ``samples``. A patch with fewer
    samples than volumes has that many eigenvalues that are zero by construction: they are left out,
    and the others are those of the transposed patch.
    """
    volumes = values.shape[1]
    longer = samples
    if samples - 1 < volumes:
        values = values[:, volumes - samples + 1 :] * (samples / volumes)
        longer = volumes
    count = np.arange(1, values.shape[1] + 1)
    mean = np.cumsum(values, axis=1) / count
    width = values - values[:, :1] - 4 * np.sqrt(count / longer) * mean
    # From above, eigenvalues are signal as long as the rest is too wide for noise.
    fits = width <= 0
    last = values.shape[1] - 1 - np.argmax(fits[:, ::-1], axis=1)
    last = np.where(fits.any(axis=1), last, 0)
    return mean[np.arange(len(values)), last]
