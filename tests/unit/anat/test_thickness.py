"""Thickness of sheets whose thickness is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from commissure.anat.cortical_lines import CorticalLines, cortical_lines, relative_brightness
from commissure.anat.figures import draw_thickness
from commissure.anat.thickness import (
    CorticalThickness,
    cortical_thickness,
    coverage,
    implausible,
    regional_thickness,
    template_places,
    thickness_checks,
    thickness_map,
)
from commissure.images.atlas import cortex_around, desikan_killiany
from commissure.markers.effect_patterns import effect_pattern
from commissure.markers.trait_regions import trait_regions

FINE = 4
EYE = np.eye(4)


def shares(radius: np.ndarray, inner: float, outer: float) -> np.ndarray:
    """(3, X, Y, Z) GM between two radii, WM inside, from a four times finer grid."""

    def mean(values: np.ndarray) -> np.ndarray:
        x, y, z = (n // FINE for n in values.shape)
        return values.reshape(x, FINE, y, FINE, z, FINE).mean(axis=(1, 3, 5))

    parts = ((radius > inner) & (radius <= outer), radius <= inner, radius > outer)
    return np.stack([mean(part) for part in parts]).astype(np.float32)


def level_of(tissues: np.ndarray) -> np.ndarray:
    """(X, Y, Z) 1 in white matter, 0 in cortex, -1 in fluid."""
    return tissues[1] - tissues[2]


def places(count: int) -> np.ndarray:
    return (np.arange(count * FINE) + 0.5) / FINE - count / 2


def ball_radius(count: int) -> np.ndarray:
    x = places(count)
    return np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)


def mean_of(lines: CorticalLines, within: tuple[slice, ...] = (slice(None),) * 3) -> float:
    """Mean thickness of the lines that start in a part of the grid, by area."""
    voxel = lines.start / lines.voxel_mm
    low = [part.start or 0 for part in within]
    high = [part.stop or np.inf for part in within]
    chosen = ((voxel >= low) & (voxel < high)).all(axis=1) & np.isfinite(lines.thickness_mm)
    return float(np.average(lines.thickness_mm[chosen], weights=lines.area_mm2[chosen]))


def test_a_shell_is_as_thick_as_it_was_made() -> None:
    measured = []
    for thick in (2.0, 2.5, 3.0):
        lines = cortical_lines(level_of(shares(ball_radius(40), 13.0, 13.0 + thick)), EYE)
        assert lines.area_mm2.sum() == pytest.approx(4 * np.pi * 13**2, rel=0.03)
        measured.append(mean_of(lines))
        assert measured[-1] == pytest.approx(thick, rel=0.05)
    for one, two in pairwise(measured):
        assert two - one == pytest.approx(0.5, rel=0.1)


def test_noise_does_not_thin_the_cortex() -> None:
    level = level_of(shares(ball_radius(40), 13.0, 15.5))
    noisy = level + np.random.default_rng(2).normal(0, 0.2, level.shape)
    clean, spoilt = (mean_of(cortical_lines(each, EYE)) for each in (level, noisy))
    assert spoilt == pytest.approx(clean, rel=0.03)


def test_large_voxels_along_one_axis_change_little() -> None:
    radius = ball_radius(40)
    flat = shares(radius, 13.0, 15.5).reshape(3, 40, 40, 20, 2).mean(axis=4)
    lines = cortical_lines(level_of(flat), np.diag([0.5, 0.5, 1.0, 1]))
    assert lines.area_mm2.sum() == pytest.approx(np.pi * 13**2, rel=0.05)
    assert mean_of(lines) == pytest.approx(1.25, rel=0.15)


@pytest.mark.parametrize("gap_mm", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("voxel_mm", [0.8, 1.0])
def test_banks_that_touch_are_not_one_sheet(gap_mm: float, voxel_mm: float) -> None:
    """A sulcus between two banks of 2.5 mm, with or without fluid that is seen."""
    from_middle = np.abs(places(24) * voxel_mm + 0.13)
    x = np.broadcast_to(from_middle[:, None, None], (24 * FINE,) * 3)
    outside_in = shares(-x, -(gap_mm / 2 + 2.5), -gap_mm / 2)
    lines = cortical_lines(level_of(outside_in), np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0]))
    inner = (slice(None), slice(8, 16), slice(8, 16))
    assert mean_of(lines, inner) == pytest.approx(2.5, abs=0.25)


def test_regions_are_read_in_the_template_and_empty_ones_are_missing() -> None:
    """All cortex lies at one place of the left superior frontal gyrus."""
    lines = cortical_lines(level_of(shares(ball_radius(20), 5.0, 7.5)), EYE)
    coordinates = np.broadcast_to(np.array([-12.0, 36.0, 48.0], np.float32), (20, 20, 20, 3))
    means = regional_thickness(lines, template_places(lines, coordinates))
    assert np.isnan(means["superiorfrontal_L"]), "most of the gyrus lies elsewhere"
    assert means["cortex_L"] == pytest.approx(2.5, abs=0.25)
    assert np.isnan(means["cortex_R"]) and np.isnan(means["insula_L"])


def test_a_region_has_a_thickness_where_half_of_it_is_covered() -> None:
    """Lines at every voxel of the template's cortex, then without those of the upper part."""
    atlas = desikan_killiany()
    data = np.asanyarray(atlas.image.dataobj)
    places = nib.affines.apply_affine(atlas.image.affine, np.argwhere(data))
    ones = np.ones(len(places))
    lines = CorticalLines(places, places, ones, 2.5 * ones, np.ones(3))
    assert set(coverage(lines, places).values()) == {1.0}
    assert regional_thickness(lines, places)["paracentral_R"] == 2.5
    cut = replace(lines, thickness_mm=np.where(places[:, 2] > 40, np.nan, 2.5))
    covered = coverage(cut, places)
    assert covered["paracentral_R"] < 0.1 and covered["insula_L"] == 1
    assert 0.8 < np.mean([*covered.values()]) < 0.9
    means = regional_thickness(cut, places)
    assert np.isnan(means["paracentral_R"]) and means["insula_L"] == 2.5


