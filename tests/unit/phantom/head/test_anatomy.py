"""The head: volumes that were asked for, deformations that do not fold, pose and labels."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.errors import ConfigError
from commissure.images.atlas import cortex_around, regions
from commissure.phantom.head import deformation
from commissure.phantom.head.anatomy import Anatomy, draw_anatomy
from commissure.phantom.head.tissue_maps import tissue_maps
from commissure.phantom.person import Person
from commissure.phantom.protocol import chosen_protocol

FACTORS = {
    "Hippocampus_L": 0.90,
    "Hippocampus_R": 0.95,
    "SFG_L": 0.93,
    "SFG_R": 1.08,
    "LateralVentricle_L": 1.60,
    "LateralVentricle_R": 0.75,
}


HEAD = 0.8


TINY = chosen_protocol("tiny")


def a_person(**factors: float) -> Person:
    markers = {("volume_factor", name): value for name, value in factors.items()}
    return Person("sub-01", "control", "A", 30.0, "F", frozenset(), markers, 0.1, 1)


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return draw_anatomy(a_person(**FACTORS, head=HEAD), TINY, np.random.default_rng(3))


@pytest.fixture(scope="module")
def in_template() -> dict[str, np.ndarray]:
    """Tissues before the deformation and labels of the atlas, on the template's own grid."""
    maps = {name: np.asanyarray(image.dataobj) for name, image in tissue_maps().items()}
    return maps | {"label": np.asanyarray(regions().image.dataobj)}


def test_structures_have_the_volumes_asked_for(head, in_template):
    groups = regions().groups("structure")
    for name, factor in FACTORS.items():
        if name.startswith("SFG"):
            near = np.isin(np.asanyarray(cortex_around().image.dataobj), groups[name])
            before = in_template["GM"][near].sum(dtype=float)
        else:
            before = np.isin(in_template["label"], groups[name]).sum()
        assert factor * HEAD * before == pytest.approx(head.truth["volume", name], rel=0.01)


def test_volumes_of_tissues_sum_to_the_head_asked_for(head, in_template):
    tissues = [head.truth["volume", name] for name in ("GM", "WM", "CSF")]
    assert sum(tissues) == pytest.approx(head.truth["volume", "TIV"], rel=1e-9)
    inside = sum(in_template[name].sum(dtype=float) for name in ("GM", "WM", "CSF"))
    assert HEAD * inside == pytest.approx(head.truth["volume", "TIV"], rel=1e-3)
    assert head.truth["tiv", "head"] == head.truth["volume", "TIV"]


def test_the_image_holds_the_tissue_that_the_truth_says(head):
    for name, image in (("GM", head.gm), ("WM", head.wm), ("CSF", head.csf)):
        seen = image.sum(dtype=float) * TINY.anat.voxel_mm**3
        assert head.truth["volume", name] == pytest.approx(seen, rel=0.005)


def test_labels_of_the_image_fill_their_true_volume(head, in_template):
    # Voxels of a label x the grey matter that such voxels hold in the template: coarse voxels
    # blur the tissue itself, so it cannot be counted where it lies.
    groups = regions().groups("structure")
    for pair in (("SFG_L", "SFG_R"), ("STG_L", "STG_R"), ("Insula_L", "Insula_R")):
        numbers = [i for name in pair for i in groups[name]]
        near = np.isin(np.asanyarray(cortex_around().image.dataobj), numbers)
        density = in_template["GM"][near].mean(dtype=float)
        label = deformation.labels_at(cortex_around().image, head.template_mm)
        counted = np.isin(label, numbers).sum() * TINY.anat.voxel_mm**3
        true = sum(head.truth["volume", name] for name in pair)
        assert true == pytest.approx(counted * density, rel=0.06)


def test_truth_depends_on_the_seed_and_not_on_the_resolution(head):
    coarse = TINY.changed({"anat.voxel_mm": 7.0})
    person = a_person(**FACTORS, head=HEAD)
    again, other = (draw_anatomy(person, coarse, np.random.default_rng(seed)) for seed in (3, 4))
    assert head.truth == again.truth
    assert again.gm.size < head.gm.size / 6
    assert head.truth["volume", "Thalamus_L"] != other.truth["volume", "Thalamus_L"]


def test_maps_are_fractions_and_the_skull_lies_outside(head):
    total = head.gm + head.wm + head.csf
    assert total.min() >= -1e-5
    assert total.max() <= 1 + 1e-5
    assert head.outside[total > 0.95].max() < 0.2
    assert head.outside.max() > 0.4
    assert set(regions().labels["index"]) - set(np.unique(head.regions)) == set()
    assert head.regions.dtype == np.int16


def test_what_cannot_be_reached_is_refused():
    with pytest.raises(ConfigError, match="SFG_L"):
        deformation.fitted_deformation(
            {"SFG_L": 12.0}, np.zeros((3, *deformation.GRID_SHAPE), np.float32), who="sub-01"
        )
    with pytest.raises(ConfigError, match="Cerebellum"):
        draw_anatomy(a_person(Cerebellum=0.9), TINY, np.random.default_rng(1))
