"""Grey matter, white matter and fluid: intensities, the template's expectation and neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Order of the tissues wherever they stand in an array; ``_dseg`` numbers them from 1.
TISSUES = ("GM", "WM", "CSF")

#: Share of each class that the template's maps leave open, so that anatomy can differ from them.
PRIOR_FLOOR = 0.02


@dataclass(frozen=True)
class Segmentation:
    """Tissue posteriors and what was learnt on the way.

    Attributes
    ----------
    posterior
        (3, X, Y, Z) float32 in the order of :data:`TISSUES`; sums to 1 inside the mask, 0 outside.
    bias
        (X, Y, Z) float32 smooth brightness that remained in the image, 1 on average inside the
        mask; the image over it is what was segmented.
    mean, sd
        Intensity of each tissue.
    iterations
        Steps until the means stood still.
    """

    posterior: np.ndarray
    bias: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    iterations: int


def tissue_posteriors(
    intensity: np.ndarray,
    mask: np.ndarray,
    priors: np.ndarray,
    *,
    prior_weight: float = 1.0,
    neighbour_weight: float = 0.1,
    bias_degree: int = 3,
    iterations: int = 30,
) -> Segmentation:
    """Segment by expectation-maximisation with spatial priors and a Markov random field.

    Parameters
    ----------
    intensity
        (X, Y, Z) bias-corrected T1w.
    mask
        (X, Y, Z) bool, the brain.
    priors
        (3, X, Y, Z) the template's tissue probabilities carried into the image.
    prior_weight
        Exponent of the priors, 0 to 1.
    neighbour_weight
        Exponent per neighbour that agrees.
    bias_degree
        Total degree of the Legendre polynomials that the remaining log-brightness is made of;
        0 leaves the image as it is.
    iterations
        At most so many.

    Notes
    -----
    Van Leemput K et al., Automated model-based tissue classification of MR images of the brain,
    IEEE TMI 18:897-908, 1999.
    """
    box = _bounding_box(mask)
    inside = mask[box]
    y = intensity[box][inside].astype(np.float32)
    prior = np.stack([p[box][inside] for p in priors]).astype(np.float32)
    total = prior.sum(axis=0)
    # Beyond the template's brain there is fluid, or cortex that the registration missed.
    prior += np.clip(1 - total, 0, 1) * np.array([[0.2], [0.0], [0.8]], np.float32)
    prior = (prior + PRIOR_FLOOR) / (prior + PRIOR_FLOOR).sum(axis=0)
    log_prior = prior_weight * np.log(prior)

    low, high = np.percentile(y, [0.5, 99.5])
    clipped = np.clip(y, max(low, 1e-3 * high), high)
    basis = _smooth_basis(inside, bias_degree)
    flat = clipped
    posterior = prior
    mean = sd = np.zeros(3)
    grid = np.zeros((3, *inside.shape), np.float32)
    coefficients = np.zeros(len(basis))
    step = 0
    for step in range(1, iterations + 1):
        before, (mean, sd) = mean, _weighted_moments(flat, posterior)
        sd = np.maximum(sd, 1e-3 * (high - low))
        if bias_degree and step > 1:
            coefficients = _bias_coefficients(clipped, posterior, mean, sd, basis)
            flat = clipped / np.exp(coefficients @ basis)
        score = log_prior - 0.5 * ((flat - mean[:, None]) / sd[:, None]) ** 2
        score -= np.log(sd)[:, None]
        if neighbour_weight:
            grid[:, inside] = posterior
            score += neighbour_weight * _six_neighbours(grid)[:, inside]
        score -= score.max(axis=0)
        posterior = np.exp(score, dtype=np.float32)
        posterior /= posterior.sum(axis=0)
        if step > 3 and np.abs(mean - before).max() < 1e-3 * (high - low):
            break
    result = np.zeros((3, *mask.shape), np.float32)
    grid[:, inside] = posterior
    result[(slice(None), *box)] = grid
    bias = np.ones(mask.shape, np.float32)
    bias[mask] = np.exp(coefficients @ basis)
    return Segmentation(result, bias, mean, sd, step)


def _weighted_moments(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the values under each row of weights."""
    total = weights.sum(axis=1)
    mean = weights @ values / total
    square = weights @ values**2 / total
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def _bias_coefficients(
    values: np.ndarray, posterior: np.ndarray, mean: np.ndarray, sd: np.ndarray, basis: np.ndarray
) -> np.ndarray:
    """Weighted least squares of the log-brightness that the tissue means do not explain."""
    weight = (posterior / sd[:, None] ** 2).sum(axis=0)
    expected = (posterior * (mean / sd**2)[:, None]).sum(axis=0) / weight
    weight *= expected**2
    every = slice(None, None, max(1, values.size // 60_000))
    rows = basis[:, every] * weight[every]
    target = np.log(values[every] / expected[every])
    return np.linalg.solve(rows @ basis[:, every].T, rows @ target)


def _smooth_basis(inside: np.ndarray, degree: int) -> np.ndarray:
    """Legendre polynomials up to a total degree, (terms, voxels), each of mean 0 in the mask."""
    axes = [np.polynomial.legendre.legvander(np.linspace(-1, 1, n), degree) for n in inside.shape]
    place = np.nonzero(inside)
    terms = [
        axes[0][place[0], i] * axes[1][place[1], j] * axes[2][place[2], k]
        for i, j, k in np.ndindex(3 * (degree + 1,))
        if 0 < i + j + k <= degree
    ]
    if not terms:
        return np.zeros((0, int(inside.sum())), np.float32)
    basis = np.array(terms, np.float32)
    return basis - basis.mean(axis=1, keepdims=True)


def _six_neighbours(grid: np.ndarray) -> np.ndarray:
    """Sum over the six face neighbours, for each class."""
    total = np.zeros_like(grid)
    for axis in (1, 2, 3):
        ahead = [slice(None)] * 4
        behind = [slice(None)] * 4
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        total[tuple(ahead)] += grid[tuple(behind)]
        total[tuple(behind)] += grid[tuple(ahead)]
    return total


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Slices around the nonzero part of a 3-D mask."""
    spans = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(slice(int(s[0]), int(s[-1]) + 1) for s in spans)
