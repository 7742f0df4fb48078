"""Seeds lie where they were published, on any grid, and are missing where there is no signal."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.func.seeds import DLPFC, SEEDS, SGACC, STRIATAL_SEEDS, seed_series, sphere
from commissure.images.atlas import structures
from commissure.images.template import template


@pytest.fixture(scope="module")
def grid():
    return template("mask", resolution_mm=3)


@pytest.fixture(scope="module")
def run(grid):
    brain = np.asanyarray(grid.dataobj) > 0.5
    rng = np.random.default_rng(2)
    series = 1000 + rng.normal(size=(brain.sum(), 30)).astype(np.float32)
    return series, brain


def series_of(run, grid, tsnr, **changed) -> dict[str, np.ndarray]:
    given = {"min_coverage": 0.5, "min_tsnr": 20, "min_cortical_tsnr": 40, **changed}
    columns = seed_series(run[0], run[1], grid.affine, tsnr, **given)
    return {seed.name: columns[:, k] for k, seed in enumerate(SEEDS)}


@pytest.mark.parametrize("resolution_mm", [2, 3, 5])
def test_spheres_lie_around_their_coordinates(resolution_mm):
    image = template("mask", resolution_mm=resolution_mm)
    for seed in SEEDS:
        places = nib.affines.apply_affine(image.affine, sphere(seed, image.shape, image.affine))
        away = np.linalg.norm(places - seed.centre_mm, axis=1)
        volume = 4 / 3 * np.pi * seed.radius_mm**3
        assert len(places) > 0
        if resolution_mm < seed.radius_mm:
            assert away.max() <= seed.radius_mm
            assert len(places) * resolution_mm**3 == pytest.approx(volume, rel=0.65)
    assert (
        len(
            sphere(
                SGACC,
                image.shape,
                np.diag([9.0, 9, 9, 1]) + np.pad([[-100], [-100], [-100]], ((0, 1), (3, 0))),
            )
        )
        >= 1
    )


def test_striatal_seeds_lie_in_the_striatum():
    atlas = structures()
    names = dict(zip(atlas.labels["index"], atlas.labels["name"], strict=True))
    labels = np.asanyarray(atlas.image.dataobj)
    for seed in STRIATAL_SEEDS:
        side = seed.name[-1]
        found = [
            names.get(int(labels[tuple(v)]), "")
            for v in sphere(seed, labels.shape, atlas.image.affine)
        ]
        deep = [name for name in found if name.startswith(("Caudate", "Putamen", "Accumbens"))]
        assert len(deep) > 0.3 * len(found), seed.name
        assert all(name.endswith(side) for name in deep)


def test_a_seed_is_the_mean_of_its_voxels(run, grid):
    tsnr = np.full(len(run[0]), 80.0)
    found = series_of(run, grid, tsnr)
    assert all(np.isfinite(column).all() for column in found.values())
    data = np.zeros((*run[1].shape, 30), np.float32)
    data[run[1]] = run[0]
    voxels = sphere(STRIATAL_SEEDS[0], grid.shape, grid.affine)
    np.testing.assert_allclose(found["VSi_L"], data[tuple(voxels.T)].mean(axis=0), rtol=1e-6)


def test_a_dropout_takes_a_seed_and_leaves_the_others(run, grid):
    order = np.full(run[1].shape, -1)
    order[run[1]] = np.arange(len(run[0]))
    for seed, low in ((SGACC, 30.0), (STRIATAL_SEEDS[0], 15.0)):
        tsnr = np.full(len(run[0]), 80.0)
        rows = order[tuple(sphere(seed, grid.shape, grid.affine).T)]
        tsnr[rows[rows >= 0]] = low
        found = series_of(run, grid, tsnr)
        assert np.isnan(found[seed.name]).all()
        assert np.isfinite(found[DLPFC.name]).all()
        assert np.isfinite(
            series_of(run, grid, tsnr, min_tsnr=0, min_cortical_tsnr=0)[seed.name]
        ).all()


def test_a_seed_outside_the_brain_is_missing(run, grid):
    brain = run[1].copy()
    brain[tuple(sphere(SGACC, grid.shape, grid.affine).T)] = False
    kept = brain[run[1]]
    found = seed_series(
        run[0][kept],
        brain,
        grid.affine,
        np.full(kept.sum(), 80.0),
        min_coverage=0.5,
        min_tsnr=20,
        min_cortical_tsnr=40,
    )
    assert np.isnan(found[:, [seed.name for seed in SEEDS].index("sgACC")]).all()
