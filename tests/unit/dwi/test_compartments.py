from __future__ import annotations

import numpy as np
import pytest

from commissure.dwi.compartments import (
    free_water,
    lacking_for_free_water,
    lacking_for_kurtosis,
    mean_kurtosis,
)
from commissure.dwi.gradients import Gradients


def shells_of(dti, *values, count=30):
    b = np.r_[np.zeros(3), *(np.full(count, float(value)) for value in values)]
    directions = [np.zeros((3, 3)), *(dti.even_directions(count) for _ in values)]
    return b, np.vstack(directions)


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.4])
def test_free_water_is_told_from_tissue(dti, fraction):
    b, directions = shells_of(dti, 500, 1200)
    tissue = dti.signal(dti.tensor([1, 1, 0], 0.7, 0.75e-3), b, directions)
    water = 1000 * np.exp(-b * 3e-3)
    series = np.tile((1 - fraction) * tissue + fraction * water, (4, 4, 2, 1))
    series += np.random.default_rng(0).normal(0, 2, series.shape)
    where = np.ones((4, 4, 2), bool)
    found, fa = free_water(series, Gradients(b, directions), where, b0_max_b_s_mm2=50)
    assert np.median(found) == pytest.approx(fraction, abs=0.03)
    assert np.median(fa) == pytest.approx(0.7, abs=0.03)


def test_the_kurtosis_of_two_compartments_is_found_and_gaussian_diffusion_has_none(dti):
    b, directions = shells_of(dti, 700, 1400, 2500)
    slow, fast = 0.5e-3, 1.5e-3
    mixed = 500 * (np.exp(-b * slow) + np.exp(-b * fast))
    plain = 1000 * np.exp(-b * 1e-3)
    series = np.stack([mixed, plain])[:, None, None]
    found = mean_kurtosis(
        series, Gradients(b, directions), np.ones((2, 1, 1), bool), b0_max_b_s_mm2=50
    )
    # 3 var(D) / mean(D)²; the cumulants beyond are cut off, which lowers it.
    assert found[0, 0, 0] == pytest.approx(3 * 0.25, rel=0.25)
    assert found[1, 0, 0] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(
    ("values", "water", "kurtosis"),
    [
        ((1000,), "there are 1", "there are [1000]"),
        ((700, 1200), "", "there are [700, 1200]"),
        ((700, 1200, 2800), "", ""),
        ((2500, 5000), "there are 0", "there are [2500]"),
    ],
)
def test_what_shells_are_needed_is_said(dti, values, water, kurtosis):
    table = Gradients(*shells_of(dti, *values))
    for said, wanted in (
        (lacking_for_free_water(table, b0_max_b_s_mm2=50), water),
        (lacking_for_kurtosis(table, b0_max_b_s_mm2=50), kurtosis),
    ):
        assert wanted in said if wanted else not said


@pytest.mark.real
def test_measured_shells_have_the_kurtosis_and_water_of_a_brain(shared_data):
    import nibabel as nib

    from commissure.dwi.gradients import read_gradients
    from commissure.dwi.tensor import fit_tensor

    stem = shared_data / "bids-more/sub-ms01/dwi/sub-ms01_dwi"
    image = nib.load(stem.with_suffix(".nii.gz"))
    series = np.asanyarray(image.dataobj).astype(np.float32)
    files = {kind: stem.with_suffix(f".{kind}") for kind in ("bval", "bvec")}
    table = read_gradients(files, image.affine, volumes=series.shape[3], who="sub-ms01")
    low = table.b < 1300
    inside = series[..., table.b < 50].mean(axis=3) > 0
    maps = fit_tensor(series[..., low], table.subset(low), inside)
    white = inside & (maps.fa > 0.4) & (maps.md < 1e-3)
    assert white.sum() > 100
    kurtosis = mean_kurtosis(series, table, white, b0_max_b_s_mm2=50)[white]
    assert 0.7 < np.median(kurtosis) < 1.4
    water, fa = free_water(series, table, white, b0_max_b_s_mm2=50)
    assert np.median(water[white]) < 0.3
    assert np.median(fa[white]) > np.median(maps.fa[white])
