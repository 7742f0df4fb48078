"""The head: volumes that were asked for, deformations that do not fold, pose and labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.errors import ConfigError
from commissure.images.atlas import jhu189
from commissure.images.template import template
from commissure.phantom import deformation
from commissure.phantom.anatomy import Anatomy, draw_anatomy
from commissure.phantom.person import PRESETS, Person

FACTORS = {
    "Hippocampus_L": 0.90,
    "Hippocampus_R": 0.95,
    "SFG_L": 0.93,
    "SFG_R": 1.08,
    "LateralVentricle_L": 1.60,
    "LateralVentricle_R": 0.75,
}
HEAD = 0.8
TINY = PRESETS["tiny"]


def a_person(**factors: float) -> Person:
    markers = {("volume_factor", name): value for name, value in factors.items()}
    return Person("sub-01", "control", "A", 30.0, "F", frozenset(), markers, 0.1, 1)


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return draw_anatomy(a_person(**FACTORS, head=HEAD), TINY, np.random.default_rng(3))


def test_structures_have_the_volumes_asked_for(head):
    gm = template("GM")
    label = jhu189().on_grid(gm.shape, gm.affine)
    groups = jhu189().groups("structure")
    for name, factor in FACTORS.items():
        tissue = template("CSF" if name.startswith("Lateral") else "GM").get_fdata()
        in_template = tissue[np.isin(label, groups[name])].sum()
        assert factor * HEAD * in_template == pytest.approx(head.truth["volume", name], rel=0.01)


def test_volumes_of_tissues_sum_to_the_head_asked_for(head):
    tissues = [head.truth["volume", name] for name in ("GM", "WM", "CSF")]
    assert sum(tissues) == pytest.approx(head.truth["volume", "TIV"], rel=1e-9)
    inside = sum(template(name).get_fdata().sum() for name in ("GM", "WM", "CSF"))
    assert HEAD * inside == pytest.approx(head.truth["volume", "TIV"], rel=1e-3)
    assert head.truth["tiv", "head"] == head.truth["volume", "TIV"]


def test_the_image_holds_the_tissue_that_the_truth_says(head):
    for name, image in (("GM", head.gm), ("WM", head.wm), ("CSF", head.csf)):
        seen = image.sum(dtype=float) * TINY.t1w_mm**3
        assert head.truth["volume", name] == pytest.approx(seen, rel=0.005)


def test_structures_of_the_image_have_their_true_volume(head):
    # A structure's own voxels at 3 mm: the sum over label x tissue keeps what partial volume takes
    # across the label's border, so only the large ones are compared.
    groups = jhu189().groups("structure")
    for names in (("SFG_L", "SFG_R"), ("STG_L", "STG_R"), ("Insula_L", "Insula_R")):
        voxels = np.isin(head.jhu, [i for name in names for i in groups[name]])
        counted = voxels.sum() * TINY.t1w_mm**3
        gm = template("GM")
        label = jhu189().on_grid(gm.shape, gm.affine)
        share = np.isin(label, [i for name in names for i in groups[name]])
        density = gm.get_fdata()[share].mean()
        true = sum(head.truth["volume", name] for name in names)
        assert true == pytest.approx(counted * density, rel=0.06)


def test_truth_does_not_depend_on_the_resolution(head):
    coarse = draw_anatomy(
        a_person(**FACTORS, head=HEAD), replace(TINY, t1w_mm=5.0), np.random.default_rng(3)
    )
    assert coarse.truth == head.truth
    assert coarse.gm.size < head.gm.size / 4


def test_the_same_seed_gives_the_same_head_and_another_gives_another(head):
    protocol = replace(TINY, t1w_mm=6.0)
    person = a_person(Hippocampus_L=0.95)
    one, again, other = (
        draw_anatomy(person, protocol, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(one.template_mm, again.template_mm)
    assert one.truth == again.truth
    assert one.truth["volume", "Thalamus_L"] != other.truth["volume", "Thalamus_L"]


def test_maps_are_fractions_and_the_skull_lies_outside(head):
    total = head.gm + head.wm + head.csf
    assert total.min() >= -1e-5
    assert total.max() <= 1 + 1e-5
    assert head.outside[total > 0.95].max() < 0.2
    assert head.outside.max() > 0.4
    assert set(np.unique(head.schaefer)) == set(range(101))
    assert head.jhu.dtype == head.schaefer.dtype == np.int16


def test_flow_of_a_uniform_expansion_is_exact():
    # v = a x has the flow exp(a) x, with Jacobian exp(3 a), as long as the grid's edge is far away.
    rate = 0.1
    centre = (np.array(deformation.GRID_SHAPE) - 1) / 2 * deformation.GRID_MM
    index = np.indices(deformation.GRID_SHAPE, dtype=np.float32) * deformation.GRID_MM
    away = index - centre[:, None, None, None].astype(np.float32)
    displacement = deformation.exponential(rate * away, squarings=8)
    middle = (slice(12, -12),) * 3
    expected = (np.exp(rate) - 1) * away
    assert np.abs(displacement - expected)[:, *middle].max() < 0.02
    jacobian = deformation.jacobian_determinant(displacement)
    assert np.exp(3 * rate) == pytest.approx(jacobian[middle].mean(), rel=1e-3)


def test_deformations_do_not_fold_and_their_inverse_is_one():
    velocity = deformation.random_velocity(np.random.default_rng(0))
    assert velocity.std() == pytest.approx(deformation.DEFORMATION_SD_MM, rel=0.25)
    warp = deformation.fitted_deformation(FACTORS, velocity)
    assert deformation.jacobian_determinant(warp.displacement).min() > 0.1
    middle = (slice(None), *(slice(4, -4),) * 3)
    there_and_back = warp.inverse + deformation._at_displaced(warp.displacement, warp.inverse)
    assert np.abs(there_and_back[middle]).max() < 0.5
    assert np.sqrt((there_and_back[middle] ** 2).mean()) < 0.01


def test_what_cannot_be_reached_is_refused():
    with pytest.raises(ConfigError, match="SFG_L"):
        deformation.fitted_deformation(
            {"SFG_L": 12.0}, np.zeros((3, *deformation.GRID_SHAPE), np.float32), who="sub-01"
        )
    with pytest.raises(ConfigError, match="Cerebellum"):
        draw_anatomy(a_person(Cerebellum=0.9), TINY, np.random.default_rng(1))
