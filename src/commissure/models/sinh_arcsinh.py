"""The sinh-arcsinh distribution of what is left of a marker: skew and tails in four numbers.

Jones and Pewsey 2009 (Biometrika 96, 761): if ``Z`` is standard normal, ``X = location + scale
sinh((asinh Z + skew) / tail)`` is skewed to the right for ``skew > 0`` and has heavier tails than
the normal for ``tail < 1``. Its inverse turns a residual into a normal score in closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Steps of the fit, and the gain of the log posterior below which it ends.
STEPS, ENOUGH = 40, 1e-4
#: A step that gains less of the log posterior is not taken: it would be decided by rounding, and
#: people in several places would have another shape than the same people in one.
LEAST_GAIN = 1e-9
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


@dataclass(frozen=True)
class ShapeSums:
    """What a step of the fit needs of people: sums over them, which add up over places.

    Attributes
    ----------
    likelihood
        Log likelihood of each marker, shape (markers,).
    gradient
        Its derivatives by the parameters, shape (4, markers).
    curvature
        Outer product of each person's derivatives, shape (markers, 4, 4).
    """

    likelihood: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray


def shape_sums(values: np.ndarray, known: np.ndarray, shape: np.ndarray) -> ShapeSums:
    """The sums of some people under a shape.

    Parameters
    ----------
    values, known
        Shape (people, markers), and which of them there are.
    shape
        As :func:`normal_scores` takes it.
    """
    slopes = _slopes(values, shape) * known
    return ShapeSums(
        np.where(known, _log_likelihood(values, shape), 0.0).sum(axis=0),
        slopes.sum(axis=1),
        np.einsum("anm,bnm->mab", slopes, slopes),
    )


def fitted_shapes(values: np.ndarray) -> np.ndarray:
    """The shape of each column by its largest posterior, shape (4, markers).

    Parameters
    ----------
    values
        About mean 0 and standard deviation 1, shape (people, markers); NaN counts as absent.
    """
    known = np.isfinite(values)
    values = np.where(known, values, 0.0)
    return shapes_of_sums(lambda shape: shape_sums(values, known, shape), values.shape[1])


def shapes_of_sums(sums: Callable[[np.ndarray], ShapeSums], markers: int) -> np.ndarray:
    """The shapes of people of whom only sums are known, shape (4, markers).

    Levenberg-Marquardt steps on the outer product of the scores, all columns together. A step asks
    once, for the shape that it tries.

    Parameters
    ----------
    sums
        Gives the sums under a shape.
    markers
        How many.
    """
    shape = np.zeros((4, markers))
    precision = np.array([0.0, 0.0, SHAPE_PRECISION, SHAPE_PRECISION])[:, None]
    damping = np.full(markers, 1e-3)
    here = sums(shape)
    best = here.likelihood - (precision * shape**2).sum(axis=0) / 2
    for _ in range(STEPS):
        gradient = here.gradient - precision * shape
        curvature = here.curvature.copy()
        diagonal = np.einsum("maa->ma", curvature)
        diagonal += precision[:, 0] + 1e-6
        diagonal *= 1 + damping[:, None]
        moved = shape + np.linalg.solve(curvature, gradient.T[..., None])[..., 0].T
        moved[1:3] = np.clip(moved[1:3], -FARTHEST_LOG, FARTHEST_LOG)
        moved[3] = np.clip(moved[3], -FARTHEST_SKEW, FARTHEST_SKEW)
        tried = sums(moved)
        gained = tried.likelihood - (precision * moved**2).sum(axis=0) / 2
        better = gained > best + LEAST_GAIN
        ended = np.abs(gained - best) < ENOUGH
        shape = np.where(better, moved, shape)
        here = ShapeSums(
            tried.likelihood,
            np.where(better, tried.gradient, here.gradient),
            np.where(better[:, None, None], tried.curvature, here.curvature),
        )
        damping = np.where(better, np.maximum(damping / 5, 1e-4), damping * 5)
        best = np.where(better, gained, best)
        if ended.all():
            break
    return shape


def _log_likelihood(values: np.ndarray, shape: np.ndarray) -> np.ndarray:
    location, log_scale, log_tail, skew = shape
    standardised = (values - location) / np.exp(log_scale)
    arc = np.exp(log_tail) * np.arcsinh(standardised) - skew
    return np.asarray(
        log_tail - log_scale + np.log(np.cosh(arc)) - np.log1p(standardised**2) / 2
        - np.sinh(arc) ** 2 / 2
    )  # fmt: skip


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
