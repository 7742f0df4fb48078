"""The tissues before the deformation: crisp, complete, alike on both sides, true to the labels."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.images.atlas import structures
from commissure.images.template import template
from commissure.phantom.head.tissue_maps import TISSUES, tissue_maps


@pytest.fixture(scope="module")
def shares() -> np.ndarray:
    """(3, X, Y, Z): grey matter, white matter, fluid."""
    maps = tissue_maps()
    return np.stack([np.asanyarray(maps[name].dataobj) for name in TISSUES])


@pytest.fixture(scope="module")
def label() -> np.ndarray:
    return np.asanyarray(structures().image.dataobj)


def test_shares_fill_the_brain_and_nothing_else(shares):
    mask = np.asanyarray(template("mask").dataobj)
    np.testing.assert_allclose(shares.sum(axis=0), mask, atol=1e-5)
    assert shares.min() >= 0


def test_cortex_meets_fluid_and_white_matter_without_transition(shares, label):
    paired = np.isin(label, (2, 3, 41, 42))
    assert set(np.unique(shares[:, paired])) == {0.0, 1.0}
    blurred = np.stack([np.asanyarray(template(name).dataobj) for name in TISSUES])
    assert np.mean(blurred[:, paired].max(axis=0) < 0.8) > 0.3


def test_a_structure_has_one_appearance_up_to_its_edge(shares, label):
    for number in (10, 13, 17, 26):
        assert np.ptp(shares[:, label == number], axis=1).max() < 1e-6
    hippocampus, thalamus, pallidum = (shares[0][label == n].mean() for n in (17, 10, 13))
    assert hippocampus > 0.95 > thalamus > pallidum > 0.2
    inside = shares.sum(axis=0) > 0
    assert shares[2][np.isin(label, (4, 14, 43)) & inside].min() == 1


def test_both_sides_are_alike(shares):
    np.testing.assert_allclose(shares, shares[:, ::-1], atol=2e-2)


def test_a_person_has_as_much_of_each_tissue_as_people_have(shares):
    grey, white, fluid = shares.sum(axis=(1, 2, 3), dtype=float) / shares.sum(dtype=float)
    assert 0.42 < grey < 0.50
    assert 0.32 < white < 0.40
    assert 0.14 < fluid < 0.25
