"""Measures of an image whose values are known beforehand, and MRIQC's own values."""

from __future__ import annotations

import sys

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from commissure.anat.image_quality import (
    Summary,
    above_plane,
    air_around,
    cjv,
    cnr,
    edge_area_cm2,
    efc,
    fber,
    mriqc_measures,
    repeated_slices,
    snrd,
    spectrum,
    summary,
    tissue_summaries,
)
from commissure.anat.quality import EDGE_CM2
from commissure.images.template import head_brain_mask, template, whole_head

WHITE, GREY = Summary(1000, 47.06, 51.78, 9), Summary(687.15, 72.99, 76.96, 9)
AIR = Summary(40, 24.2457, 24.638, 9)


def test_formulas_give_what_mriqc_printed_of_an_image() -> None:
    # Row 50002 of the rated ABIDE images (mriqc-learn): cjv, cnr, snrd_wm.
    assert cjv(WHITE, GREY) == pytest.approx(0.38375, rel=1e-4)
    assert cnr(WHITE, GREY, AIR) == pytest.approx(3.25997, rel=1e-4)
    assert snrd(WHITE, AIR) == pytest.approx(27.0211, rel=1e-4)


@pytest.mark.real
def test_formulas_give_mriqcs_values_of_1101_images(repository, shared_data, capsys, monkeypatch):
    import runpy

    table = shared_data / "derivatives/mriqc/abide-rated/abide.tsv"
    monkeypatch.setattr(sys, "argv", ["anat_limits.py", str(table)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(repository / "benchmarks/anat_limits.py"), run_name="__main__")
    assert end.value.code == 0
    assert "737 accepted, 174 refused" in capsys.readouterr().out


def test_a_summary_is_scaled_to_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(50, 4, 100_000)
    found = summary(values)
    assert (found.median, found.mad, found.stdv) == pytest.approx((50, 4, 4), rel=0.02)
    assert np.isnan(summary(values[:9]).median)


def test_entropy_is_1_of_a_flat_image_and_0_of_a_single_bright_voxel() -> None:
    assert efc(np.ones((20, 20, 20))) == pytest.approx(1)
    point = np.zeros((20, 20, 20))
    point[3, 4, 5] = 1
    assert efc(point) == pytest.approx(0, abs=1e-6)


def test_energy_ratio_is_of_medians() -> None:
    assert fber(np.full(200, 30.0), np.full(200, 3.0)) == pytest.approx(100)
    assert np.isnan(fber(np.full(200, 30.0), np.zeros(200)))


@pytest.fixture(scope="module")
def head() -> tuple[nib.Nifti1Image, np.ndarray]:
    """The averaged head with noise in the air, white matter about 1000; its brain."""
    image = whole_head()
    rng = np.random.default_rng(7)
    brain = np.asarray(head_brain_mask().dataobj) > 0
    data = np.asarray(image.dataobj)
    data = data * np.float32(1000 / np.percentile(data[brain], 80))
    noise = np.hypot(data + rng.normal(0, 20, data.shape), rng.normal(0, 20, data.shape))
    return nib.Nifti1Image(noise.astype(np.float32), image.affine), brain


def test_air_lies_above_nasion_and_inion_and_outside_the_head(head) -> None:
    image, brain = head
    around = air_around(np.asarray(image.dataobj), brain, image.affine)
    assert not (around.head & around.air).any()
    assert (around.head & brain).sum() == brain.sum()
    low = nib.affines.apply_affine(image.affine, np.argwhere(around.air))[:, 2].min()
    assert low > -48
    assert summary(np.asarray(image.dataobj)[around.air]).mad == pytest.approx(13, rel=0.1)
    up = above_plane(image.shape, image.affine)
    assert up[45, 54, -1]
    assert not up[45, 54, 0]


def test_measures_see_a_ghost_in_the_air_and_noise(head) -> None:
    image, brain = head
    white = np.asarray(template("WM", resolution_mm=2.0).dataobj)
    assert white.ndim == 3
    data = np.asarray(image.dataobj)
    posterior = np.stack([(data > a) & (data < b) & brain for a, b in
                          ((600, 850), (900, 1100), (100, 500))]).astype(np.float32)  # fmt: skip

    def measures(values: np.ndarray) -> dict:
        t1w = nib.Nifti1Image(values.astype(np.float32), image.affine)
        tissues = tissue_summaries(values, posterior, (2, 2, 2))
        return mriqc_measures(t1w, brain, tissues, image.affine)

    plain = measures(data)
    noise = np.random.default_rng(2).normal(0, 100, data.shape)
    noisy = measures(np.abs(data + noise))
    assert noisy["snrd_total"] < 0.4 * plain["snrd_total"]
    assert noisy["cnr"] < 0.7 * plain["cnr"]
    assert noisy["cjv"] > plain["cjv"]
    assert plain["qi_1"] == 0
    bright = data.copy()
    bright[40:60, 40:60, -3:] += 400
    assert 0.001 < measures(bright)["qi_1"] < 0.05
    cut = measures(np.where(brain, data, 0))
    assert cut["snrd_total"] is None
    assert cut["qi_1"] is None


@pytest.mark.parametrize("shift", [2, 5, 30])
@pytest.mark.parametrize("share", [0.2, 0.3])
def test_a_displaced_copy_is_found_with_its_share_and_place(head, shift, share) -> None:
    image, _ = head
    data = np.asarray(image.dataobj)
    plain = spectrum(image)
    assert plain.ghost_percent < 15
    ghost = (1 - share) * data + share * np.roll(data, shift, axis=1)
    found = spectrum(nib.Nifti1Image(ghost, image.affine))
    assert found.ghost_voxels == shift
    assert found.ghost_percent == pytest.approx(100 * share, abs=6)


def test_one_bright_frequency_is_a_spike_and_blur_is_none(head) -> None:
    image, _ = head
    data = np.asarray(image.dataobj)
    wave = np.fft.fftn(data)
    wave[20, 30, 17] += 0.02 * wave[0, 0, 0]
    assert (
        spectrum(nib.Nifti1Image(np.abs(np.fft.ifftn(wave)).astype(np.float32), image.affine)).spike
        > 2.2
    )
    for values in (data, gaussian_filter(data, 1)):
        assert spectrum(nib.Nifti1Image(values, image.affine)).spike < 2.2


def test_constant_and_repeated_slices_are_counted(head) -> None:
    image, brain = head
    data = np.asarray(image.dataobj).copy()
    assert repeated_slices(image, brain) == 0
    data[:, :, 40:43] = 300
    data[:, 60] = data[:, 59]
    # The first constant slice differs from the one before it and counts as constant all the same.
    assert repeated_slices(nib.Nifti1Image(data, image.affine), brain) == 4


def test_a_cut_brain_is_wide_at_the_edge_and_a_whole_one_is_not(head) -> None:
    image, brain = head
    top = int(np.flatnonzero(brain.any(axis=(0, 1)))[-1]) - 17
    assert edge_area_cm2(image, brain) < EDGE_CM2
    ended = brain.copy()
    ended[:, :, top - 1 :] = False
    part = nib.Nifti1Image(np.asarray(image.dataobj)[:, :, :top], image.affine)
    assert edge_area_cm2(part, brain[:, :, :top]) > 50
    assert edge_area_cm2(part, ended[:, :, :top]) > 50
    empty = np.asarray(image.dataobj).copy()
    empty[:, :, top:] = 0
    assert edge_area_cm2(nib.Nifti1Image(empty, image.affine), brain) > 50
    stripped = nib.Nifti1Image(np.where(brain, np.asarray(image.dataobj), 0), image.affine)
    assert edge_area_cm2(stripped, brain) < EDGE_CM2
