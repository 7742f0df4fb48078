"""Whether the b-vectors belong to the volumes that they are listed for, judged by the signal."""

from __future__ import annotations

import numpy as np

from commissure.checks import Check, at_least
from commissure.dwi.gradients import Gradients, quadratic, shells

#: With fewer weighted volumes a tensor explains nearly any order.
_VOLUMES_MIN = 9

#: Given orders of measured and simulated series gain 1.3 (9 volumes) to 6, random ones up to 1.07.
_GAIN_MIN = 1.2

#: Orders that are drawn, and voxels that are compared.
_ORDERS, _VOXELS = 199, 4_000


def order_gain(
    series: np.ndarray,
    gradients: Gradients,
    mask: np.ndarray,
    *,
    b0_max_b_s_mm2: float = 50.0,
    seed: int = 0,
) -> float:
    """How much better a tensor explains the series in the given order than in random ones.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``, b-values for which diffusion is Gaussian.
    gradients
        One row per volume.
    mask
        3-D brain mask.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted.
    seed
        Of the random orders.

    Returns
    -------
    float
        By how much the residual of the logarithm of the signal is smaller than with directions in
        random order (their median), in units of the same for the best of 199 random orders: about
        1 or less where the given order is no better than chance. Directions change places within
        their shell. NaN where the signal holds no direction at all.
    """
    unweighted = gradients.b0(b0_max_b_s_mm2)
    values = series[np.asarray(mask) > 0]
    bright = values[:, unweighted].mean(axis=1)
    middle = float(np.median(bright)) if bright.size else 0.0
    # The skull's rim and the eyes are neither as bright nor as dark as brain.
    values = values[(bright > 0.3 * middle) & (bright < 3 * middle)]
    values = values[:: max(1, len(values) // _VOXELS)].astype(float)
    # A dropout of nearly no signal would be minus infinity to the logarithm.
    logs = np.log(np.maximum(values, 0.02 * values.mean(axis=1, keepdims=True) + 1e-6))
    products = logs.T @ logs
    shell = shells(gradients.b, b0_max_b_s_mm2=b0_max_b_s_mm2)
    members = [np.flatnonzero(shell == number) for number in range(1, int(shell.max()) + 1)]
    rng = np.random.default_rng(seed)

    def residual(directions: np.ndarray) -> float:
        design = np.column_stack(
            [np.ones(len(directions)), gradients.b[:, None] / 1000 * quadratic(directions)]
        )
        basis, _ = np.linalg.qr(design)
        return float(np.trace(products) - np.sum(basis * (products @ basis)))

    shuffled = []
    for _ in range(_ORDERS):
        directions = gradients.directions.copy()
        for volumes in members:
            directions[volumes] = gradients.directions[rng.permutation(volumes)]
        shuffled.append(residual(directions))
    usual, best = float(np.median(shuffled)), float(np.min(shuffled))
    if not usual - best > 1e-9 * abs(usual):
        return float("nan")
    return (usual - residual(gradients.directions)) / (usual - best)


def order_check(
    series: np.ndarray, gradients: Gradients, mask: np.ndarray, *, b0_max_b_s_mm2: float
) -> Check:
    """Judge the order of the b-vectors; see :func:`order_gain` for the parameters.

    Returns
    -------
    Check
        Failed where the order is not clearly better than chance; without a verdict where there are
        too few volumes to tell.
    """
    weighted = int((~gradients.b0(b0_max_b_s_mm2)).sum())
    gain = order_gain(series, gradients, mask, b0_max_b_s_mm2=b0_max_b_s_mm2)
    if weighted < _VOLUMES_MIN:
        note = f"{weighted} weighted volumes are too few to tell their order."
        return Check("bvec_order_gain", gain, note=note)
    note = "How much better the directions explain the signal than the best of 199 random orders."
    return at_least("bvec_order_gain", gain, _GAIN_MIN, note)
