"""Headers that cannot be true are refused, and true ones are not."""

from __future__ import annotations

from collections.abc import Callable

import nibabel as nib
import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.images.header import check_header, forms_apart_deg, header_notes

AFFINE = np.array([[-2.0, 0, 0, 60], [0, 2.5, 0, -80], [0, 0, 3, -50], [0, 0, 0, 1]])


def _turned(degrees: float, affine: np.ndarray = AFFINE) -> np.ndarray:
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn @ affine


def _image(
    sform: np.ndarray | None = AFFINE, qform: np.ndarray | None = AFFINE, dtype: type = np.int16
) -> nib.Nifti1Image:
    """As a converter writes it: both forms, unless one is None."""
    image = nib.Nifti1Image(np.zeros((3, 4, 5), dtype), None)
    image.set_qform(AFFINE if qform is None else qform, 0 if qform is None else 1)
    image.set_sform(AFFINE if sform is None else sform, 0 if sform is None else 1)
    return image


def _pixdim(*size: float) -> nib.Nifti1Image:
    image = _image()
    image.header["pixdim"][1:4] = size
    return image


def _sheared(share: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[0, 1] = share * 2.5
    return affine


@pytest.mark.parametrize(
    "image",
    [
        _image(),
        _image(sform=None),
        _image(qform=None),
        _image(sform=_turned(20), qform=_turned(20)),
        _image(sform=_turned(30)),
        _image(sform=_sheared(0.01)),
        _pixdim(1, 1, 1),
        _pixdim(2.01, 2.49, 3),
    ],
)
def test_what_converters_write_is_accepted(image: nib.Nifti1Image) -> None:
    check_header(image, who="sub-01", name="x.nii")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: _image(None, None), "sform_code and qform_code of x.nii are 0"),
        (lambda: _image(qform=_turned(180)), "turned by 180 degrees against the qform's"),
        (lambda: _image(qform=np.diag([-1.0, 1, 1, 1]) @ AFFINE), "sides are exchanged"),
        (lambda: _image(_sheared(0.3), None), "16.7 degrees from being perpendicular"),
        (lambda: _image(AFFINE * 1.1), "2 x 2.5 x 3 mm by pixdim and 2.2 x 2.75 x 3.3 mm"),
        (lambda: _image(np.diag([2.0, 2.5, 0, 1])), "the affine of x.nii is singular"),
        (lambda: _image(AFFINE + 1e5 * (np.eye(4, k=3) > 0)), "100 m from the scanner"),
        (lambda: _image(dtype=np.complex64), "the voxels of x.nii are complex numbers"),
        (
            lambda: nib.Nifti1Image(np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]),
                                    AFFINE),
            r"the voxels of x.nii are colours \(RGB\)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_sentence(
    make: Callable[[], nib.Nifti1Image], words: str
) -> None:
    with pytest.raises(DatasetError, match=f"sub-01: .*{words}"):
        check_header(make(), who="sub-01", name="x.nii")


def test_forms_that_are_turned_a_little_are_told() -> None:
    image = _image(sform=_turned(12))
    assert forms_apart_deg(image) == pytest.approx(12, abs=0.01)
    assert header_notes(image) == [
        "The header's sform and qform are turned by 12.0 degrees; the sform holds."
    ]
    assert header_notes(_image()) == header_notes(_image(qform=None)) == []
