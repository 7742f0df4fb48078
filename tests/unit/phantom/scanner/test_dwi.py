"""Simulated diffusion against tensors, noise and gradients that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.images.rigid import rigid_matrix
from commissure.phantom.head.tensors import (
    Tensors,
    fibre_anisotropy,
    radial_diffusivity,
    tensor_field,
)
from commissure.phantom.scanner.dwi import INTENSITY, clean_series, rician, simulate_dwi
from commissure.phantom.scanner.echo_planar import FineHead, fine_head, voxel_means
from commissure.phantom.scanner.gradients import gradient_table


def fitted_tensor(signal: np.ndarray, b: np.ndarray, g: np.ndarray):
    """FA, MD and principal direction by least squares on the logarithm; signal is (voxels, N)."""
    x, y, z = g.T
    design = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], axis=1)
    design = np.hstack([np.ones((len(b), 1)), -b[:, None] * design])
    xx, yy, zz, xy, xz, yz = np.linalg.lstsq(design, np.log(signal.T), rcond=None)[0][1:]
    tensor = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]).transpose(2, 0, 1)
    values, vectors = np.linalg.eigh(tensor)
    md = values.mean(axis=1)
    spread = ((values - md[:, None]) ** 2).sum(axis=1)
    return np.sqrt(1.5 * spread / (values**2).sum(axis=1)), md, vectors[:, :, 2]


def block_head(wm: float = 1.0, csf: float = 0.0) -> FineHead:
    shape = (6, 6, 6)
    fine = np.ones((12, 12, 12), np.float32)
    affine = np.diag([-4.0, 4.0, 4.0, 1.0])
    fine_affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    fine_affine[:3, 3] = [1, -1, -1]
    maps = {"gm": 0 * fine, "wm": wm * fine, "csf": csf * fine, "outside": 0 * fine}
    template = np.moveaxis(np.indices((12, 12, 12)), 0, -1) @ fine_affine[:3, :3].T
    return FineHead(shape, affine, fine_affine, maps, template.astype(np.float32))


def one_tensor(head: FineHead, fa: float, direction: np.ndarray) -> Tensors:
    where = np.nonzero(head.maps["wm"] > 0)
    n = len(where[0])
    axial = np.full(n, 1.6e-3)
    return Tensors(
        where=where,
        directions=np.tile(direction / np.linalg.norm(direction), (n, 1)).astype(np.float32),
        axial=axial,
        radial=radial_diffusivity(np.full(n, fa), axial),
        truth={},
    )


def test_least_squares_finds_the_planted_tensor():
    head, direction = block_head(), np.array([1.0, 2.0, -0.5])
    bvals, gradients = gradient_table(30, 3, 1000.0)
    series = clean_series(
        head, one_tensor(head, 0.7, direction), bvals, gradients, np.zeros((33, 6))
    )
    inside = series[2:4, 2:4, 2:4].reshape(8, -1)
    fa, md, main = fitted_tensor(inside, bvals, gradients)
    assert fa == pytest.approx([0.7] * 8, abs=1e-4)
    radial = float(radial_diffusivity(np.array(0.7), np.array(1.6e-3)))
    assert md == pytest.approx([(1.6e-3 + 2 * radial) / 3] * 8, rel=1e-4)
    assert np.abs(main @ direction / np.linalg.norm(direction)) == pytest.approx([1] * 8, abs=1e-4)


def test_free_water_lowers_anisotropy_as_published():
    # FA 0.685 with 10 % free water is seen as 0.622 where both weigh the same without gradients.
    head = block_head(wm=0.9, csf=0.1 * INTENSITY["wm"] / INTENSITY["csf"])
    tensors = replace(
        one_tensor(head, 0.685, np.array([1.0, 0, 0])),
        axial=np.full(12**3, 1.3e-3),
    )
    tensors = replace(tensors, radial=radial_diffusivity(np.full(12**3, 0.685), tensors.axial))
    bvals, gradients = gradient_table(60, 3, 1000.0)
    series = clean_series(head, tensors, bvals, gradients, np.zeros((63, 6)))
    fa, _, _ = fitted_tensor(series[2:4, 2:4, 2:4].reshape(8, -1), bvals, gradients)
    assert fa.mean() == pytest.approx(0.622, abs=0.01)


def test_a_turned_head_sees_turned_gradients():
    head, direction = block_head(), np.array([0.0, 1.0, 0.2])
    bvals, gradients = gradient_table(30, 3, 1000.0)
    motion = np.zeros((33, 6))
    motion[:, 3:] = np.deg2rad([4.0, -3.0, 10.0])
    tensors = one_tensor(head, 0.8, direction)
    series = clean_series(head, tensors, bvals, gradients, motion)[2:4, 2:4, 2:4].reshape(8, -1)
    rotation = rigid_matrix(motion[0], np.zeros(3))[:3, :3]
    fa, _, main = fitted_tensor(series, bvals, gradients)
    turned = rotation @ direction / np.linalg.norm(direction)
    assert np.abs(main @ turned) == pytest.approx([1] * 8, abs=1e-4)
    assert fa == pytest.approx([0.8] * 8, abs=1e-3)
    # In the frame of the head, with gradients turned back, the fibre is where it was.
    _, _, main = fitted_tensor(series, bvals, gradients @ rotation)
    assert np.abs(main @ direction / np.linalg.norm(direction)) == pytest.approx([1] * 8, abs=1e-4)


def test_a_diffusion_volume_is_shifted_by_its_eddy_current():
    head = block_head()
    head.maps["wm"][:, :4] = 0
    head.maps["wm"][:, 8:] = 0
    bvals, gradients = gradient_table(6, 1, 1000.0)
    tensors = one_tensor(head, 0.0, np.array([1.0, 0, 0]))
    still = np.zeros((7, 6))
    eddies = np.zeros((7, 4))
    eddies[1:, 0] = 2.0  # Half a voxel to the front.
    plain = clean_series(head, tensors, bvals, gradients, still)[2, :, 2]
    moved = clean_series(head, tensors, bvals, gradients, still, eddies=eddies)[2, :, 2]
    y = np.arange(6)[:, None]
    sensitivity = head.coil_sensitivity(np.column_stack([np.full(6, 2), y, np.full(6, 2)]))[:, None]
    centre = [
        (y * image / sensitivity).sum(0) / (image / sensitivity).sum(0) for image in (plain, moved)
    ]
    assert centre[1][0] == pytest.approx(centre[0][0], abs=1e-5)
    assert centre[1][1:] == pytest.approx(centre[0][1:] + 0.5, abs=1e-4)


def test_noise_has_the_moments_of_rice():
    rng = np.random.default_rng(0)
    air = rician(np.zeros((100, 100, 10), np.float32), 20.0, rng)
    assert air.mean() == pytest.approx(20 * np.sqrt(np.pi / 2), rel=0.01)
    assert (air.astype(float) ** 2).mean() == pytest.approx(2 * 20**2, rel=0.01)
    strong = rician(np.full((100, 100, 10), 600.0, np.float32), 20.0, rng)
    assert strong.std() == pytest.approx(20, rel=0.01)
    assert (strong.astype(float) ** 2).mean() == pytest.approx(600**2 + 2 * 20**2, rel=0.001)


def test_two_crossing_bundles_decay_as_two(template_head, person):
    head = fine_head(template_head, 5.0, pose=np.zeros(6))
    one, two = (tensor_field(head, person, crossing=crossing) for crossing in (False, True))
    assert two.second is not None and two.share is not None
    assert np.array_equal(one.directions, two.directions)
    assert np.abs((two.second * two.directions).sum(axis=1)).max() < 1e-4
    for key, value in one.truth.items():
        if key[0] == "fa":
            assert two.truth[key] == pytest.approx(value, abs=1e-6)
    crossed = two.share > 0
    assert 0.3 < crossed.mean() < 0.6  # The upper half of white matter.
    assert (two.radial[crossed] < one.radial[crossed]).all()
    assert np.array_equal(two.radial[~crossed], one.radial[~crossed])


def test_series_is_complete_and_repeatable(template_head, person, tiny):
    one, two = (
        simulate_dwi(template_head, person, tiny, np.random.default_rng(4)) for _ in range(2)
    )
    n = tiny.dwi.directions + tiny.dwi.b0s
    assert one.data.shape[3] == len(one.bvals) == one.bvecs.shape[1] == len(one.motion) == n
    assert int((one.bvals == 0).sum()) == tiny.dwi.b0s and one.bvals[0] == 0
    assert np.array_equal(one.data, two.data)
    head = fine_head(template_head, tiny.dwi.voxel_mm, pose=one.since_t1w)
    deep = voxel_means(head.maps["wm"]) > 0.99
    attenuation = one.data[deep][:, one.bvals > 0].mean() / one.data[deep][:, 0].mean()
    assert 0.4 < attenuation < 0.6  # exp(-b MD) is 0.47; the average over directions is above it.
    for dropout in one.dropouts:
        assert 0.3 <= dropout.factor <= 0.7 and one.bvals[dropout.volume] > 0


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_crossing_bundles_have_the_anisotropy_asked_for(share):
    # Small b: the signal's first decay is that of the mean tensor, whose FA was asked for.
    head, direction = block_head(), np.array([1.0, 2.0, -0.5])
    n = 12**3
    axial = np.full(n, 1.6e-3)
    shares = np.full(n, share, np.float32)
    alone = fibre_anisotropy(np.full(n, 0.42, np.float32), shares)
    across = np.cross(direction, [0.0, 0, 1])
    tensors = replace(
        one_tensor(head, 0.0, direction),
        radial=radial_diffusivity(alone, axial),
        second=np.tile(across / np.linalg.norm(across), (n, 1)).astype(np.float32),
        share=shares,
    )
    bvals, gradients = gradient_table(30, 3, 20.0)
    series = clean_series(head, tensors, bvals, gradients, np.zeros((33, 6)))
    fa, md, _ = fitted_tensor(series[2:4, 2:4, 2:4].reshape(8, -1).astype(float), bvals, gradients)
    assert fa == pytest.approx([0.42] * 8, abs=0.004)
    radial = float(tensors.radial[0])
    assert md == pytest.approx([(1.6e-3 + 2 * radial) / 3] * 8, rel=0.005)
    if share:
        assert alone[0] > 0.42
