"""The atlases that come with the program."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.images.atlas import jhu189, schaefer


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
