"""Whether the directions belong to the volumes that they are listed for."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.dwi.bvec_order import order_check, order_gain
from commissure.dwi.gradients import Gradients


@pytest.fixture(scope="module")
def bundles(dti):
    """Series, gradients and mask of fibres in all directions, with noise of a scan."""
    bvals, directions = dti.table(15, 2)
    rng = np.random.default_rng(1)
    axes = rng.normal(size=(8, 8, 8, 3))
    tensors = np.array([dti.tensor(axis, 0.6, 0.8e-3) for axis in axes.reshape(-1, 3)])
    series = dti.rician(dti.signal(tensors, bvals, directions), 40, seed=2)
    return series.reshape(8, 8, 8, -1), Gradients(bvals, directions), np.ones((8, 8, 8), bool)


def _shuffled(gradients: Gradients, seed: int) -> Gradients:
    weighted = np.flatnonzero(gradients.b > 50)
    directions = gradients.directions.copy()
    directions[weighted] = directions[np.random.default_rng(seed).permutation(weighted)]
    return Gradients(gradients.b, directions)


def test_the_true_order_passes(bundles):
    check = order_check(*bundles, b0_max_b_s_mm2=50)
    assert (check.name, check.passed) == ("bvec_order_gain", True)
    assert check.value > 1.5


@pytest.mark.parametrize("seed", range(5))
def test_a_shuffled_table_is_flagged(bundles, seed):
    series, gradients, mask = bundles
    assert order_check(series, _shuffled(gradients, seed), mask, b0_max_b_s_mm2=50).passed is False


def test_axes_that_are_exchanged_are_another_check(bundles):
    series, gradients, mask = bundles
    exchanged = Gradients(gradients.b, gradients.directions[:, [1, 0, 2]])
    assert order_gain(series, exchanged, mask) == pytest.approx(order_gain(series, gradients, mask))


def test_few_volumes_get_no_verdict_and_noise_fails(bundles):
    series, gradients, mask = bundles
    few = np.arange(9)
    check = order_check(series[..., few], gradients.subset(few), mask, b0_max_b_s_mm2=50)
    assert (check.passed, check.limit) == (None, "")
    assert check.note == "7 weighted volumes are too few to tell their order."
    noise = np.random.default_rng(0).uniform(100, 200, series.shape)
    assert order_check(noise, gradients, mask, b0_max_b_s_mm2=50).passed is False
