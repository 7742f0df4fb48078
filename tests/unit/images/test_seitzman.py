"""Seitzman's cortical spheres lie where nilearn's table has them, and serve as parcels."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.func.parcels import parcels_on_grid, usual_parcels
from commissure.images.atlas import schaefer
from commissure.images.connectivity_sets import (
    NETWORKS,
    dlpfc_parcels,
    dmn_core_parcels,
    frontal_parcels,
    network_parcels,
)
from commissure.images.seitzman import seitzman
from commissure.images.template import template


def test_spheres_have_their_size_and_place_and_do_not_touch():
    atlas = seitzman()
    data = np.asanyarray(atlas.image.dataobj)
    assert len(atlas.labels) == 239 and set(np.unique(data)) == {0, *atlas.labels["index"]}
    for row in atlas.labels.itertuples():
        voxels = np.argwhere(data == row.index)
        places = nib.affines.apply_affine(atlas.image.affine, voxels)
        assert np.linalg.norm(places.mean(axis=0) - (row.x_mm, row.y_mm, row.z_mm)) < 0.3
        assert len(voxels) == pytest.approx(4 / 3 * np.pi * 5**3, rel=0.06)
        assert row.hemisphere == ("L" if row.x_mm < 0 else "R")


def test_the_table_is_that_of_the_installed_package():
    from nilearn.datasets import fetch_coords_seitzman_2018

    published = fetch_coords_seitzman_2018(ordered_regions=False)
    rois = published["rois"]
    places = np.column_stack([rois["x"], rois["y"], rois["z"]])
    cortical = np.array([str(region).startswith("cortex") for region in published["regions"]])
    labels = seitzman().labels
    np.testing.assert_allclose(labels[["x_mm", "y_mm", "z_mm"]], places[cortical], atol=1e-6)
    networks = np.array(published["networks"])[cortical]
    assert set(labels["network"][networks == "DefaultMode"]) == {"Default"}
    assert set(labels["network"][networks == "Reward"]) == {"Reward"}


def test_sets_of_parcels_are_found_among_them():
    labels = seitzman().labels
    for network in set(NETWORKS) - {"Limbic"}:
        assert len(network_parcels(labels, network)) >= 10
    posterior, anterior = dmn_core_parcels(labels)
    assert len(posterior) >= 5 and len(anterior) >= 10
    assert (labels["y_mm"].iloc[posterior] < -30).all() and (
        labels["y_mm"].iloc[anterior] > 25
    ).all()
    for side in ("L", "R"):
        assert len(dlpfc_parcels(labels, side)) >= 4
    assert (labels["y_mm"].iloc[frontal_parcels(labels)] > -5).all()


def test_every_sphere_is_on_a_grid_of_three_millimetres():
    grid = template("mask", resolution_mm=3)
    parcels = parcels_on_grid(usual_parcels("Seitzman300"), grid.shape, grid.affine)
    counts = np.bincount(parcels.image.ravel())[1:]
    assert counts[:239].min() >= 12
    assert usual_parcels(400) is schaefer(400)
