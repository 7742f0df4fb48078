"""Filters give the reference response maps of the second standardisation initiative."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.lesion.filters import laplacian_of_gaussian, laws, mean_filter

VOXEL = (2.0, 2.0, 2.0)
E5L5S5, E3W5R5, L5S5 = ("E5", "L5", "S5"), ("E3", "W5", "R5"), ("L5", "S5")
#: Response map: the phantom, and what is done with it.
MAPS = {
    "1_a_1": ("checkerboard", lambda x: mean_filter(x, 15, "zero")),
    "1_a_2": ("checkerboard", lambda x: mean_filter(x, 15, "nearest")),
    "1_a_3": ("checkerboard", lambda x: mean_filter(x, 15, "periodic")),
    "1_a_4": ("checkerboard", lambda x: mean_filter(x, 15, "mirror")),
    "1_b_1": ("impulse", lambda x: mean_filter(x, 15, "zero", axes=2)),
    "2_a": ("impulse", lambda x: laplacian_of_gaussian(x, 3, VOXEL, "zero")),
    "2_b": ("checkerboard", lambda x: laplacian_of_gaussian(x, 5, VOXEL, "mirror")),
    "2_c": ("checkerboard", lambda x: laplacian_of_gaussian(x, 5, VOXEL, "mirror", axes=2)),
    "3_a_1": ("impulse", lambda x: laws(x, E5L5S5, "zero")),
    "3_b_3": (
        "checkerboard",
        lambda x: laws(x, E3W5R5, "mirror", any_direction=True, energy_voxels=7),
    ),
    "3_c_1": ("checkerboard", lambda x: laws(x, L5S5, "mirror")),
    "3_c_2": ("checkerboard", lambda x: laws(x, L5S5, "mirror", any_direction=True)),
    "3_c_3": (
        "checkerboard",
        lambda x: laws(x, L5S5, "mirror", any_direction=True, energy_voxels=7),
    ),
}


@pytest.mark.real
@pytest.mark.parametrize("name", MAPS)
def test_the_response_map_of_the_initiative(shared_data, name):
    folder = shared_data / "oncology/ibsi2"
    phantom, filtered = MAPS[name]
    file = folder / "digital_phantom" / phantom / f"image/{phantom}.nii.gz"
    data = np.asanyarray(nib.load(file).dataobj).astype(float)
    reference = nib.load(folder / f"reference_response_maps/{name}-ValidCRM.nii.gz")
    expected = np.asanyarray(reference.dataobj).astype(float)
    # The initiative allows 1 % of the range.
    assert np.abs(filtered(data) - expected).max() < 0.001 * np.ptp(expected)


def test_a_blob_is_found_at_its_own_scale():
    grid = np.indices((31, 31, 31)) - 15
    blob = np.exp(-(grid**2).sum(axis=0) / (2 * 3.0**2))
    found = {
        sigma: -laplacian_of_gaussian(blob, sigma, (1, 1, 1), "nearest")[15, 15, 15] * sigma**2
        for sigma in (1.0, 1.8, 2.4, 3.0, 4.0, 8.0)
    }
    assert max(found, key=found.get) == 2.4  # 3 times the root of 2/3
