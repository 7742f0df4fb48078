"""The diffusion tensor and what is read from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel

from commissure.dwi.gradients import Gradients


@dataclass(frozen=True)
class TensorMaps:
    """What a tensor fit leaves, zero outside the mask.

    Attributes
    ----------
    fa
        Fractional anisotropy, 0 to 1.
    md
        Mean diffusivity, mm²/s.
    direction
        ``(x, y, z, 3)``: first eigenvector in the world (RAS+).
    s0
        Fitted signal without weighting.
    residual
        Root mean square of measured minus fitted signal per voxel, corrected for the seven
        parameters; in units of the signal.
    """

    fa: np.ndarray
    md: np.ndarray
    direction: np.ndarray
    s0: np.ndarray
    residual: np.ndarray


def fit_tensor(series: np.ndarray, gradients: Gradients, mask: np.ndarray) -> TensorMaps:
    """Fit a tensor per voxel by weighted least squares on the logarithm of the signal.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``, b-values for which diffusion is Gaussian.
    gradients
        One row per volume, directions in the world: so is the tensor.
    mask
        3-D, where to fit.

    Notes
    -----
    DIPY's ``TensorModel(fit_method="WLS")``: weights are squared predicted signals (Chung S et al.,
    NeuroImage 33:531-541, 2006); eigenvalues are clipped at zero. FA after Basser PJ & Pierpaoli C,
    J Magn Reson B 111:209-219, 1996.
    """
    inside = np.asarray(mask) > 0
    lowest = float(gradients.b.min())
    table = gradient_table(
        gradients.b, bvecs=gradients.directions, b0_threshold=max(50.0, lowest), atol=0.05
    )
    model = TensorModel(table, fit_method="WLS", return_S0_hat=True)
    fa, md, s0, residual = (np.zeros(inside.shape, np.float32) for _ in range(4))
    direction = np.zeros((*inside.shape, 3), np.float32)
    # In chunks: DIPY's fit needs some kilobytes a voxel.
    for chunk in np.array_split(np.argwhere(inside), max(1, inside.sum() // 20_000)):
        voxels = tuple(chunk.T)
        values = series[voxels].astype(float)
        fit = model.fit(values)
        fa[voxels], md[voxels], s0[voxels] = fit.fa, fit.md, fit.S0_hat
        direction[voxels] = fit.evecs[..., 0]
        predicted = fit.S0_hat[:, None] * np.exp(
            -gradients.b
            * np.einsum(
                "vi,nij,vj->nv", gradients.directions, fit.quadratic_form, gradients.directions
            )
        )
        degrees_of_freedom = max(values.shape[1] - 7, 1)
        residual[voxels] = np.sqrt(((values - predicted) ** 2).sum(axis=1) / degrees_of_freedom)
    return TensorMaps(np.nan_to_num(np.clip(fa, 0, 1)), md, direction, s0, residual)
