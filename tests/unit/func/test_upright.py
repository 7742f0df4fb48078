"""A head that lies upside down or back to front is told from an upright one."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.func.quality import series_checks
from commissure.func.upright import turned_over
from commissure.images.template import template


def _boldref(turn: tuple[int, int, int] = (1, 1, 1)) -> nib.Nifti1Image:
    """Contrast of BOLD made of the template's tissues, turned over about the brain's centre."""
    grey, white, fluid = (
        np.asanyarray(template(name, resolution_mm=4).dataobj) for name in ("GM", "WM", "CSF")
    )
    data = 800 * grey + 650 * white + 900 * fluid
    data = data + np.random.default_rng(0).normal(20, 5, data.shape)
    turned = data[tuple(slice(None, None, step) for step in turn)]
    # The brain does not lie in the middle of the grid.
    turned = np.roll(turned, (-2 * (turn[1] < 0), -8 * (turn[2] < 0)), axis=(1, 2))
    return nib.Nifti1Image(turned.astype(np.float32), template("GM", resolution_mm=4).affine)


def test_an_upright_head_passes():
    gain, _ = turned_over(_boldref())
    assert gain < -0.15
    (check,) = series_checks(_boldref(), {})
    assert check.passed is True


@pytest.mark.parametrize(
    ("turn", "name"),
    [((1, 1, -1), "upside down"), ((1, -1, 1), "back to front"), ((1, -1, -1), "both")],
)
def test_a_head_that_was_turned_over_is_flagged(turn, name):
    gain, found = turned_over(_boldref(turn))
    assert (gain > 0.1, found) == (True, name)
    check = series_checks(_boldref(turn), {})[0]
    assert (check.name, check.passed) == ("turned_over_gain", False)
    assert name in check.note


def test_a_mean_volume_that_shows_nothing_fails():
    image = nib.Nifti1Image(np.zeros((30, 30, 30), np.float32), np.diag([5.0, 5, 5, 1]))
    assert series_checks(image, {})[0].passed is False


def test_volumes_that_repeat_are_flagged():
    checks = {check.name: check for check in series_checks(_boldref(), {"IdenticalVolumes": 31})}
    assert checks["identical_volumes"].passed is False
    checks = {check.name: check for check in series_checks(_boldref(), {"IdenticalVolumes": 0})}
    assert checks["identical_volumes"].passed is True
