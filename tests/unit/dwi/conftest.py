"""Small diffusion phantoms whose answers are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest


def even_directions(count: int) -> np.ndarray:
    """Directions spread over a half sphere (Fibonacci), in a shuffled order."""
    k = np.arange(count) + 0.5
    polar, azimuth = np.arccos(1 - k / count), np.pi * (1 + 5**0.5) * k
    directions = np.column_stack(
        [np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)]
    )
    return directions[np.random.default_rng(0).permutation(count)]


def table(directions: int, b0s: int, b: float = 1000.0) -> tuple[np.ndarray, np.ndarray]:
    """b-values and directions, b0s first."""
    bvals = np.r_[np.zeros(b0s), np.full(directions, b)]
    return bvals, np.vstack([np.zeros((b0s, 3)), even_directions(directions)])


def eigenvalues(fa: float, md: float) -> np.ndarray:
    """Eigenvalues of the axially symmetric tensor with this FA and MD, largest first."""
    excess = fa / np.sqrt(3 - 2 * fa**2)
    return md * np.array([1 + 2 * excess, 1 - excess, 1 - excess])


def tensor(axis: np.ndarray, fa: float, md: float) -> np.ndarray:
    """3x3 tensor with this first eigenvector."""
    along, across, _ = eigenvalues(fa, md)
    axis = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    return across * np.eye(3) + (along - across) * np.outer(axis, axis)


def signal(
    tensors: np.ndarray, bvals: np.ndarray, directions: np.ndarray, s0: float = 1000.0
) -> np.ndarray:
    """Signal of tensors ``(..., 3, 3)``, one value per volume along the last axis."""
    decay = np.einsum("vi,...ij,vj->...v", directions, tensors, directions)
    return s0 * np.exp(-bvals * decay)


def rician(values: np.ndarray, sd: float, seed: int) -> np.ndarray:
    """Magnitude of the signal with Gaussian noise of this SD in both channels."""
    rng = np.random.default_rng(seed)
    return np.hypot(values + rng.normal(0, sd, values.shape), rng.normal(0, sd, values.shape))


@pytest.fixture(scope="session")
def dti() -> SimpleNamespace:
    """The functions of this file, for tests that know what they simulate."""
    return SimpleNamespace(
        even_directions=even_directions,
        table=table,
        tensor=tensor,
        signal=signal,
        rician=rician,
    )
