"""The brain in a mean BOLD volume."""

from __future__ import annotations

import numpy as np

from commissure.func.builtin.normalisation import brain_mask, otsu_threshold
from commissure.func.quality import dice
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
