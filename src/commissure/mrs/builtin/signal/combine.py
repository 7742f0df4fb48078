"""One FID from many coils: noise-whitened, with weights from the water reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CoilWeights:
    """How coils are added.

    Attributes
    ----------
    weights
        Complex, (coils,): the combined FID is the weighted sum of the coils' FIDs.
    noise_correlation
        Largest correlation between the noise of two coils.
    source
        ``water reference`` or ``the spectrum itself``.
    """

    weights: np.ndarray
    noise_correlation: float
    source: str


def noise_covariance(fids: np.ndarray) -> np.ndarray:
    """Noise covariance between coils, (coils, coils), from the last quarter of the FIDs.

    Parameters
    ----------
    fids
        (shots, coils, points).

    Notes
    -----
    What the shots have in common at the end of the FID is signal, and is taken out where there
    are enough shots to know it; otherwise differences of neighbouring points leave the noise.
    """
    tail = fids[..., -(fids.shape[-1] // 4) :]
    shots, coils, _ = tail.shape
    if shots >= 4:
        noise = (tail - tail.mean(axis=0)) * np.sqrt(shots / (shots - 1))
    else:
        noise = np.diff(tail, axis=-1) / np.sqrt(2)
    rows = noise.swapaxes(0, 1).reshape(coils, -1)
    return rows @ rows.conj().T / rows.shape[1]


def coil_weights(fids: np.ndarray, reference: np.ndarray | None) -> CoilWeights:
    """Weights of the best signal-to-noise: the matched filter on whitened coils.

    Parameters
    ----------
    fids
        (shots, coils, points), for the noise.
    reference
        Water FIDs (shots, coils, points) for the sensitivities, or None to take them from
        ``fids``.

    Notes
    -----
    Whitened singular value decomposition (Rodgers CT, Robson MD, Magn Reson Med 63:881-891,
    2010). The sum is scaled so that the combined sensitivity is 1 in units of the
    root-sum-of-squares of the coils, the same for metabolites and water.
    """
    covariance = noise_covariance(fids)
    coils = covariance.shape[0]
    # A little of the diagonal keeps the inverse sound when coils share their noise.
    steady = covariance + 1e-6 * np.trace(covariance).real / coils * np.eye(coils)
    source = fids if reference is None else reference
    signal = source.mean(axis=0)[:, : max(64, source.shape[-1] // 8)]
    whiten = np.linalg.inv(np.linalg.cholesky(steady))
    vectors, _, _ = np.linalg.svd(whiten @ signal, full_matrices=False)
    sensitivity = np.linalg.solve(whiten, vectors[:, 0])
    inverse = np.linalg.inv(steady)
    weights = inverse @ sensitivity
    weights = weights.conj() / (sensitivity.conj() @ inverse @ sensitivity).real
    weights *= np.linalg.norm(sensitivity) * np.exp(-1j * np.angle(weights @ signal[:, 0]))
    spread = np.sqrt(np.diag(covariance).real)
    correlation = np.abs(covariance) / np.outer(spread, spread)
    return CoilWeights(
        weights=weights,
        noise_correlation=float((correlation - np.eye(coils)).max(initial=0.0)),
        source="the spectrum itself" if reference is None else "water reference",
    )


def combined_coils(fids: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Add coils: (shots, coils, points) and (coils,) to (shots, points)."""
    return np.einsum("sct,c->st", fids, weights)
