"""Whether a radiomic feature says more than where somebody drew the border, and than the volume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage
from scipy.stats import rankdata


def perturbed_masks(
    mask: np.ndarray,
    voxel_mm: Sequence[float],
    *,
    count: int,
    seed: int,
    shift_mm: float = 1.0,
    ripple_mm: float = 1.0,
) -> Iterator[np.ndarray]:
    """The masks that other readers might have drawn.

    The border moves in or out as a whole by up to `shift_mm`, and in waves of about 5 mm by
    `ripple_mm` (standard deviation).

    Parameters
    ----------
    mask
        (X, Y, Z) bool.
    voxel_mm
        Voxel size along each axis.
    count
        How many masks.
    seed
        Of the random numbers; one seed gives the same masks.
    shift_mm, ripple_mm
        How far the border moves.

    Yields
    ------
    numpy.ndarray
        (X, Y, Z) bool, never empty: a mask that would vanish keeps the voxels furthest inside.

    Notes
    -----
    After Zwanenburg A et al., Assessing robustness of radiomic features by image perturbation, Sci
    Rep 9:614, 2019, who move the border by superpixels.
    """
    rng = np.random.default_rng(seed)
    inside = ndimage.distance_transform_edt(mask, sampling=voxel_mm)
    outside = ndimage.distance_transform_edt(~mask, sampling=voxel_mm)
    # Half a voxel: between the centres of voxels on its two sides lies the border.
    depth = np.where(mask, inside, -outside) + np.where(mask, -0.5, 0.5) * min(voxel_mm)
    widths = [5.0 / (2.355 * size) for size in voxel_mm]
    for _ in range(count):
        waves = ndimage.gaussian_filter(rng.standard_normal(mask.shape), widths, mode="wrap")
        moved = depth + rng.uniform(-shift_mm, shift_mm) + ripple_mm * waves / waves.std()
        yield moved > min(0.0, float(moved.max()) - 1e-9)


def volume_shares(features: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """What of each feature the volume says already: squared Spearman correlation.

    Parameters
    ----------
    features
        (lesions, features).
    volume
        (lesions,), any unit.

    Returns
    -------
    numpy.ndarray
        (features,) from 0 to 1; NaN for a constant feature or a value that is not finite.

    Notes
    -----
    Welch ML et al., Vulnerabilities of radiomic signature development, Radiother Oncol 130:2-9,
    2019: published signatures were volume in disguise.
    """
    features = np.asarray(features, float)
    finite = np.isfinite(features).all(axis=0)
    ranks = rankdata(np.where(np.isfinite(features), features, 0.0), axis=0)
    ranks = ranks - ranks.mean(axis=0)
    by_volume = rankdata(volume)
    by_volume = by_volume - by_volume.mean()
    spread = np.sqrt((ranks**2).sum(axis=0) * (by_volume**2).sum())
    shared = np.divide(
        ranks.T @ by_volume, spread, out=np.full(len(spread), np.nan), where=spread > 0
    )
    return np.where(finite, shared**2, np.nan)


def distinct_features(values: np.ndarray, *, least: float = 0.9) -> np.ndarray:
    """Which features to keep, so that no two say nearly the same.

    Parameters
    ----------
    values
        (lesions, features), in order of preference: of two alike the earlier stays.
    least
        Absolute Spearman correlation from which two are alike.

    Returns
    -------
    numpy.ndarray
        (features,) bool. A constant feature, or one with a value that is not finite, is not kept.
    """
    values = np.asarray(values, float)
    usable = np.isfinite(values).all(axis=0)
    ranks = rankdata(np.where(np.isfinite(values), values, 0.0), axis=0)
    ranks = ranks - ranks.mean(axis=0)
    spread = np.sqrt((ranks**2).sum(axis=0))
    usable &= spread > 0
    unit = np.divide(ranks, spread, out=np.zeros_like(ranks), where=spread > 0)
    kept: list[int] = []
    for feature in np.flatnonzero(usable):
        if not kept or np.abs(unit[:, kept].T @ unit[:, feature]).max() < least:
            kept.append(int(feature))
    result = np.zeros(values.shape[1], bool)
    result[kept] = True
    return result
