from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from commissure.anat.volumes import structure_volumes, template_coordinates, tissue_volumes
from commissure.images.atlas import Atlas
from commissure.images.transforms import write_affine

#: Radius in mm of a grey ball with a fluid ball inside it.
OUTER_MM, INNER_MM = 14.0, 8.0


@pytest.fixture
def balls(ball) -> tuple[Atlas, dict[str, nib.Nifti1Image]]:
    """An atlas of 1 mm: a ball of fluid (label 2) in a shell of grey matter (label 1)."""
    shape, centre = (60, 60, 60), (30, 30, 30)
    outer, inner = ball(shape, centre, OUTER_MM), ball(shape, centre, INNER_MM)
    affine = np.eye(4)
    affine[:3, 3] = -30.0
    label = np.where(inner >= 0.5, 2, np.where(outer >= 0.5, 1, 0)).astype(np.int16)
    table = pd.DataFrame({"index": [1, 2], "tissue": ["GM", "CSF"], "structure": ["Shell", "Core"]})
    maps = {"GM": outer - inner, "CSF": inner, "WM": 1 - outer}
    return Atlas("balls", "MNI", nib.Nifti1Image(label, affine), table), {
        name: nib.Nifti1Image(values, affine) for name, values in maps.items()
    }


def _sphere_mm3(radius_mm: float) -> float:
    return 4 / 3 * np.pi * radius_mm**3


@pytest.mark.parametrize("voxel_mm", [1.0, 2.5])
@pytest.mark.parametrize("scale", [1.0, 1.1])
def test_volumes_of_balls_are_label_times_tissue(balls, voxel_mm: float, scale: float) -> None:
    """The person is the atlas, ``scale`` times as large, seen in voxels of ``voxel_mm``."""
    from commissure.images.grid import coarser

    atlas, maps = balls
    enlarge = np.diag([scale, scale, scale, 1.0])
    large = [
        nib.Nifti1Image(np.asarray(maps[t].dataobj), enlarge @ maps[t].affine)
        for t in ("GM", "WM", "CSF")
    ]
    seen = [coarser(image, voxel_mm) for image in large]
    affine = seen[0].affine
    posterior = np.stack([np.asarray(image.dataobj) for image in seen])
    voxels = np.moveaxis(np.indices(posterior.shape[1:]), 0, -1)
    coordinates = (nib.affines.apply_affine(affine, voxels) / scale).astype(np.float32)
    found = structure_volumes(posterior, coordinates, affine, atlas, maps)
    # By definition label x tissue: the soft rim beyond a label's hard edge belongs to nobody.
    label = np.asarray(atlas.image.dataobj)
    expected = {
        name: float(np.asarray(maps[tissue].dataobj)[label == index].sum()) * scale**3
        for index, name, tissue in ((1, "Shell", "GM"), (2, "Core", "CSF"))
    }
    assert expected["Core"] == pytest.approx(_sphere_mm3(INNER_MM) * scale**3, rel=0.06)
    assert found == {name: pytest.approx(value, rel=0.02) for name, value in expected.items()}


def test_a_voxel_half_of_each_tissue_counts_half() -> None:
    posterior = np.zeros((3, 4, 4, 4), np.float32)
    posterior[0], posterior[2] = 0.5, 0.5
    found = tissue_volumes(posterior, np.diag([2.0, 2.0, 2.0, 1.0]))
    assert found == pytest.approx({"GM": 256.0, "WM": 0.0, "CSF": 256.0, "TIV": 512.0})


def test_coordinates_follow_the_transform(tmp_path) -> None:
    matrix = np.eye(4)
    matrix[:3, 3] = 4.0, -6.0, 2.0
    transform = write_affine(matrix, tmp_path / "xfm.mat")
    affine = np.diag([-3.0, 3.0, 3.0, 1.0])
    image = nib.Nifti1Image(np.ones((5, 6, 7), np.float32), affine)
    found = template_coordinates(image, transform)
    assert found[1, 2, 3] == pytest.approx([-3 + 4, 6 - 6, 9 + 2], abs=1e-3)
