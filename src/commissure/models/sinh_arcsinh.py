"""The sinh-arcsinh distribution of what is left of a marker: skew and tails in four numbers.

Jones and Pewsey 2009 (Biometrika 96, 761): if ``Z`` is standard normal, ``X = location + scale
sinh((asinh Z + skew) / tail)`` is skewed to the right for ``skew > 0`` and has heavier tails than
the normal for ``tail < 1``. Its inverse turns a residual into a normal score in closed form.
"""

from __future__ import annotations

import numpy as np

#: Steps of the fit, and the gain of the log posterior below which it ends.
STEPS, ENOUGH = 40, 1e-4
#: Precision of the normal prior on log tail and on skew about 0 (the normal distribution): with
#: ten people the shape is the normal's, with hundreds the data decide.
SHAPE_PRECISION = 10.0
#: Limits within which the fit moves.
FARTHEST_LOG, FARTHEST_SKEW = 1.5, 2.0
#: Parameters of the normal distribution, by row: location, log scale, log tail, skew.
NORMAL = np.zeros(4)


def normal_scores(values: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Values of a sinh-arcsinh distribution as scores of the standard normal.

    Parameters
    ----------
    values
        Shape (people, markers).
    shape
        Location, log scale, log tail and skew, shape (4, markers).
    """
    location, log_scale, log_tail, skew = shape
    standardised = (values - location) / np.exp(log_scale)
    return np.asarray(np.sinh(np.exp(log_tail) * np.arcsinh(standardised) - skew))


def values_of_scores(scores: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """The inverse of :func:`normal_scores`."""
    location, log_scale, log_tail, skew = shape
    arc = (np.arcsinh(scores) + skew) / np.exp(log_tail)
    return np.asarray(location + np.exp(log_scale) * np.sinh(arc))


def fitted_shapes(values: np.ndarray) -> np.ndarray:
    """The shape of each column by its largest posterior, shape (4, markers).

    Levenberg-Marquardt steps on the outer product of the scores, all columns together.

    Parameters
    ----------
    values
        About mean 0 and standard deviation 1, shape (people, markers); NaN counts as absent.
    """
    known = np.isfinite(values)
    values = np.where(known, values, 0.0)
    shape = np.zeros((4, values.shape[1]))
    precision = np.array([0.0, 0.0, SHAPE_PRECISION, SHAPE_PRECISION])[:, None]
    damping = np.full(values.shape[1], 1e-3)
    best = _log_posterior(values, known, shape, precision)
    for _ in range(STEPS):
        slopes = _slopes(values, shape) * known
        gradient = slopes.sum(axis=1) - precision * shape
        curvature = np.einsum("anm,bnm->mab", slopes, slopes)
        diagonal = np.einsum("maa->ma", curvature)
        diagonal += precision[:, 0] + 1e-6
        diagonal *= 1 + damping[:, None]
        moved = shape + np.linalg.solve(curvature, gradient.T[..., None])[..., 0].T
        moved[1:3] = np.clip(moved[1:3], -FARTHEST_LOG, FARTHEST_LOG)
        moved[3] = np.clip(moved[3], -FARTHEST_SKEW, FARTHEST_SKEW)
        gained = _log_posterior(values, known, moved, precision)
        better = gained > best
        ended = np.abs(gained - best) < ENOUGH
        shape = np.where(better, moved, shape)
        damping = np.where(better, np.maximum(damping / 5, 1e-4), damping * 5)
        best = np.where(better, gained, best)
        if ended.all():
            break
    return shape


def _log_posterior(
    values: np.ndarray, known: np.ndarray, shape: np.ndarray, precision: np.ndarray
) -> np.ndarray:
    location, log_scale, log_tail, skew = shape
    standardised = (values - location) / np.exp(log_scale)
    arc = np.exp(log_tail) * np.arcsinh(standardised) - skew
    likelihood = (
        log_tail - log_scale + np.log(np.cosh(arc)) - np.log1p(standardised**2) / 2
        - np.sinh(arc) ** 2 / 2
    )  # fmt: skip
    return np.asarray(
        np.where(known, likelihood, 0.0).sum(axis=0) - (precision * shape**2).sum(axis=0) / 2
    )


def _slopes(values: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Derivatives of each value's log likelihood by the parameters, shape (4, people, markers)."""
    location, log_scale, log_tail, skew = shape
    scale, tail = np.exp(log_scale), np.exp(log_tail)
    standardised = (values - location) / scale
    arcsinh = np.arcsinh(standardised)
    arc = tail * arcsinh - skew
    by_arc = np.tanh(arc) - np.sinh(arc) * np.cosh(arc)
    root = 1 + standardised**2
    by_value = by_arc * tail / np.sqrt(root) - standardised / root
    return np.stack(
        [-by_value / scale, -by_value * standardised - 1, by_arc * tail * arcsinh + 1, -by_arc]
    )
