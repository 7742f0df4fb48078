from __future__ import annotations

import numpy as np
import pytest

from commissure.dwi.gradients import Gradients
from commissure.dwi.tensor import fit_tensor


@pytest.mark.parametrize(("fa", "md"), [(0.0, 3e-3), (0.2, 0.8e-3), (0.7, 0.75e-3), (0.9, 0.7e-3)])
def test_without_noise_fa_md_and_direction_are_exact(dti, fa, md):
    bvals, directions = dti.table(12, 1)
    axis = np.array([1.0, -2.0, 0.5]) / np.linalg.norm([1.0, -2.0, 0.5])
    series = np.tile(dti.signal(dti.tensor(axis, fa, md), bvals, directions), (2, 2, 2, 1))
    maps = fit_tensor(series, Gradients(bvals, directions), np.ones((2, 2, 2)))
    assert np.allclose(fa, maps.fa, atol=1e-4)
    assert np.allclose(md, maps.md, rtol=1e-4)
    assert np.allclose(1000, maps.s0, rtol=1e-4)
    assert np.allclose(0, maps.residual, atol=0.05)
    if fa:
        assert np.allclose(1, np.abs(maps.direction @ axis), atol=1e-4)


#: FA, mean diffusivity, SNR of the b0, mean and SD of the fitted FA: WLS, 30 directions at b = 1000
#: and five b0, Rician noise.
BIAS = [
    (0.80, 20, 0.798, 0.026),
    (0.573, 20, 0.575, 0.040),
    (0.193, 20, 0.216, 0.047),
    (0.0, 20, 0.105, 0.034),
    (0.80, 30, 0.798, 0.018),
    (0.573, 30, 0.574, 0.027),
    (0.193, 30, 0.204, 0.031),
    (0.0, 30, 0.070, 0.023),
]


@pytest.mark.parametrize(("fa", "snr", "mean", "sd"), BIAS)
def test_noise_biases_fa_as_published_for_this_regime(dti, fa, snr, mean, sd):
    bvals, directions = dti.table(30, 5)
    # Axes spread over the sphere, so that no accident of the gradient table enters.
    axes = np.random.default_rng(1).normal(size=(1500, 3))
    tensors = np.stack([dti.tensor(axis, fa, 0.75e-3) for axis in axes])
    series = dti.rician(dti.signal(tensors, bvals, directions), 1000 / snr, seed=2)[:, None, None]
    maps = fit_tensor(series, Gradients(bvals, directions), np.ones((1500, 1, 1)))
    assert maps.fa.mean() == pytest.approx(mean, abs=0.012)
    assert maps.fa.std() == pytest.approx(sd, rel=0.25)
    assert maps.md.mean() == pytest.approx(0.75e-3, rel=0.01)


def test_residuals_measure_the_noise(dti):
    bvals, directions = dti.table(30, 3)
    clean = np.tile(
        dti.signal(dti.tensor([0, 0, 1], 0.5, 0.8e-3), bvals, directions), (400, 1, 1, 1)
    )
    noisy = clean + np.random.default_rng(3).normal(0, 20, clean.shape)
    maps = fit_tensor(noisy, Gradients(bvals, directions), np.ones((400, 1, 1)))
    assert np.sqrt(np.mean(maps.residual**2)) == pytest.approx(20, rel=0.05)


def spread_tensors(dti, seed=1, count=600):
    rng = np.random.default_rng(seed)
    fas = rng.uniform(0, 0.9, count)
    return np.stack(
        [
            dti.tensor(axis, fa, 0.75e-3)
            for axis, fa in zip(rng.normal(size=(count, 3)), fas, strict=True)
        ]
    )


def test_the_numbers_are_nearly_those_of_dipy(dti):
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import TensorModel

    bvals, directions = dti.table(30, 3)
    series = dti.rician(dti.signal(spread_tensors(dti), bvals, directions), 40, seed=2)
    fit = TensorModel(gradient_table(bvals, bvecs=directions), fit_method="WLS").fit(series)
    maps = fit_tensor(series[:, None, None], Gradients(bvals, directions), np.ones((600, 1, 1)))
    # DIPY weights once, from equal weights.
    assert np.corrcoef(fit.fa, maps.fa[:, 0, 0])[0, 1] > 0.9995
    assert np.abs(fit.fa - maps.fa[:, 0, 0]).mean() < 0.003
    assert np.abs(fit.md / maps.md[:, 0, 0] - 1).mean() < 0.003


def test_outliers_are_left_out_and_clean_voxels_stay_as_they_were(dti):
    bvals, directions = dti.table(30, 3)
    gradients, mask = Gradients(bvals, directions), np.ones((600, 1, 1))
    clean = dti.rician(dti.signal(spread_tensors(dti), bvals, directions), 25, seed=2)
    spoilt = clean.copy()
    rng = np.random.default_rng(5)
    for voxel in range(600):
        spoilt[voxel, rng.choice(np.arange(3, 33), 2, replace=False)] *= 0.3
    plain, robust, from_spoilt, plain_spoilt = (
        fit_tensor(values[:, None, None], gradients, mask, robust=how)
        for values, how in ((clean, False), (clean, True), (spoilt, True), (spoilt, False))
    )
    assert np.corrcoef(plain.fa.ravel(), robust.fa.ravel())[0, 1] > 0.998
    assert robust.left_out < 0.005
    assert np.abs(plain_spoilt.fa - plain.fa).mean() > 0.08
    assert np.abs(from_spoilt.fa - plain.fa).mean() < 0.02


def test_values_that_are_not_usable_do_not_count(dti):
    bvals, directions = dti.table(30, 3)
    gradients, mask = Gradients(bvals, directions), np.ones((600, 1, 1))
    clean = dti.signal(spread_tensors(dti), bvals, directions)[:, None, None]
    spoilt, usable = clean.copy(), np.ones(clean.shape, bool)
    spoilt[..., 10:14], usable[..., 10:14] = 1, False
    maps = fit_tensor(spoilt, gradients, mask, usable=usable)
    assert np.allclose(fit_tensor(clean, gradients, mask).fa, maps.fa, atol=1e-4)
    # Where nearly nothing is left, all values count: a number that is flagged, not one of chance.
    usable[:] = False
    assert np.isfinite(fit_tensor(clean, gradients, mask, usable=usable).fa).all()


@pytest.mark.parametrize("low", [5.0, 50.0, 100.0])
@pytest.mark.parametrize("known", [True, False])
def test_a_small_weighting_of_the_unweighted_volumes_is_taken_into_account(dti, low, known):
    bvals, directions = dti.table(30, 3)
    bvals[:3] = low
    directions[:3] = np.eye(3)
    tensors = spread_tensors(dti)
    series = dti.signal(tensors, bvals, directions)
    if not known:
        series[:, :3] = 1000 * np.exp(-low * 0.75e-3)
        directions[:3] = 0
    maps = fit_tensor(series[:, None, None], Gradients(bvals, directions), np.ones((600, 1, 1)))
    assert np.allclose(1000, maps.s0, rtol=2e-3)
    assert np.allclose(0.75e-3, maps.md, rtol=2e-3)