def test_the_map_has_the_thickness_where_the_cortex_is() -> None:
    tissues = shares(ball_radius(40), 13.0, 15.5)
    lines = cortical_lines(level_of(tissues), EYE)
    gyrus = np.where(lines.start[:, :1] > 19, [-12.0, 36.0, 48.0], np.nan)
    image = thickness_map(lines, level_of(tissues), gyrus)
    assert not image[:18].any()
    image, tissues = image[22:], tissues[:, 22:]
    assert np.mean(image[tissues[0] > 0.9]) == pytest.approx(2.5, rel=0.05)
    assert not image[(tissues[0] < 0.1)].any()


def test_regions_have_names_that_the_vulnerability_index_knows() -> None:
    names = ["cortex_L", "cortex_R", *cortex_around().groups("name")]
    pattern = effect_pattern("thickness", "schizophrenia")
    known = trait_regions(names, pattern, "thickness")
    assert set(known) == set(pattern.traits)
    assert known["superiorfrontal"] == ("superiorfrontal_L", "superiorfrontal_R")


def thickness(left: float, right: float, *, regions: int = 68, covered: float = 1.0):
    values = {f"region{k}": 2.5 if k < regions else np.nan for k in range(68)}
    sides = {"cortex_L": left, "cortex_R": right}
    return CorticalThickness(values | sides, covered, np.zeros((2, 2, 2)))


def test_what_no_cortex_can_be_is_flagged() -> None:
    assert not implausible(thickness_checks(thickness(2.5, 2.6)))
    for bad in (
        thickness(4.4, 2.6),
        thickness(np.nan, 2.6),
        thickness(2.5, 2.6, regions=67),
        thickness(2.5, 2.6, covered=0.8),
    ):
        assert implausible(thickness_checks(bad))


