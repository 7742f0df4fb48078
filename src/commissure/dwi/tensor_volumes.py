"""Which volumes of a series, and which of their values, a tensor is fitted to."""

from __future__ import annotations

import numpy as np

from commissure.dwi.derivatives import PreprocessedSeries
from commissure.dwi.gradients import Gradients, distinct_directions, quadratic, shells
from commissure.images.rigid import rigid_matrix

#: b-values of one shell differ by this much, s/mm².
B_JITTER = 50.0

#: A voxel within this many slices of a dropout takes most of its value from it.
_NEAR_SLICES = 0.75

#: A volume that lost more than this share of its slices does not count at all.
_LOST_VOLUME = 0.5


def carries_tensor(gradients: Gradients, *, b0_max_b_s_mm2: float) -> bool:
    """Whether the weighted directions determine a tensor."""
    weighted = gradients.directions[~gradients.b0(b0_max_b_s_mm2)]
    return len(weighted) >= 6 and bool(np.linalg.matrix_rank(quadratic(weighted), tol=0.05) >= 6)


def tensor_volumes(
    gradients: Gradients, *, max_b_s_mm2: float, b0_max_b_s_mm2: float
) -> np.ndarray:
    """Choose the volumes: up to a b-value or, where these are too few, up to the lowest shell.

    Returns
    -------
    numpy.ndarray
        ``(volumes,)`` of bool; the unweighted ones alone where nothing carries a tensor.
    """
    b = gradients.b
    chosen = b <= max_b_s_mm2 + B_JITTER
    shell = shells(b, b0_max_b_s_mm2=b0_max_b_s_mm2)
    for number in range(1, int(shell.max(initial=0)) + 1):
        if carries_tensor(gradients.subset(chosen), b0_max_b_s_mm2=b0_max_b_s_mm2):
            return chosen
        chosen = chosen | (shell <= number)
    complete = carries_tensor(gradients.subset(chosen), b0_max_b_s_mm2=b0_max_b_s_mm2)
    return chosen if complete else gradients.b0(b0_max_b_s_mm2)


def too_few_directions(gradients: Gradients, *, b0_max_b_s_mm2: float) -> str:
    """Why a series carries no tensor, in words."""
    weighted = gradients.directions[~gradients.b0(b0_max_b_s_mm2)]
    return f"{distinct_directions(weighted)} distinct directions are too few for a tensor (6)"


def usable_values(series: PreprocessedSeries) -> np.ndarray | None:
    """Values that were measured and not predicted: all but those of slices lost to dropout.

    Returns
    -------
    numpy.ndarray or None
        Like the series, of bool; None where no slice was lost, or the engine did not say where
        its slices lie.
    """
    dropouts, poses = series.dropouts, series.poses
    acquired, centre = (series.sidecar.get(key) for key in ("AcquiredAffine", "RotationCentreMm"))
    if dropouts is None or not len(dropouts) or poses is None or not acquired or not centre:
        return None
    usable = np.ones(series.data.shape, bool)
    to_series = np.array(series.sidecar.get("MatrixT1wToDwi") or np.eye(4))
    index = np.indices(series.mask.shape, dtype=np.float32)
    for volume in np.unique(dropouts[:, 0]).astype(int):
        lost = dropouts[dropouts[:, 0] == volume, 1]
        if len(lost) > _LOST_VOLUME * series.sidecar["Slices"]:
            usable[..., volume] = False
            continue
        head = rigid_matrix(poses[volume], np.array(centre))
        row = (np.linalg.inv(np.array(acquired)) @ head @ to_series @ series.affine)[2]
        place = np.tensordot(row[:3].astype(np.float32), index, 1) + row[3]
        near = np.abs(place[..., None] - lost).min(axis=-1) < _NEAR_SLICES
        usable[..., volume] = ~near
    return usable
