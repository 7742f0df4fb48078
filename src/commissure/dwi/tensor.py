"""The diffusion tensor and what is read from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commissure.dwi.gradients import Gradients, quadratic

#: Signals below this are taken for it: the logarithm needs a positive number (as in DIPY).
_SIGNAL_MIN = 1e-4

#: How often weights are taken from the fit before.
_WEIGHTED_AGAIN = 2

#: Voxels that are fitted at a time.
_CHUNK = 20_000

#: A volume further than this many standard deviations from a voxel's tensor is left out there.
_OUTLIER_SD = 4.0

#: Largest share of a voxel's volumes that may be left out as outliers.
_OUTLIERS_MAX = 0.25

#: How often voxels with suspicious values are fitted to find which are outliers.
_REWEIGHTED = 4

#: Standard deviation of a normal sample over its median absolute deviation.
_SD_PER_MAD = 1.4826


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
        Root mean square of measured minus fitted signal per voxel over the volumes that count,
        corrected for the seven parameters; in units of the signal.
    left_out
        Share of the mask's values that were left out as outliers.
    """

    fa: np.ndarray
    md: np.ndarray
    direction: np.ndarray
    s0: np.ndarray
    residual: np.ndarray
    left_out: float = 0.0


def fit_tensor(
    series: np.ndarray,
    gradients: Gradients,
    mask: np.ndarray,
    *,
    robust: bool = False,
    usable: np.ndarray | None = None,
) -> TensorMaps:
    """Fit a tensor per voxel by weighted least squares on the logarithm of the signal.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``, b-values for which diffusion is Gaussian.
    gradients
        One row per volume, directions in the world: so is the tensor. A small weighting without a
        direction counts as one in all directions.
    mask
        3-D, where to fit.
    robust
        Whether values far from a voxel's tensor are left out and it is fitted again.
    usable
        Like ``series``, of bool: values that count; None for all.

    Notes
    -----
    Weights are squared signals, measured ones and then twice those predicted (Veraart J et al.,
    NeuroImage 81:335-346, 2013), as in MRtrix3's ``dwi2tensor``; DIPY's ``WLS`` starts from equal
    weights and weights once, at ten times the cost. Eigenvalues are clipped at zero. FA after
    Basser PJ & Pierpaoli C, J Magn Reson B 111:209-219, 1996. Leaving outliers out: Chang L-C et
    al., Magn Reson Med 53:1088-1095, 2005 (there with a nonlinear fit).
    """
    inside = np.asarray(mask) > 0
    design = _design(gradients)
    values = np.asarray(series[inside], np.float32)
    counted = None if usable is None else usable[inside]
    coefficients = _fitted(values, design, counted)
    share = 0.0
    if robust and len(values):
        outliers = _outliers(values, design, coefficients, counted)
        changed = np.flatnonzero(outliers.any(axis=1))
        counted = np.ones(values.shape, bool) if counted is None else counted.copy()
        counted[changed] &= ~outliers[changed]
        coefficients[changed] = _fitted(values[changed], design, counted[changed])
        share = float(outliers.mean())
    return _maps(inside, values, design, coefficients, counted, share)


def _design(gradients: Gradients) -> np.ndarray:
    """``(volumes, 7)``: from diffusivities in µm²/ms and the logarithm of S0 to that of S."""
    form = quadratic(gradients.directions)
    form[~gradients.directions.any(axis=1), :3] = 1 / 3
    return np.column_stack([-gradients.b[:, None] / 1000 * form, np.ones(len(form))])


def _fitted(values: np.ndarray, design: np.ndarray, counted: np.ndarray | None) -> np.ndarray:
    """Coefficients of signals ``(voxels, volumes)``; where too few count, all do."""
    pairs = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    coefficients = np.empty((len(values), 7))
    for first in range(0, len(values), _CHUNK):
        part = slice(first, first + _CHUNK)
        signal = np.maximum(values[part], _SIGNAL_MIN).astype(float)
        logs = np.log(signal)
        share = np.ones(logs.shape)
        if counted is not None:
            share = counted[part].astype(float)
            share[~_determined(share, pairs)] = 1.0
        found = _solved(share * signal**2, logs, design, pairs)
        for _ in range(_WEIGHTED_AGAIN):
            weights = share * np.exp(2 * np.clip(found @ design.T - found[:, -1:], -15, 15))
            found = _solved(weights, logs, design, pairs)
        coefficients[part] = found
    return coefficients


