"""Images that are read as they were written, or refused in one sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.images.load import (
    identical_volumes,
    load_image,
    same_grid,
    save_image,
    voxel_volume_mm3,
)

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
        (-_ramp((4, 4, 4)), "100 % of the intensity of x.nii.gz is negative"),
        (1e-9 * _ramp((4, 4, 4)), "the intensities of x.nii.gz run from 0 to 6.3e-08"),
        (_ramp((4, 4)), r"2 dimensions \(4, 4\)"),
        (_ramp((4, 4, 4, 3)), r"4 dimensions \(4, 4, 4, 3\)"),
    ],
)
def test_an_image_that_cannot_be_used_is_told_in_one_sentence(tmp_path, data, words: str) -> None:
    path = _write(tmp_path / "x.nii.gz", data.astype(np.float32))
    with pytest.raises(DatasetError, match=f"sub-01: (x.nii.gz has )?{words}"):
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


def test_a_bit_that_flipped_in_a_packed_file_is_noticed(tmp_path) -> None:
    """nibabel reads it: it stops before the checksum."""
    data = np.random.default_rng(0).integers(0, 4000, (20, 20, 20)).astype(np.int16)
    path = _write(tmp_path / "x.nii.gz", data)
    stored = bytearray(path.read_bytes())
    refused = 0
    for byte in range(600, len(stored), 997):
        damaged = stored.copy()
        damaged[byte] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(DatasetError, match=r"x.nii.gz cannot be read"):
            load_image(path, who="sub-01")
        refused += 1
    assert refused > 5
    path.write_bytes(bytes(stored) + b"padding that gzip ignores")
    assert load_image(path, who="sub-01").shape == data.shape


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
@pytest.mark.parametrize("size", [18, 22, 32_000])
def test_a_header_that_declares_other_sizes_than_the_file_has(tmp_path, name, size) -> None:
    """Fewer would shear the image, more are not there (nor are they allocated)."""
    path = _write(tmp_path / name, _ramp((20, 20, 20)))
    raw = bytearray(
        gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
    )
    raw[42:44] = size.to_bytes(2, "little")
    path.write_bytes(gzip.compress(bytes(raw)) if name.endswith("gz") else bytes(raw))
    with pytest.raises(DatasetError, match=rf"declares \({size}, 20, 20\) voxels"):
        load_image(path, who="sub-01")


def test_a_negative_scale_and_an_empty_volume_are_refused(tmp_path) -> None:
    series = np.random.default_rng(0).integers(1, 900, (5, 5, 5, 6)).astype(np.int16)
    image = nib.Nifti1Image(series, np.eye(4))
    image.header.set_slope_inter(-1, 0)
    nib.save(image, tmp_path / "scale.nii")
    with pytest.raises(DatasetError, match="scl_slope of scale.nii is -1"):
        load_image(tmp_path / "scale.nii", who="sub-01")
    series[..., 4] = 0
    path = _write(tmp_path / "empty.nii", series)
    with pytest.raises(DatasetError, match=r"1 of 6 volumes of empty.nii are empty .*: 4, counted"):
        load_image(path, who="sub-01", ndim=4)


def test_what_filters_leave_below_zero_is_no_negative_image(tmp_path) -> None:
    data = np.random.default_rng(0).normal(1000, 50, (8, 8, 8)).astype(np.float32)
    data[0] = -20
    assert load_image(_write(tmp_path / "x.nii", data), who="sub-01").shape == data.shape


def test_volumes_that_repeat_are_counted() -> None:
    series = np.random.default_rng(0).normal(size=(4, 4, 4, 8))
    assert identical_volumes(series) == 0
    series[..., 3:6] = series[..., 2:3]
    assert identical_volumes(series) == 3
    series[0, 0, 0, 4] += 1
    assert identical_volumes(series) == 1


def _flipped_header_bits(count: int) -> list[int]:
    return sorted(np.random.default_rng(11).choice(8 * 348, count, replace=False).tolist())


def test_any_bit_of_the_header_may_flip(tmp_path) -> None:
    """Refused in words, or read with the same voxels, in the same order, of nearly their size."""
    data = np.random.default_rng(0).integers(1, 900, (6, 7, 8)).astype(np.int16)
    affine = np.diag([-3.0, 3, 3.5, 1])
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, 1)
    nib.save(image, tmp_path / "x.nii")
    stored = (tmp_path / "x.nii").read_bytes()
    refused = 0
    for bit in _flipped_header_bits(300):
        damaged = bytearray(stored)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "x.nii").write_bytes(damaged)
        try:
            found = load_image(tmp_path / "x.nii", who="sub-01", ndim=3)
        except DatasetError:
            refused += 1
            continue
        scale = float(np.asanyarray(found.dataobj)[0, 0, 0]) / data[0, 0, 0]
        np.testing.assert_allclose(found.dataobj, scale * data, rtol=1e-4, atol=3)
        np.testing.assert_allclose(
            found.affine[:3, :3], affine[:3, :3], atol=0.08, err_msg=str(bit)
        )
    assert 20 < refused < 150


def test_nan_around_the_head_is_background_and_inside_it_is_refused(tmp_path):
    data = np.random.default_rng(3).uniform(10, 100, (12, 12, 12)).astype(np.float32)
    data[:3] = np.nan
    path = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    found = np.asarray(load_image(path, who="sub-01", nan_around=True).dataobj)
    assert (found[:3] == 0).all()
    assert (found[3:] == data[3:]).all()
    with pytest.raises(DatasetError, match="NaN"):
        load_image(path, who="sub-01")
    data[7, 7, 7] = np.nan
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    with pytest.raises(DatasetError, match="1 voxels that are NaN"):
        load_image(path, who="sub-01", nan_around=True)
