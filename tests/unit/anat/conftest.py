"""A head that is quick to make: the template's tissues, deformed, with skull, coil and noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.names import Scan


@pytest.fixture
def as_scan(tmp_path: Path) -> Callable[..., Scan]:
    """Writes an array as ``sub-01_T1w.nii.gz`` and names it as a scan."""

    def make(data: np.ndarray, affine: np.ndarray | None = None) -> Scan:
        path = tmp_path / "sub-01_T1w.nii.gz"
        nib.save(nib.Nifti1Image(data, np.diag([4.0, 4, 4, 1]) if affine is None else affine), path)
        return Scan(path, {"sub": "01"}, "T1w")

    return make


@pytest.fixture
def ball() -> Callable[..., np.ndarray]:
    """A sphere: ``ball(shape, centre, radius)`` in voxels, with soft edges."""

    def make(shape: tuple[int, int, int], centre: tuple[float, ...], radius: float) -> np.ndarray:
        place = np.indices(shape)
        distance = np.sqrt(sum((place[k] - centre[k]) ** 2 for k in range(3)))
        return np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)

    return make