def _determined(share: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Voxels whose counted volumes determine a tensor well."""
    lowest = np.linalg.eigvalsh((share @ pairs).reshape(-1, 7, 7))[:, 0]
    every = np.linalg.eigvalsh(pairs.sum(axis=0).reshape(7, 7))[0]
    return lowest > 0.2 * every


def _solved(
    weights: np.ndarray, logs: np.ndarray, design: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    weights = weights / weights.max(axis=1, keepdims=True)
    normal = (weights @ pairs).reshape(-1, 7, 7)
    normal[:, np.arange(7), np.arange(7)] += 1e-9
    return np.linalg.solve(normal, ((weights * logs) @ design)[..., None])[..., 0]


def _outliers(
    values: np.ndarray, design: np.ndarray, coefficients: np.ndarray, counted: np.ndarray | None
) -> np.ndarray:
    """Values ``(voxels, volumes)`` that lie far from the tensor of their voxel.

    Outliers draw a tensor towards them: where a value is suspicious, the tensor is first fitted
    with weights that fall with the distance (Geman-McClure), and distances are taken from that.
    """
    away, spread = _away(values, design, coefficients)
    suspicious = np.flatnonzero((away > 0.7 * _OUTLIER_SD * spread[:, None]).any(axis=1))
    far = np.zeros(values.shape, bool)
    chosen = values[suspicious]
    usable = 1.0 if counted is None else counted[suspicious]
    away, spread = away[suspicious], spread[suspicious]
    for _ in range(_REWEIGHTED):
        weight = usable / (1 + (away / (2 * spread[:, None])) ** 2) ** 2
        away, again = _away(chosen, design, _fitted(chosen, design, weight))
        spread = np.maximum(again, 0.5 * spread)
    far[suspicious] = away > _OUTLIER_SD * spread[:, None]
    far[far.mean(axis=1) > _OUTLIERS_MAX] = False
    return far


def _away(
    values: np.ndarray, design: np.ndarray, coefficients: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances from the tensors, and their spread in each voxel."""
    away = np.abs(values - _predicted(design, coefficients))
    freedom = np.sqrt(values.shape[1] / max(values.shape[1] - 7, 1))
    spread = _SD_PER_MAD * np.median(away, axis=1) * freedom
    # With few volumes a spread may be far too small by chance.
    typical = np.median(spread) if len(spread) else 0.0
    return away, np.maximum(spread, 0.7 * typical + 1e-6)


def _predicted(design: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    return np.exp(np.clip(coefficients @ design.T, -30, 30)).astype(np.float32)


def _maps(
    inside: np.ndarray,
    values: np.ndarray,
    design: np.ndarray,
    coefficients: np.ndarray,
    counted: np.ndarray | None,
    share: float,
) -> TensorMaps:
    xx, yy, zz, xy, xz, yz = coefficients[:, :6].T / 1000
    tensors = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1).reshape(-1, 3, 3)
    eigenvalues, eigenvectors = np.linalg.eigh(tensors)
    eigenvalues = np.clip(eigenvalues, 0, None)
    mean = eigenvalues.mean(axis=1)
    size = np.maximum((eigenvalues**2).sum(axis=1), 1e-20)
    anisotropy = np.sqrt(1.5 * ((eigenvalues - mean[:, None]) ** 2).sum(axis=1) / size)
    squares = (values - _predicted(design, coefficients)) ** 2
    number = np.full(len(values), float(values.shape[1]))
    if counted is not None:
        squares, number = squares * counted, counted.sum(axis=1).astype(float)
    residual = np.sqrt(squares.sum(axis=1) / np.maximum(number - 7, 1))
    fa, md, s0, rest = (np.zeros(inside.shape, np.float32) for _ in range(4))
    direction = np.zeros((*inside.shape, 3), np.float32)
    fa[inside], md[inside], rest[inside] = np.clip(anisotropy, 0, 1), mean, residual
    s0[inside] = np.exp(np.clip(coefficients[:, 6], -30, 30))
    direction[inside] = eigenvectors[:, :, 2]
    return TensorMaps(fa, md, direction, s0, rest, share)
