"""The brain in a mean BOLD volume."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from commissure.func.builtin.normalisation import brain_mask, otsu_threshold
from commissure.func.quality import dice
from commissure.images.load import voxel_volume_mm3
from commissure.images.template import template


def test_otsu_parts_two_classes():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(50, 10, 4000), rng.normal(800, 60, 2000)])
    above = values > otsu_threshold(values)
    assert above[4000:].all()
    assert above[:4000].mean() < 0.002


def test_brain_mask_finds_the_brain_beside_scalp_and_noise():
    brain = template("T1w", resolution_mm=4)
    inside = np.asanyarray(template("mask", resolution_mm=4).dataobj) > 0
    rng = np.random.default_rng(1)
    volume = 1000 * inside + np.abs(rng.normal(0, 30, inside.shape))
    volume[0:2] += 900  # a bright wall, as a wrapped ear would be
    found = brain_mask(volume, brain.affine)
    assert dice(found, inside) > 0.95


def test_the_middle_of_a_head_under_many_coils_is_brain():
    """There it has a quarter of the brightness that it has at the rim, and air next to nothing."""
    mask = template("mask", resolution_mm=4)
    inside = np.asanyarray(mask.dataobj) > 0.5
    depth = distance_transform_edt(inside) * 4
    rng = np.random.default_rng(2)
    volume = inside * 1000 / (1 + depth / 15) + np.abs(rng.normal(0, 15, inside.shape))
    assert volume[inside & (depth > 40)].max() < 350
    found = brain_mask(volume, mask.affine)
    assert found[inside & (depth > 20)].mean() > 0.99
    assert dice(found, inside) > 0.95


@pytest.mark.real
def test_the_mask_of_a_measured_head_under_many_coils_has_no_hole(shared_data):
    path = shared_data / "bids-more/sub-xa01/func/sub-xa01_task-fa_bold.nii.gz"
    image = nib.load(path)
    mask = brain_mask(np.asarray(image.dataobj[..., :5], np.float32).mean(axis=3), image.affine)
    litres = mask.sum() * voxel_volume_mm3(image.affine) / 1e6
    # Its field of view lacks the lower cerebellum; the T1w image has 1.42 l of brain.
    assert 1.25 < litres < 1.45
    middle = np.argwhere(mask).mean(axis=0).astype(int)
    around = tuple(slice(place - 4, place + 5) for place in middle)
    assert mask[around].mean() > 0.98
