"""Images that are read as they were written, or refused in one sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.images.load import load_image, same_grid, save_image, voxel_volume_mm3

OBLIQUE = np.array([[-2.0, 0.1, 0, 40], [0.1, 2.0, 0.2, -60], [0, -0.2, 2.5, -30], [0, 0, 0, 1]])


def _write(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def _ramp(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.where(_ramp((4, 4, 4)) == 7, np.nan, 1.0), "1 voxels that are NaN or infinite"),
        (np.ones((4, 4, 4)), "every voxel .* is 1"),
        (_ramp((4, 4)), r"2 dimensions \(4, 4\)"),
        (_ramp((4, 4, 4, 3)), r"4 dimensions \(4, 4, 4, 3\)"),
    ],
)
def test_an_image_that_cannot_be_used_is_told_in_one_sentence(tmp_path, data, words: str) -> None:
    path = _write(tmp_path / "x.nii.gz", data.astype(np.float32))
    with pytest.raises(DatasetError, match=f"sub-01: x.nii.gz has {words}|sub-01: {words}"):
        load_image(path, who="sub-01", ndim=3)


def test_a_truncated_file_is_told_from_an_absent_one(tmp_path) -> None:
    whole = _write(tmp_path / "whole.nii.gz", _ramp((20, 20, 20)))
    (tmp_path / "half.nii.gz").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(DatasetError, match=r"half.nii.gz cannot be read .*Copy or convert"):
        load_image(tmp_path / "half.nii.gz", who="sub-01")
    with pytest.raises(DatasetError, match=r"none.nii.gz is not there"):
        load_image(tmp_path / "none.nii.gz", who="sub-01")


def test_what_was_saved_is_read_and_bytes_repeat(tmp_path) -> None:
    data = _ramp((5, 6, 7))
    paths = [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]
    for path in paths:
        save_image(data, OBLIQUE, path)
    first, second = (gzip.decompress(path.read_bytes()) for path in paths)
    assert first == second
    found = load_image(paths[0], who="sub-01", ndim=3)
    np.testing.assert_array_equal(np.asanyarray(found.dataobj), data)
    assert same_grid(found, nib.Nifti1Image(data, OBLIQUE))
    assert voxel_volume_mm3(OBLIQUE) == pytest.approx(abs(np.linalg.det(OBLIQUE[:3, :3])))
