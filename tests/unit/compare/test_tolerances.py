"""Tolerances are what a marker moves by where the last digit of the input moves."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest

from commissure.compare.last_digit import move_image, moved
from commissure.compare.tolerances import derive
from commissure.errors import DatasetError
from commissure.outputs import MARKERS


@pytest.mark.parametrize("kind", ["int16", "uint8", "float32", "float64"])
def test_a_value_moves_by_one_step_and_zero_stays(kind):
    values = np.array([0, 1, 3, 100, 255], kind).repeat(50)
    changed = moved(values, np.random.default_rng(0))
    assert changed.dtype == values.dtype
    assert (changed[values == 0] == 0).all() and (changed[values != 0] != 0).all()
    inner = (values != 0) & (values != 255) & (values != 1)
    if np.dtype(kind).kind == "f":
        np.testing.assert_array_equal(np.abs(changed - values)[inner], np.spacing(values[inner]))
    else:
        np.testing.assert_array_equal(np.abs(changed.astype(int) - values.astype(int))[inner], 1)
    assert 0.2 < (changed[inner] > values[inner]).mean() < 0.8


def test_integers_stay_in_their_range():
    ends = np.array([-32768, 32767, -1], np.int16).repeat(20)
    changed = moved(ends, np.random.default_rng(0)).astype(int)
    assert set(changed) == {-32767, 32766, -2}


def test_both_parts_of_a_complex_sample_move():
    values = np.full(100, 1 + 2j, np.complex64)
    changed = moved(values, np.random.default_rng(0))
    assert (changed.real != 1).all() and (changed.imag != 2).all()
    assert np.abs(changed - values).max() < 5e-7


def test_an_image_keeps_header_and_extensions_and_can_be_made_again(tmp_path):
    data = np.random.default_rng(0).integers(0, 900, (6, 5, 4)).astype(np.int16)
    image = nib.Nifti1Image(data, np.diag([2, 2, 2, 1]), nib.Nifti1Header(endianness=">"))
    image.set_data_dtype(np.int16)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"kept"))
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, tmp_path / "a.nii.gz")
    for name in "bc":
        move_image(tmp_path / "a.nii.gz", tmp_path / f"{name}.nii.gz", np.random.default_rng(4))
    first, second, again = (gzip.decompress((tmp_path / f"{n}.nii.gz").read_bytes()) for n in "abc")
    start = int(nib.load(tmp_path / "a.nii.gz").dataobj.offset)
    assert first[:start] == second[:start] and second == again
    stored = [nib.load(tmp_path / f"{n}.nii.gz").dataobj.get_unscaled().astype(int) for n in "ab"]
    assert set(np.unique(np.abs(stored[1] - stored[0])).tolist()) <= {0, 1}
    assert (stored[1] != stored[0]).mean() > 0.9


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"no")
    with pytest.raises(DatasetError, match="cannot be moved"):
        move_image(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", np.random.default_rng(0))


def test_the_tolerance_is_the_repeatability_coefficient():
    random = np.random.default_rng(2)
    runs = [
        MARKERS.frame(
            (f"sub-{p}", "", "mrs", "ACC", "glu", 9 + p + random.normal(0, 0.1), "mM", "ok")
            for p in range(200)
        )
        for _ in range(4)
    ]
    (row,) = derive(runs).to_dict("records")
    assert (row["people"], row["repeats"]) == (200, 4)
    assert row["within_sd"] == pytest.approx(0.1, rel=0.1)
    assert row["tolerance"] == pytest.approx(max(2.7718 * row["within_sd"], row["largest"]))
