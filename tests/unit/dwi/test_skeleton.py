"""Projection onto a skeleton, on sheets whose ridge is known."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import distance_transform_edt

from commissure.dwi.skeleton import (
    Skeleton,
    across_skeleton,
    projected,
    read_skeleton,
    skeleton_averages,
)
from commissure.dwi.skeleton_settings import SkeletonFiles
from commissure.errors import ConfigError

SHAPE = (40, 24, 24)


def sheet(x: float, height: float = 0.6, width: float = 1.5) -> np.ndarray:
    """A sheet of FA across x, highest at this place."""
    away = np.arange(SHAPE[0])[:, None, None] - x
    return np.broadcast_to(height * np.exp(-0.5 * (away / width) ** 2), SHAPE).copy()


def skeleton(*ridges: int) -> Skeleton:
    """The skeleton of sheets at these places."""
    fa = sum(sheet(x) for x in ridges)
    on = np.zeros(SHAPE, bool)
    on[list(ridges), 2:-2, 2:-2] = True
    voxels = np.argwhere(on)
    tracts = {f"ACR_{side}": voxels[:, 0] == x for side, x in zip("LR", ridges, strict=False)}
    return Skeleton(
        nib.Nifti1Image(fa.astype(np.float32), np.eye(4)), voxels,
        across_skeleton(fa, voxels), distance_transform_edt(~on), tracts,
    )  # fmt: skip


def test_the_way_across_a_sheet_is_found_on_its_ridge_and_beside_it() -> None:
    fa = sheet(20)
    for x in (18, 20, 22):
        across = across_skeleton(
            fa, np.argwhere(np.indices(SHAPE)[0] == x)[:50] * [1, 0, 0] + [0, 9, 9]
        )
        assert (np.abs(across) == [1, 0, 0]).all()
    tilted = np.fromfunction(lambda x, y, z: np.exp(-0.5 * ((x + y - 30) / 1.5) ** 2), SHAPE)
    on_ridge = np.array([[x, 30 - x, 12] for x in range(12, 18)])
    assert (across_skeleton(tilted, on_ridge) == [1, 1, 0]).all()


@pytest.mark.parametrize("shift", [-3, -1, 0, 2, 3])
def test_fa_is_taken_from_the_ridge_wherever_it_lies(shift: int) -> None:
    template = skeleton(20)
    person = sheet(20 + shift, height=0.5)
    place = np.indices(SHAPE)[0].astype(float)
    fa, others = projected(template, person, {"x": place})
    np.testing.assert_allclose(fa, 0.5, rtol=1e-6)
    # Other maps are read where FA was highest.
    np.testing.assert_array_equal(others["x"], 20 + shift)


def test_the_ridge_of_a_neighbouring_sheet_is_not_taken() -> None:
    template = skeleton(14, 24)
    person = sheet(14, 0.3) + sheet(24, 0.9)
    fa, _ = projected(template, person, {})
    assert fa[template.voxels[:, 0] == 14].max() < 0.32
    np.testing.assert_allclose(fa[template.voxels[:, 0] == 24], 0.9, rtol=0.01)


def test_a_nearer_voxel_is_preferred_to_a_hardly_higher_one_far_away() -> None:
    template = skeleton(20)
    person = sheet(20, 0.5) + sheet(32, 0.52)
    fa, _ = projected(template, person, {})
    np.testing.assert_allclose(fa, 0.5, rtol=0.01)


def test_averages_are_of_voxels_with_data_and_weighted() -> None:
    template = skeleton(14, 24)
    fa = np.where(template.voxels[:, 0] == 14, 0.4, 0.6)
    fa[template.tracts["ACR_L"].nonzero()[0][:100]] = 0.0
    found = skeleton_averages(template, fa, fa)
    assert found["ACR_L"].value == pytest.approx(0.4) and found["ACR_L"].voxels == 300
    assert found["ACR_R"].voxels == 400 and found["ACR"].voxels == found["WM"].voxels == 700
    assert found["ACR"].value == pytest.approx((300 * 0.4 + 400 * 0.6) / 700)


def written(folder: Path, **changes: nib.Nifti1Image) -> SkeletonFiles:
    """Template and labels: odd numbers (right) at positive x."""
    fa = sheet(12) + sheet(28)
    labels = np.zeros(SHAPE)
    labels[10:15], labels[26:31] = 24, 23
    on = np.isin(np.indices(SHAPE)[0], (12, 28))
    affine = np.array([[1.0, 0, 0, -20], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    images = {
        "template": nib.Nifti1Image((1e4 * fa).astype(np.float32), affine),
        "skeleton": nib.Nifti1Image(on.astype(np.float32), affine),
        "distance_map": nib.Nifti1Image(distance_transform_edt(~on).astype(np.float32), affine),
        "labels": nib.Nifti1Image(labels.astype(np.float32), affine),
    } | changes
    for name, image in images.items():
        nib.save(image, folder / f"{name}.nii.gz")
    return SkeletonFiles(**{name: str(folder / f"{name}.nii.gz") for name in images})


def test_files_are_read_with_fa_between_0_and_1(tmp_path: Path) -> None:
    read = read_skeleton(written(tmp_path))
    assert np.asanyarray(read.fa.dataobj).max() == pytest.approx(0.6, abs=0.01)
    assert read.voxels[read.tracts["ACR_L"], 0].tolist() == [12] * 576
    inner = ((read.voxels[:, 1:] > 0) & (read.voxels[:, 1:] < 23)).all(axis=1)
    assert (np.abs(read.across[inner]) == [1, 0, 0]).all()


def test_mirrored_labels_are_refused(tmp_path: Path) -> None:
    files = written(tmp_path)
    image = nib.load(files.labels)
    mirrored = nib.Nifti1Image(np.asanyarray(image.dataobj)[::-1].copy(), image.affine)
    with pytest.raises(ConfigError, match="right tracts lie at x = -"):
        read_skeleton(written(tmp_path, labels=mirrored))


def test_labels_beside_the_tracts_and_other_grids_are_refused(tmp_path: Path) -> None:
    image = nib.load(written(tmp_path).labels)
    beside = nib.Nifti1Image(np.roll(np.asanyarray(image.dataobj), 8, axis=0), image.affine)
    with pytest.raises(ConfigError, match="a mean FA of 0.0"):
        read_skeleton(written(tmp_path, labels=beside))
    smaller = nib.Nifti1Image(np.asanyarray(image.dataobj)[:-1], image.affine)
    folder = tmp_path / "grid"
    folder.mkdir()
    with pytest.raises(ConfigError, match="not on the grid of the template"):
        read_skeleton(written(folder, labels=smaller))


def test_the_four_files_belong_together() -> None:
    with pytest.raises(ValidationError, match="distance_map is missing"):
        SkeletonFiles(template="a", skeleton="b")
    assert SkeletonFiles().template == ""
