"""Thickness of sheets whose thickness is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from commissure.anat.thickness import (
    implausible,
    intensity_shares,
    regional_thickness,
    thickness_checks,
    thickness_map,
)

FINE = 4


def shares(radius: np.ndarray, inner: float, outer: float) -> np.ndarray:
    """(3, X, Y, Z) GM between two radii, WM inside, from a four times finer grid."""

    def mean(values: np.ndarray) -> np.ndarray:
        x, y, z = (n // FINE for n in values.shape)
        return values.reshape(x, FINE, y, FINE, z, FINE).mean(axis=(1, 3, 5))

    parts = ((radius > inner) & (radius <= outer), radius <= inner, radius > outer)
    return np.stack([mean(part) for part in parts]).astype(np.float32)


def places(count: int) -> np.ndarray:
    return (np.arange(count * FINE) + 0.5) / FINE - count / 2


def test_a_shell_is_as_thick_as_it_was_made() -> None:
    x = places(40)
    radius = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
    measured = []
    for thick in (2.0, 2.5, 3.0):
        posterior = shares(radius, 13.0, 13.0 + thick)
        found = thickness_map(posterior, np.eye(4))
        there = found > 0
        measured.append(np.average(found[there], weights=posterior[0][there]))
        assert measured[-1] == pytest.approx(thick, rel=0.05)
    for one, two in pairwise(measured):
        assert two - one == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("gap_mm", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("voxel_mm", [0.8, 1.0])
def test_banks_that_touch_are_not_one_sheet(gap_mm: float, voxel_mm: float) -> None:
    """A sulcus between two banks of 2.5 mm, with or without fluid that is seen."""
    from_middle = np.abs(places(24) * voxel_mm + 0.13)
    x = np.broadcast_to(from_middle[:, None, None], (24 * FINE,) * 3)
    outside_in = shares(-x, -(gap_mm / 2 + 2.5), -gap_mm / 2)
    found = thickness_map(outside_in, np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0]))
    bank = found[:, 8:16, 8:16]
    assert bank[bank > 0].mean() == pytest.approx(2.5, abs=0.25)


def test_regions_are_read_in_the_template_and_empty_ones_are_missing() -> None:
    """All cortex lies at one place of the left superior frontal gyrus."""
    x = places(20)
    radius = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
    posterior = shares(radius, 5.0, 7.5)
    found = thickness_map(posterior, np.eye(4))
    coordinates = np.broadcast_to(np.array([-12.0, 36.0, 48.0], np.float32), (20, 20, 20, 3))
    means = regional_thickness(found, posterior, coordinates)
    assert means["superiorfrontal_L"] == pytest.approx(2.5, abs=0.25)
    assert means["cortex_L"] == means["superiorfrontal_L"]
    assert np.isnan(means["superiorfrontal_R"]) and np.isnan(means["insula_L"])


def test_what_no_cortex_can_be_is_flagged() -> None:
    assert not implausible(thickness_checks({"cortex_L": 2.5, "cortex_R": 2.6}))
    assert implausible(thickness_checks({"cortex_L": 4.4, "cortex_R": 2.6}))
    assert implausible(thickness_checks({"cortex_L": float("nan"), "cortex_R": 2.6}))
    assert thickness_checks({}) == []


def folded(gap_mm: float, blade_mm: float) -> np.ndarray:
    """(3, 24, 24, 24) cortex of 2.5 mm in sheets: blades of white matter between sulci."""
    period = gap_mm + blade_mm + 2 * 2.5
    within = np.abs((places(24) + 0.13 + period / 2) % period - period / 2)
    x = np.broadcast_to(within[:, None, None], (24 * FINE,) * 3)
    return shares(x, blade_mm / 2, blade_mm / 2 + 2.5)


def image_of(tissues: np.ndarray) -> np.ndarray:
    return 98 * tissues[0] + 128 * tissues[1] + 33 * tissues[2]


@pytest.mark.parametrize("blade_mm", [1.3, 2.0, 3.0])
@pytest.mark.parametrize("gap_mm", [0.3, 0.6, 1.0])
def test_blades_and_sulci_do_not_thicken_what_lies_between(gap_mm: float, blade_mm: float) -> None:
    found = thickness_map(folded(gap_mm, blade_mm), np.eye(4))[4:20, 8:16, 8:16]
    assert found[found > 0].mean() == pytest.approx(2.5, abs=0.25)


def test_thin_blades_that_the_maps_blur_are_seen_in_the_image() -> None:
    true = folded(1.0, 1.3)
    blurred = np.stack([gaussian_filter(part, 1.5, mode="nearest") for part in true])
    pure = np.zeros((3, 12, 24, 24), np.float32)
    for tissue in range(3):
        pure[tissue, 4 * tissue : 4 * tissue + 4] = 1
    posterior = np.concatenate([blurred, pure], axis=1)
    t1w = image_of(np.concatenate([true, pure], axis=1))
    seen = thickness_map(intensity_shares(t1w, posterior, None)[:, :24], np.eye(4))
    inner = seen[4:20, 8:16, 8:16]
    assert inner[inner > 0].mean() == pytest.approx(2.5, abs=0.25)
    assert not thickness_map(blurred, np.eye(4)).any()


def test_dura_beyond_fluid_is_no_cortex() -> None:
    posterior = np.zeros((3, 9, 3, 3), np.float32)
    posterior[1, :3] = posterior[0, 3:6] = posterior[2, 6:] = 1
    t1w = image_of(posterior)
    t1w[8] = 98
    assert intensity_shares(t1w, posterior, None)[2, 8].min() == 1


def test_an_image_in_which_fluid_is_brightest_has_no_thickness_and_is_flagged() -> None:
    x = places(20)
    radius = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
    posterior = shares(radius, 5.0, 7.5)
    seen = intensity_shares(200 - image_of(posterior), posterior, None)
    thickness = thickness_map(seen, np.eye(4))
    coordinates = np.broadcast_to(np.array([-12.0, 36.0, 48.0], np.float32), (20, 20, 20, 3))
    means = regional_thickness(thickness, seen, coordinates)
    assert np.isnan(means["cortex_L"])
    assert implausible(thickness_checks(means))
