from __future__ import annotations

import numpy as np
import pytest

from commissure.anat.builtin.tissues import tissue_posteriors

INTENSITY = np.array([60.0, 100.0, 25.0])  # GM, WM, CSF


def _layers(shape: tuple[int, int, int] = (30, 30, 30)) -> np.ndarray:
    """Three slabs of 10 voxels along x: grey matter, white matter, fluid."""
    truth = np.zeros((3, *shape), np.float32)
    for tissue in range(3):
        truth[tissue, 10 * tissue : 10 * tissue + 10] = 1
    return truth


def _image(truth: np.ndarray, noise: float = 2.0, seed: int = 7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    clean = np.tensordot(INTENSITY, truth, axes=1)
    return (clean + rng.normal(0, noise, clean.shape)).astype(np.float32)


def test_posteriors_of_three_slabs_are_the_slabs() -> None:
    truth = _layers()
    mask = np.ones(truth.shape[1:], bool)
    found = tissue_posteriors(_image(truth), mask, 0.6 * truth + 0.4 / 3, bias_degree=0)
    assert found.mean == pytest.approx(INTENSITY, abs=1.0)
    assert np.abs(found.posterior - truth).mean() < 0.02


def test_posteriors_sum_to_one_inside_the_mask_and_to_zero_outside() -> None:
    truth = _layers()
    mask = np.zeros(truth.shape[1:], bool)
    mask[3:27, 4:20, 5:25] = True
    found = tissue_posteriors(_image(truth), mask, truth)
    assert found.posterior.sum(axis=0)[mask] == pytest.approx(1.0, abs=1e-5)
    assert not found.posterior[:, ~mask].any()


@pytest.mark.parametrize(("parts", "grey"), [(1, 0.9), (4, 0.2)])
def test_half_fluid_half_white_is_grey_matter_only_to_a_pure_voxel_model(
    parts: int, grey: float
) -> None:
    truth = _layers()
    truth[:, 19] = np.array([0, 0.5, 0.5]).reshape(3, 1, 1)
    mask = np.ones(truth.shape[1:], bool)
    priors = 0.8 * truth + 0.2 / 3
    priors[:, 19] = np.array([0.1, 0.45, 0.45]).reshape(3, 1, 1)
    found = tissue_posteriors(
        _image(truth), mask, priors, parts=parts, neighbour_weight=0, bias_degree=0
    )
    share = found.posterior[0, 19].mean()
    assert share > grey if parts == 1 else share < grey


def test_brightness_of_the_coil_is_recovered() -> None:
    truth = _layers()
    # Stacked slabs cannot be told from a gradient along x; along y and z they can.
    y, z = np.meshgrid(np.linspace(-1, 1, 30), np.linspace(-1, 1, 30), indexing="ij")
    coil = np.exp(0.2 * y - 0.15 * z**2)
    coil /= np.exp(np.log(coil).mean())
    mask = np.ones(truth.shape[1:], bool)
    found = tissue_posteriors(_image(truth) * coil, mask, 0.8 * truth + 0.2 / 3)
    assert np.abs(np.log(found.bias) - np.log(coil)).max() < 0.03
    assert np.abs(found.posterior - truth).mean() < 0.02


def test_neighbours_settle_what_noise_leaves_open() -> None:
    truth = _layers()
    mask = np.ones(truth.shape[1:], bool)
    flat = np.full_like(truth, 1 / 3)
    image = _image(truth, noise=14.0)
    alone, together = (
        tissue_posteriors(
            image, mask, 0.2 * truth + 0.8 * flat, parts=1, neighbour_weight=w, bias_degree=0
        )
        for w in (0.0, 0.5)
    )
    wrong = [(s.posterior.argmax(axis=0) != truth.argmax(axis=0)).mean() for s in (alone, together)]
    assert wrong[1] < 0.5 * wrong[0]


def test_same_input_gives_same_bytes() -> None:
    truth = _layers()
    mask = np.ones(truth.shape[1:], bool)
    one, two = (tissue_posteriors(_image(truth), mask, truth).posterior for _ in range(2))
    assert one.tobytes() == two.tobytes()


def test_nothing_is_learnt_from_what_is_excluded() -> None:
    truth = _layers()
    image = _image(truth)
    lesion = np.zeros(image.shape, bool)
    lesion[2:8, 5:25, 5:25] = True
    image[lesion] = 25.0  # A cavity as dark as fluid, where the template has grey matter.
    mask = np.ones(image.shape, bool)
    priors = 0.9 * truth + 0.1 / 3
    taken, left_out = (
        tissue_posteriors(image, mask, priors, bias_degree=0, exclude=exclude)
        for exclude in (None, lesion)
    )
    assert left_out.mean == pytest.approx(INTENSITY, abs=0.5)
    assert left_out.sd[0] < 3 and left_out.sd[0] < taken.sd[0]


def test_half_the_trust_follows_the_image_where_a_person_differs_from_the_template() -> None:
    """Cortex a voxel thicker than the template's, which is nearly sure of white matter there."""
    truth = _layers()
    priors = 0.94 * truth + 0.02
    truth[:, 10:12] = np.array([1, 0, 0]).reshape(3, 1, 1, 1)
    mask = np.ones(truth.shape[1:], bool)
    image = _image(truth, noise=8.0)
    grey = [
        tissue_posteriors(image, mask, priors, bias_degree=0, trust=trust)
        .posterior[0, 10:12]
        .mean()
        for trust in (1.0, 0.5)
    ]
    assert grey[1] > 1.3 * grey[0]
