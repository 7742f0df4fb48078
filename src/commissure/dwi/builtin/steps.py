"""The steps of preprocessing a series that another engine may do with its programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from commissure.dwi.builtin.denoise import mppca
from commissure.dwi.builtin.gibbs import without_ringing
from commissure.dwi.builtin.to_t1w import b0_brain_mask
from commissure.dwi.gradients import Gradients
from commissure.dwi.tensor import TensorMaps, fit_tensor


@dataclass(frozen=True)
class Steps:
    """Who denoises, mends ringing, outlines the brain and fits the tensor for the registration.

    Realignment and what undoes distortions are not among them: they are one and the same for all.

    Attributes
    ----------
    denoise
        As :func:`commissure.dwi.builtin.denoise.mppca`, with ``who`` for an error.
    unring
        As :func:`commissure.dwi.builtin.gibbs.without_ringing`, with ``who``.
    outline
        ``outline(series, gradients, unweighted, affine, who=...)``: the brain of a series as
        acquired, 3-D of bool; ``unweighted`` is ``(volumes,)`` of bool.
    outline_again
        ``outline_again(b0, carried, affine, who=...)``: the brain of a mean unweighted volume,
        after realignment and again without distortion; ``carried`` is the mask before, moved along.
    fit_tensor
        As :func:`commissure.dwi.tensor.fit_tensor` of series, gradients and mask, with the affine
        and ``who``.
    denoising
        What the sidecar calls the denoising; that of the settings where it is empty.
    said
        What else the sidecar says of the programs.
    """

    denoise: Callable[..., tuple[np.ndarray, np.ndarray]]
    unring: Callable[..., np.ndarray]
    outline: Callable[..., np.ndarray]
    outline_again: Callable[..., np.ndarray]
    fit_tensor: Callable[..., TensorMaps]
    denoising: str = ""
    said: Callable[[], Mapping[str, Any]] = field(default=dict)


def _denoised(
    series: np.ndarray, mask: np.ndarray, *, step: int, who: str
) -> tuple[np.ndarray, np.ndarray]:
    return mppca(series, mask, step=step)


def _unrung(series: np.ndarray, mask: np.ndarray, *, who: str) -> np.ndarray:
    return without_ringing(series, mask)


def _outlined(
    series: np.ndarray,
    gradients: Gradients,
    unweighted: np.ndarray,
    affine: np.ndarray,
    *,
    who: str,
) -> np.ndarray:
    return b0_brain_mask(series[..., unweighted].mean(axis=3), affine, who=who)


def _outlined_again(
    b0: np.ndarray, carried: np.ndarray, affine: np.ndarray, *, who: str
) -> np.ndarray:
    return b0_brain_mask(b0, affine, who=who)


def _fitted(
    series: np.ndarray, gradients: Gradients, mask: np.ndarray, affine: np.ndarray, *, who: str
) -> TensorMaps:
    return fit_tensor(series, gradients, mask)


#: Those of the built-in engine.
BUILTIN = Steps(_denoised, _unrung, _outlined, _outlined_again, _fitted)
