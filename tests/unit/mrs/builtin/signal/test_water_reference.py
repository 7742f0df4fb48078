from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.errors import CommissureError
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.settings import MrsSettings


def test_water_of_another_voxel(write_press: Callable, tmp_path: Path) -> None:
    scan = write_press(shots=1, coils=1).scan
    elsewhere = np.diag([20.0, 20.0, 20.0, 1.0])
    elsewhere[:3, 3] = (0, 30, 0)
    path = scan.associated["mrsref"]
    image = nib.load(path)
    moved = nib.Nifti1Image(np.asanyarray(image.dataobj), elsewhere, image.header)
    moved.set_sform(elsewhere)
    moved.set_qform(elsewhere)
    nib.save(moved, path)
    with pytest.raises(CommissureError, match=r"lies 30\.0 mm from"):
        preprocess(scan, tmp_path, anat=None, settings=MrsSettings())
