"""How good a diffusion series is, before anything is believed of it."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np

from commissure.dwi.gradients import Gradients
from commissure.images.load import zooms_mm


def neighbouring_correlation(
    series: np.ndarray, gradients: Gradients, mask: np.ndarray, *, b0_max_b_s_mm2: float = 50.0
) -> float:
    """Neighbouring DWI correlation: how alike volumes of neighbouring q-vectors are.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``.
    gradients
        One row per volume.
    mask
        3-D brain mask.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted; such volumes are left out.

    Returns
    -------
    float
        Mean over weighted volumes of Pearson's r, inside the mask, with the nearest other volume
        in q-space (antipodes are the same point). Below 0.4 is low (Yeh F-C et al., NeuroImage
        202:116131, 2019).
    """
    weighted = np.flatnonzero(~gradients.b0(b0_max_b_s_mm2))
    q = np.sqrt(gradients.b[weighted])[:, None] * gradients.directions[weighted]
    apart = np.minimum(
        np.linalg.norm(q[:, None] - q[None], axis=2), np.linalg.norm(q[:, None] + q[None], axis=2)
    )
    np.fill_diagonal(apart, np.inf)
    values = series[np.asarray(mask) > 0][:, weighted].astype(np.float32)
    values -= values.mean(axis=0)
    values /= np.linalg.norm(values, axis=0)
    return float(np.mean(np.sum(values * values[:, apart.argmin(axis=1)], axis=0)))


#: The ways in which axes of b-vectors are usually confused: order and one sign (a tensor does not
#: see the sign of all three).
_TABLES = tuple(
    np.eye(3)[list(order)] * np.array(sign)
    for order, sign in product(
        permutations(range(3)), ((1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1))
    )
)


def fibre_coherence(
    first_eigenvectors: np.ndarray, fa: np.ndarray, affine: np.ndarray, *, fa_min: float = 0.3
) -> list[tuple[str, float]]:
    """Test whether the b-vectors' axes are right by how well fibres continue into each other.

    A tensor fitted with exchanged or negated axes is the true one exchanged and negated, so all 24
    tables are tried on one fit: in each, a voxel is compared with the one that its direction points
    to.

    Parameters
    ----------
    first_eigenvectors
        ``(x, y, z, 3)``, in the world (RAS+).
    fa
        3-D fractional anisotropy, 0 outside the mask.
    affine
        4x4, voxel to mm; its axes are those in which b-vectors are written.
    fa_min
        Voxels with less anisotropy are left out.

    Returns
    -------
    list of (str, float)
        Tables and their coherence (mean ``|cos|`` of the angle between neighbours), best first. A
        table is named by what its rows are, as ``+x +y +z`` for the b-vectors as they came.

    Notes
    -----
    After Schilling KG et al., A fiber coherence index for quality control of B-table orientation,
    Magn Reson Imaging 58:82-89, 2019.
    """
    size = np.array(zooms_mm(affine))
    axes = affine[:3, :3] / size
    places = np.argwhere(fa > fa_min)
    inner = np.all((places > 0) & (places < np.array(fa.shape) - 1), axis=1)
    places = places[inner]
    local = first_eigenvectors[tuple(places.T)] @ axes
    results = []
    for table in _TABLES:
        direction = local @ table.T
        voxels = direction / size
        step = np.rint(voxels / np.maximum(np.abs(voxels).max(axis=1, keepdims=True), 1e-9))
        other = tuple((places + step.astype(int)).T)
        fibre = fa[other] > fa_min
        there = (first_eigenvectors[other] @ axes) @ table.T
        cosine = np.abs(np.sum(direction * there, axis=1))[fibre]
        name = " ".join(
            f"{'+' if row.sum() > 0 else '-'}{'xyz'[int(np.abs(row).argmax())]}" for row in table
        )
        results.append((name, float(cosine.mean()) if cosine.size else 0.0))
    return sorted(results, key=lambda item: -item[1])
