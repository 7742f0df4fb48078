"""Tables of diffusion gradients for simulated series."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from commissure.images.load import zooms_mm


def gradient_table(
    directions: int, b0s: int, b_value: float, *, more: Sequence[tuple[float, int]] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """b-values (N,) and scanner directions (N, 3); unweighted volumes first and in between.

    Further shells, ``more`` as (b-value, directions), follow after the first one.

    Returns
    -------
    bvals, directions
        Directions are unit vectors, zero where b is 0.
    """
    vectors = even_directions(directions)
    table = [(0.0, np.zeros(3))]
    others = b0s - 1
    for i, vector in enumerate(vectors):
        table.append((b_value, vector))
        if others and (i + 1) * others // directions > i * others // directions:
            table.append((0.0, np.zeros(3)))
    table += [(b, vector) for b, count in more for vector in even_directions(count)]
    bvals, rows = zip(*table, strict=True)
    return np.array(bvals), np.array(rows)


@lru_cache(maxsize=8)
def even_directions(count: int) -> np.ndarray:
    """Unit vectors (count, 3) whose axes repel each other, spread over the whole sphere.

    Electrostatic repulsion of antipodal pairs (Jones DK et al., Magn Reson Med 42:515-525, 1999);
    then each axis gets the sign that keeps the sum of all vectors small (eddy currents).
    """
    rng = np.random.default_rng(count)
    vectors = rng.standard_normal((count, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for step in 0.3 / (1 + np.arange(400) / 40):
        force = np.zeros_like(vectors)
        for sign in (1, -1):
            apart = vectors[:, None] - sign * vectors[None]
            far = np.linalg.norm(apart, axis=-1, keepdims=True)
            force += (apart / np.maximum(far, 1e-3) ** 3 * (far > 1e-9)).sum(axis=1)
        force -= (force * vectors).sum(axis=1, keepdims=True) * vectors
        force /= max(1e-12, float(np.linalg.norm(force, axis=1).max()))
        vectors = vectors + step / np.sqrt(count) * force
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for _ in range(10):
        for i in range(count):
            if vectors[i] @ (vectors.sum(axis=0) - vectors[i]) > 0:
                vectors[i] *= -1
    return vectors


def fsl_bvecs(directions: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Scanner directions (N, 3) in FSL's convention for an image's affine, (3, N)."""
    axes = affine[:3, :3] / zooms_mm(affine)
    bvecs = axes.T @ directions.T
    if np.linalg.det(axes) > 0:
        bvecs[0] *= -1
    return bvecs
