"""Each volume of a shell from the others."""

from __future__ import annotations

import numpy as np

from commissure.dwi.builtin.volume_prediction import predicted_volumes
from commissure.dwi.gradients import Gradients

AFFINE = np.diag([-5.0, 5.0, 5.0, 1.0])
AFFINE[:3, 3] = [75, -90, -70]


def test_a_tensor_predicts_each_volume_from_the_others(dti):
    bvals, directions = dti.table(20, 0)
    tensors = np.stack([dti.tensor(axis, 0.6, 0.8e-3) for axis in dti.even_directions(8)])
    stack = dti.signal(tensors, bvals, directions).reshape(2, 2, 2, 20).astype(np.float32)
    still = np.tile(np.eye(4), (20, 1, 1))
    spoilt = stack.copy()
    spoilt[..., 7] *= 0.4
    predicted = predicted_volumes(spoilt, AFFINE, Gradients(bvals, directions), still)
    assert np.allclose(stack[..., 7], predicted[..., 7], rtol=1e-4)
