"""Affine maps in files."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from commissure.images.registration import apply_transform
from commissure.images.transforms import write_affine


def test_an_affine_written_is_applied_as_it_is_meant(tmp_path) -> None:
    """``mode-image``: a map takes a point of the new space to where its value comes from."""
    matrix = np.eye(4)
    matrix[:3, 3] = 6.0, -4.0, 2.0
    data = np.zeros((12, 12, 12), np.float32)
    data[6, 5, 4] = 1
    image = nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1]))
    file = write_affine(matrix, tmp_path / "shift.mat")
    moved = np.asarray(apply_transform(image, image, [file]).dataobj)
    assert np.unravel_index(moved.argmax(), moved.shape) == (3, 7, 3)
