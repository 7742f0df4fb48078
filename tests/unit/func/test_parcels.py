"""Mean series of parcels that are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.func.parcels import parcel_series, parcels_on_grid
from commissure.images.atlas import schaefer
from commissure.images.template import template


def test_parcel_means_are_exact_and_coverage_is_counted(parcels):
    volumes = 6
    rng = np.random.default_rng(0)
    truth = rng.normal(1000, 50, (len(parcels.names), volumes))
    bold = np.zeros((*parcels.image.shape, volumes))
    inside = parcels.image > 0
    bold[inside] = truth[parcels.image[inside] - 1]
    brain = inside.copy()
    lost = np.argwhere(parcels.image == 1)
    brain[tuple(lost[: int(0.6 * len(lost))].T)] = False
    means = parcel_series(bold, brain, parcels, min_coverage=0.5)
    assert np.isnan(means.series[:, 0]).all()
    assert means.coverage[0] == pytest.approx(0.4, abs=0.05)
    np.testing.assert_allclose(means.series[:, 1:], truth[1:].T, rtol=1e-12)


def test_every_parcel_has_voxels_at_the_coarsest_grid_in_use():
    grid = template("mask", resolution_mm=5)
    image = parcels_on_grid(schaefer(100), grid.shape, grid.affine).image
    assert np.bincount(image.ravel(), minlength=113)[1:].min() >= 2
