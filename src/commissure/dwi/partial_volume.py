"""Taking the signal of grey matter and fluid out of voxels that are mostly white matter.

In voxels of several millimetres few hold one tissue. Grey matter and cerebrospinal fluid diffuse
nearly alike in all directions, so their share, known from the T1w image, can be subtracted volume
by volume before the tensor is fitted; what is left is the tensor of the white matter.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import convolve1d, gaussian_filter, map_coordinates

from commissure.dwi.gradients import Gradients, shells
from commissure.images.grid import block_means
from commissure.images.load import zooms_mm

#: The order of tissues in arrays.
TISSUES = ("WM", "GM", "CSF")

#: Shares of each neighbour along an axis that are tried.
_MIXINGS = (0.0, 0.03, 0.06, 0.09, 0.12)


def white_matter_signal(
    series: np.ndarray,
    gradients: Gradients,
    shares: Mapping[str, np.ndarray],
    mask: np.ndarray,
    affine: np.ndarray,
    *,
    white_min: float = 0.5,
    reach_mm: float = 16.0,
    b0_max_b_s_mm2: float = 50.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Subtract the isotropic signal of the other tissues.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``.
    gradients
        One row per volume.
    shares
        ``WM``, ``GM`` and ``CSF``: share of each voxel, 3-D, 0 to 1.
    mask
        3-D brain mask.
    affine
        4x4, voxel to mm.
    white_min
        Voxels with less white matter are not corrected.
    reach_mm
        The signal of pure grey matter and pure fluid is estimated around each voxel, weighted by a
        Gaussian of this standard deviation: it follows the sensitivity of the coils.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted.

    Returns
    -------
    signal : numpy.ndarray
        Like ``series``: that of the white matter where it was corrected, else as it came.
    corrected : numpy.ndarray
        3-D of bool: where.

    Notes
    -----
    Linear regression for partial volumes: Asllani I et al., Magn Reson Med 60:1362-1371, 2008. That
    fluid lowers FA, and differently in shrunken brains, is shown in Metzler-Baddeley C et al.,
    NeuroImage 59:1394-1403, 2012.

    An image is not as sharp as its voxels: readout, interpolation and movement mix neighbours. The
    shares are mixed alike, by as much as explains the signal best.
    """
    inside = np.asarray(mask) > 0
    shell = shells(gradients.b, b0_max_b_s_mm2=b0_max_b_s_mm2)
    means = _shell_means(series, shell)
    width = reach_mm / np.array(zooms_mm(affine))
    mixing = _mixing(means, shares, inside, width)
    parts = _parts(shares, inside, mixing)
    corrected = inside & (parts[..., 0] >= white_min)
    pure = _pure_signals(means, parts, corrected, width)
    signal = np.array(series, dtype=np.float32)
    signal[corrected] = _without_others(signal[corrected], parts[corrected], pure, shell)
    return signal, corrected


def _shell_means(series: np.ndarray, shell: np.ndarray) -> np.ndarray:
    """Mean volume of each shell, ``(x, y, z, shells)``."""
    numbers = range(int(shell.max()) + 1)
    return np.stack([series[..., shell == number].mean(axis=3) for number in numbers], axis=3)


def _without_others(
    mixed: np.ndarray, parts: np.ndarray, pure: np.ndarray, shell: np.ndarray
) -> np.ndarray:
    """Signal of the white matter ``(voxels, volumes)``, that of the other tissues subtracted."""
    others = np.einsum("vt,vts->vs", parts[:, 1:], pure[:, 1:])
    white = (mixed - others[:, shell]) / parts[:, :1]
    # Noise and a share that is wrong must not leave a logarithm without a number.
    return np.maximum(white, 0.05 * mixed)


def _parts(shares: Mapping[str, np.ndarray], inside: np.ndarray, mixing: float) -> np.ndarray:
    """Shares that add up to one, ``(x, y, z, tissues)``; each voxel has some of its neighbours'."""
    kernel = [mixing, 1 - 2 * mixing, mixing]
    seen = {}
    for name in TISSUES:
        seen[name] = np.asarray(shares[name], dtype=np.float32)
        for axis in range(3) if mixing else ():
            seen[name] = convolve1d(seen[name], kernel, axis=axis, mode="nearest")
    total = np.maximum(sum(seen[name] for name in TISSUES), 0.3)
    return np.stack([np.where(inside, seen[name] / total, 0) for name in TISSUES], axis=3)


def _mixing(
    means: np.ndarray, shares: Mapping[str, np.ndarray], inside: np.ndarray, width: np.ndarray
) -> float:
    """Share of its neighbour, along each axis, that explains the (weighted) signal best."""
    within = inside & (sum(shares[name] for name in TISSUES) > 0.9)
    if not within.any():
        return 0.0
    # Unweighted fluid would decide alone, where it pulsates and where the T1w ends.
    shown = means[..., 1:] if means.shape[3] > 1 else means
    rest = []
    for mixing in _MIXINGS:
        parts = _parts(shares, inside, mixing)
        pure = _pure_signals(shown, parts, within, width)
        predicted = np.einsum("vt,vts->vs", parts[within], pure)
        rest.append(float(((shown[within] - predicted) ** 2).sum()))
    best = int(np.argmin(rest))
    if best in (0, len(rest) - 1):
        return _MIXINGS[best]
    before, lowest, after = rest[best - 1 : best + 2]
    step = _MIXINGS[1] - _MIXINGS[0]
    return _MIXINGS[best] + step * (before - after) / (before - 2 * lowest + after) / 2


def _pure_signals(
    means: np.ndarray, parts: np.ndarray, where: np.ndarray, width: np.ndarray
) -> np.ndarray:
    """Signal of each pure tissue around some voxels, ``(voxels, tissues, shells)``.

    Regression of the signal on the shares. Taking the purest voxels instead would overestimate
    grey matter, which has fluid beside it nearly everywhere. What is that smooth need not be found
    in every voxel: blocks of voxels will do.
    """
    block = np.maximum(np.floor(width / 3).astype(int), 1)
    tissues = range(parts.shape[3])
    means = means.astype(np.float32)

    def around(image: np.ndarray) -> np.ndarray:
        blocks = gaussian_filter(block_means(image, block, dtype=np.float64), width / block)
        # A little of the whole brain decides where a tissue is not near.
        return blocks + 1e-3 * blocks.mean()

    square = [[around(parts[..., i] * parts[..., j]) for j in tissues] for i in tissues]
    right = [[around(parts[..., i] * mean) for mean in np.moveaxis(means, 3, 0)] for i in tissues]
    # A tissue that is nowhere has no signal.
    system = np.moveaxis(np.array(square), (0, 1), (3, 4)) + 1e-9 * np.eye(parts.shape[3])
    pure = np.linalg.solve(system, np.moveaxis(np.array(right), (0, 1), (3, 4)))
    place = ((np.argwhere(where) + 0.5) / block - 0.5).T
    return (
        np.stack(
            [
                [
                    map_coordinates(pure[..., i, k], place, order=1, mode="nearest")
                    for k in range(means.shape[3])
                ]
                for i in tissues
            ]
        )
        .clip(0)
        .transpose(2, 0, 1)
    )