INNER = (slice(4, 20), slice(8, 16), slice(8, 16))


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
    lines = cortical_lines(level_of(folded(gap_mm, blade_mm)), EYE)
    assert mean_of(lines, INNER) == pytest.approx(2.5, abs=0.25)


def with_pure(tissues: np.ndarray) -> np.ndarray:
    """Tissues with a slab of each one alone beside them, to learn from."""
    pure = np.zeros((3, 12, *tissues.shape[2:]), np.float32)
    for tissue in range(3):
        pure[tissue, 4 * tissue : 4 * tissue + 4] = 1
    return np.concatenate([tissues, pure], axis=1)


def test_thin_blades_that_the_maps_blur_are_seen_in_the_image() -> None:
    true = folded(1.0, 1.3)
    blurred = np.stack([gaussian_filter(part, 1.5, mode="nearest") for part in true])
    level = relative_brightness(image_of(with_pure(true)), with_pure(blurred), None, EYE)
    assert mean_of(cortical_lines(level[:24], EYE), INNER) == pytest.approx(2.5, abs=0.25)
    assert not np.isfinite(cortical_lines(level_of(blurred), EYE).thickness_mm).any()


def test_brightness_that_differs_from_place_to_place_is_no_thickness() -> None:
    tissues = with_pure(shares(ball_radius(40), 13.0, 15.5))
    shaded = image_of(tissues) * np.linspace(0.97, 1.03, 40)[:, None]
    even, uneven = (
        mean_of(cortical_lines(relative_brightness(t1w, tissues, None, EYE)[:40], EYE))
        for t1w in (image_of(tissues), shaded)
    )
    assert uneven == pytest.approx(even, rel=0.02)


def test_dura_beyond_fluid_is_no_cortex() -> None:
    posterior = np.zeros((3, 9, 3, 3), np.float32)
    posterior[1, :3] = posterior[0, 3:6] = posterior[2, 6:] = 1
    t1w = image_of(posterior)
    t1w[8] = 98
    assert relative_brightness(t1w, posterior, None, EYE)[8].max() == -1


def test_a_bright_sheet_beside_the_brain_is_no_white_matter() -> None:
    level = level_of(shares(ball_radius(40), 13.0, 15.5))
    clean = cortical_lines(level, EYE)
    level[38, 5:35, 5:35] = 1
    assert np.array_equal(cortical_lines(level, EYE).start, clean.start)


def test_an_image_in_which_fluid_is_brightest_has_no_thickness_and_is_flagged() -> None:
    posterior = shares(ball_radius(20), 5.0, 7.5)
    coordinates = np.broadcast_to(np.array([-12.0, 36.0, 48.0], np.float32), (20, 20, 20, 3))
    seen = cortical_thickness(200 - image_of(posterior), posterior, None, EYE, coordinates)
    assert np.isnan(seen.regions["cortex_L"]) and not seen.image.any()
    assert implausible(thickness_checks(seen))


def test_the_figure_has_colours_where_the_cortex_is_and_grey_elsewhere(monkeypatch) -> None:
    posterior = shares(ball_radius(40), 13.0, 15.5)
    t1w = nib.Nifti1Image(image_of(posterior) * (posterior[2] < 0.5), EYE)
    drawn = []
    monkeypatch.setattr(
        "commissure.anat.figures.draw_slices", lambda row, data, *args, **kw: drawn.append(data)
    )
    lines = cortical_lines(level_of(posterior), EYE)
    gyrus = np.broadcast_to(np.array([-12.0, 36.0, 48.0]), lines.start.shape)
    image = thickness_map(lines, level_of(posterior), gyrus)
    draw_thickness(t1w, image, title="sub-01")
    coloured = np.ptp(drawn[0], axis=-1) > 0.05
    assert np.array_equal(coloured, image > 0)
