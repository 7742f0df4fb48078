"""Quality figures with known values."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.func.quality import (
    VERTEX_COVERAGE_MIN,
    dice,
    series_checks,
    template_mask_on,
    temporal_snr,
    vertex_coverage,
)
from commissure.images.template import template


def test_temporal_snr_of_known_noise_is_not_fooled_by_drift():
    rng = np.random.default_rng(6)
    series = rng.normal(1000, 20, (500, 200)) + np.linspace(-100, 100, 200)
    assert np.median(temporal_snr(series)) == pytest.approx(50, rel=0.02)
    assert np.isnan(temporal_snr(np.ones((1, 30)))).all()


def test_dice_of_half_overlap():
    one, other = np.zeros(40, bool), np.zeros(40, bool)
    one[:20], other[10:30] = True, True
    assert dice(one, other) == 0.5
    assert dice(one, one) == 1.0


def test_template_mask_agrees_between_grids():
    fine, coarse = template("mask", resolution_mm=2), template("mask", resolution_mm=4)
    volumes = [
        template_mask_on(image.shape, image.affine).sum() * size**3
        for image, size in ((fine, 2), (coarse, 4))
    ]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.02)


def test_a_field_map_that_was_refused_flags_the_run():
    head = template("T1w", resolution_mm=4)
    checks = {c.name: c for c in series_checks(head, {"FieldMapsRefused": ["sub-01_phasediff"]})}
    assert checks["field_maps_refused"].passed is False
    assert "sub-01_phasediff" in checks["field_maps_refused"].note
    assert "field_maps_refused" not in {c.name for c in series_checks(head, {})}


@pytest.mark.parametrize(("cut_mm", "low", "high"), [(0, 1, 1), (10, 0.8, 0.9), (15, 0.6, 0.75)])
def test_a_field_of_view_that_misses_the_vertex_is_seen(cut_mm, low, high):
    mask = template("mask", resolution_mm=3)
    inside = np.asanyarray(mask.dataobj) > 0.5
    height = np.arange(mask.shape[2]) * mask.affine[2, 2] + mask.affine[2, 3]
    top = height[inside.any(axis=(0, 1))].max()
    inside = inside & (height <= top - cut_mm)
    covered = vertex_coverage(nib.Nifti1Image(inside.astype(np.uint8), mask.affine))
    assert low <= covered <= high
    assert (covered >= VERTEX_COVERAGE_MIN) == (cut_mm < 15)
