"""What several shells tell beyond the tensor: free water, and diffusion that is not Gaussian."""

from __future__ import annotations

import numpy as np
from dipy.core.gradients import GradientTable, gradient_table
from dipy.reconst.dki import DiffusionKurtosisModel
from dipy.reconst.fwdti import FreeWaterTensorModel

from commissure.dwi.gradients import Gradients, shells

#: Highest b-value (s/mm²) of the model of free water, and of kurtosis; the least that this needs.
_FREE_WATER_MAX_B, _KURTOSIS_MAX_B, _KURTOSIS_NEEDS_B = 2050.0, 3050.0, 1500.0

#: Fewest volumes of a shell that counts, and of the shells that carry a kurtosis tensor.
_SHELL_VOLUMES_MIN, _KURTOSIS_VOLUMES_MIN = 6, 21

#: Mean kurtosis that tissue may have.
_KURTOSIS_RANGE = (0.0, 3.0)


def lacking_for_free_water(gradients: Gradients, *, b0_max_b_s_mm2: float) -> str:
    """Why free water cannot be told apart; empty where it can."""
    tops = _shells(gradients, b0_max_b_s_mm2, _FREE_WATER_MAX_B)
    if len(tops) >= 2:
        return ""
    return f"it needs two shells up to b = {_FREE_WATER_MAX_B - 50:g}, there are {len(tops)}"


def lacking_for_kurtosis(gradients: Gradients, *, b0_max_b_s_mm2: float) -> str:
    """Why kurtosis cannot be told; empty where it can."""
    tops = _shells(gradients, b0_max_b_s_mm2, _KURTOSIS_MAX_B)
    if len(tops) < 2 or max(tops) < _KURTOSIS_NEEDS_B:
        return (
            f"it needs b0 and two shells, the higher one from b = {_KURTOSIS_NEEDS_B:g} to "
            f"{_KURTOSIS_MAX_B - 50:g}, there are {[round(top) for top in tops]}"
        )
    volumes = int(((gradients.b > b0_max_b_s_mm2) & (gradients.b <= _KURTOSIS_MAX_B)).sum())
    if volumes < _KURTOSIS_VOLUMES_MIN:
        return f"it needs {_KURTOSIS_VOLUMES_MIN} weighted volumes, there are {volumes}"
    return ""


def free_water(
    series: np.ndarray, gradients: Gradients, where: np.ndarray, *, b0_max_b_s_mm2: float
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the signal that is free water, and FA of the rest.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``.
    gradients
        One row per volume.
    where
        3-D of bool.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted.

    Returns
    -------
    fraction, fa : numpy.ndarray
        3-D float32, 0 elsewhere.

    Notes
    -----
    DIPY's ``FreeWaterTensorModel``, weighted least squares: Hoy AR et al., NeuroImage 103:323-333,
    2014.
    """
    chosen = gradients.b <= _FREE_WATER_MAX_B
    table = _table(gradients.subset(chosen), b0_max_b_s_mm2)
    values = np.maximum(series[where][:, chosen], 1e-4).astype(float)
    fit = FreeWaterTensorModel(table, fit_method="WLS").fit(values)
    return _mapped(where, np.clip(fit.f, 0, 1)), _mapped(where, np.clip(fit.fa, 0, 1))


def mean_kurtosis(
    series: np.ndarray, gradients: Gradients, where: np.ndarray, *, b0_max_b_s_mm2: float
) -> np.ndarray:
    """Mean kurtosis: how far diffusion is from Gaussian, on average over directions.

    Parameters
    ----------
    series, gradients, where, b0_max_b_s_mm2
        As for :func:`free_water`.

    Returns
    -------
    numpy.ndarray
        3-D float32, 0 elsewhere.

    Notes
    -----
    DIPY's ``DiffusionKurtosisModel``, weighted least squares: Jensen JH et al., Magn Reson Med
    53:1432-1440, 2005; Tabesh A et al., Magn Reson Med 65:823-836, 2011.
    """
    chosen = gradients.b <= _KURTOSIS_MAX_B
    table = _table(gradients.subset(chosen), b0_max_b_s_mm2)
    values = np.maximum(series[where][:, chosen], 1e-4).astype(float)
    fit = DiffusionKurtosisModel(table, fit_method="WLS").fit(values)
    return _mapped(where, fit.mk(min_kurtosis=_KURTOSIS_RANGE[0], max_kurtosis=_KURTOSIS_RANGE[1]))


def _shells(gradients: Gradients, b0_max: float, highest: float) -> list[float]:
    """b-values of the shells with enough volumes."""
    number = shells(gradients.b, b0_max_b_s_mm2=b0_max)
    tops = [
        float(np.median(gradients.b[number == k]))
        for k in range(1, int(number.max(initial=0)) + 1)
        if (number == k).sum() >= _SHELL_VOLUMES_MIN
    ]
    return [top for top in tops if top <= highest]


def _table(gradients: Gradients, b0_max: float) -> GradientTable:
    unweighted = gradients.b0(b0_max)
    b = np.where(unweighted, 0, gradients.b)
    directions = np.where(unweighted[:, None], 0, gradients.directions)
    return gradient_table(b, bvecs=directions, b0_threshold=0, atol=0.05)


def _mapped(where: np.ndarray, values: np.ndarray) -> np.ndarray:
    image = np.zeros(where.shape, np.float32)
    image[where] = np.nan_to_num(values)
    return image
