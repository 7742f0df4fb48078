"""Series that show no brain, or nothing that changes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.func.builtin.preprocess import preprocess
from commissure.func.settings import FuncPreprocessSettings

SHAPE = (30, 36, 30, 12)
AFFINE = np.array([[6.0, 0, 0, -90], [0, 6, 0, -120], [0, 0, 6, -75], [0, 0, 0, 1]])


def _refusal(scan, tmp_path) -> str:
    with pytest.raises(DatasetError) as caught:
        preprocess(scan, tmp_path / "out", anat=None, settings=FuncPreprocessSettings())
    return str(caught.value)


def test_a_series_that_stands_still_is_refused(raw_run, tmp_path):
    volume = np.random.default_rng(0).uniform(10, 900, SHAPE[:3])
    scan = raw_run(np.repeat(volume[..., None], 12, axis=3).astype(np.float32), AFFINE)
    assert "the 12 volumes of sub-01_ses-1_task-rest_bold.nii.gz are identical" in _refusal(
        scan, tmp_path
    )


@pytest.mark.parametrize("mean", [500, 60])
def test_noise_without_a_brain_is_refused(raw_run, tmp_path, mean):
    noise = np.random.default_rng(0).normal(mean, 100, SHAPE).clip(0).astype(np.float32)
    message = _refusal(raw_run(noise, AFFINE), tmp_path)
    assert re.search(r" l of sub-01_ses-1_task-rest_bold.nii.gz are bright .*0.05 l", message)
