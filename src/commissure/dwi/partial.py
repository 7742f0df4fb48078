"""Taking the signal of grey matter and fluid out of voxels that are mostly white matter.

In voxels of several millimetres few hold one tissue. Grey matter and cerebrospinal fluid diffuse
nearly alike in all directions, so their share, known from the T1w image, can be subtracted volume
by volume before the tensor is fitted; what is left is the tensor of the white matter.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from commissure.dwi.gradients import Gradients, shells
from commissure.images.load import zooms_mm

#: The order of tissues in arrays.
TISSUES = ("WM", "GM", "CSF")


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
    """
    inside = np.asarray(mask) > 0
    total = np.maximum(sum(shares[name] for name in TISSUES), 0.3)
    parts = np.stack([np.where(inside, shares[name] / total, 0) for name in TISSUES], axis=3)
    corrected = inside & (parts[..., 0] >= white_min)
    shell = shells(gradients.b, b0_max_b_s_mm2=b0_max_b_s_mm2)
    means = np.stack(
        [series[..., shell == number].mean(axis=3) for number in range(int(shell.max()) + 1)],
        axis=3,
    )
    pure = _pure_signals(means, parts, corrected, reach_mm / np.array(zooms_mm(affine)))
    others = np.einsum("vt,vts->vs", parts[corrected][:, 1:], pure[:, 1:])
    signal = np.array(series, dtype=np.float32)
    mixed = signal[corrected]
    left = (mixed - others[:, shell]) / parts[corrected][:, :1]
    # Noise and a share that is wrong must not leave a logarithm without a number.
    signal[corrected] = np.maximum(left, 0.05 * mixed)
    return signal, corrected


def _pure_signals(
    means: np.ndarray, parts: np.ndarray, where: np.ndarray, width: np.ndarray
) -> np.ndarray:
    """Signal of each pure tissue around some voxels, ``(voxels, tissues, shells)``.

    Regression of the signal on the shares. Taking the purest voxels instead would overestimate
    grey matter, which has fluid beside it nearly everywhere.
    """
    from scipy.ndimage import gaussian_filter

    tissues = range(parts.shape[3])
    products = np.stack([[parts[..., i] * parts[..., j] for j in tissues] for i in tissues])
    seen = np.stack([[parts[..., i] * mean for mean in np.moveaxis(means, 3, 0)] for i in tissues])

    def around(image: np.ndarray) -> np.ndarray:
        # A little of the whole brain decides where a tissue is not near.
        return gaussian_filter(image, width)[where] + 1e-3 * image.mean()

    square = np.moveaxis(np.array([[around(image) for image in row] for row in products]), 2, 0)
    right = np.moveaxis(np.array([[around(image) for image in row] for row in seen]), 2, 0)
    # A tissue that is nowhere has no signal.
    square = square + 1e-9 * np.eye(parts.shape[3])
    return np.maximum(np.linalg.solve(square, right), 0)
