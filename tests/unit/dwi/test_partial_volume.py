from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from scipy.ndimage import convolve1d, gaussian_filter

from commissure.dwi import partial_volume as partial
from commissure.dwi.gradients import Gradients
from commissure.dwi.partial_volume import white_matter_signal
from commissure.dwi.tensor import fit_tensor

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
SHAPE = (20, 22, 18)


def mixture(*, fluid=True):
    """Shares of three tissues that change from voxel to voxel."""
    rng = np.random.default_rng(0)
    fields = np.stack([gaussian_filter(rng.normal(size=SHAPE), 1) for _ in range(3)])
    parts = np.exp(8 * fields)
    if not fluid:
        parts[2] = 0
    return dict(zip(("WM", "GM", "CSF"), parts / parts.sum(axis=0), strict=True))


def measured(dti, shares, sensitivity=1.0):
    bvals, directions = dti.table(12, 2)
    white = dti.signal(dti.tensor(np.array([0.3, 0.5, 0.8]), 0.7, 0.75e-3), bvals, directions, 600)
    parts = {"WM": white, "GM": 800 * np.exp(-bvals * 0.8e-3), "CSF": 1900 * np.exp(-bvals * 3e-3)}
    series = sum(shares[name][..., None] * pure for name, pure in parts.items())
    return series * np.asarray(sensitivity)[..., None], Gradients(bvals, directions)


@pytest.mark.parametrize("fluid", [True, False])
def test_a_mixed_voxel_gives_back_the_tensor_of_its_white_matter(dti, fluid):
    shares = mixture(fluid=fluid)
    series, gradients = measured(dti, shares)
    mask = np.ones(SHAPE, bool)
    mask[0] = False
    signal, corrected = white_matter_signal(series, gradients, shares, mask, AFFINE)
    assert np.array_equal((shares["WM"] >= 0.5) & mask, corrected)
    mixed = corrected & (shares["WM"] < 0.7)
    assert fit_tensor(series, gradients, mixed).fa[mixed].mean() < 0.6
    maps = fit_tensor(signal, gradients, corrected)
    assert np.allclose(0.7, maps.fa[corrected], atol=0.01)
    assert np.allclose(0.75e-3, maps.md[corrected], rtol=0.01)
    assert np.array_equal(series[~corrected].astype(np.float32), signal[~corrected])


def test_the_coils_sensitivity_may_vary_slowly(dti):
    shares = mixture()
    place = np.linspace(-1, 1, SHAPE[1])[None, :, None]
    series, gradients = measured(dti, shares, sensitivity=np.broadcast_to(1 + 0.3 * place, SHAPE))
    signal, corrected = white_matter_signal(series, gradients, shares, np.ones(SHAPE), AFFINE)
    off = fit_tensor(signal, gradients, corrected).fa[corrected] - 0.7
    assert abs(off.mean()) < 0.01
    assert np.abs(off).mean() < 0.03


@pytest.mark.parametrize("blur", [0.03, 0.08])
def test_an_image_less_sharp_than_its_voxels_is_told_from_the_signal(dti, blur):
    shares = mixture()
    sharp, gradients = measured(dti, shares)
    series = sharp
    for axis in range(3):
        series = convolve1d(series, [blur, 1 - 2 * blur, blur], axis=axis, mode="nearest")
    mask = np.ones(SHAPE, bool)
    signal, corrected = white_matter_signal(series, gradients, shares, mask, AFFINE)
    maps = fit_tensor(signal, gradients, corrected)
    assert np.allclose(0.7, maps.fa[corrected], atol=0.02)
    # Taking it for sharp leaves tissue beside the white matter in its signal.
    left, where = _blind(series, gradients, shares, mask)
    assert np.abs(fit_tensor(left, gradients, where).fa[where] - 0.7).mean() > 0.03


def _blind(series, gradients, shares, mask):
    with patch.object(partial, "_mixing", lambda *_: 0.0):
        return white_matter_signal(series, gradients, shares, mask, AFFINE)


def test_pure_white_matter_stays_as_it_is(dti):
    shares = {"WM": np.ones(SHAPE), "GM": np.zeros(SHAPE), "CSF": np.zeros(SHAPE)}
    series, gradients = measured(dti, shares)
    signal, corrected = white_matter_signal(series, gradients, shares, np.ones(SHAPE), AFFINE)
    assert corrected.all()
    assert np.allclose(series, signal, rtol=1e-5)
