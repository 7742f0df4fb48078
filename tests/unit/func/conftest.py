"""Moving heads and raw runs whose answer is known."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.func.parcels import Parcels, parcels_on_grid
from commissure.images.atlas import schaefer
from commissure.images.rigid import rigid_matrix
from commissure.images.template import template
from commissure.names import Scan, parse_name


class MovingHead:
    """A sum of smooth blobs that can be sampled exactly wherever the head has gone."""

    def __init__(self, *, blobs: int = 60, seed: int = 3) -> None:
        rng = np.random.default_rng(seed)
        spots = rng.normal(size=(4 * blobs, 3)) * 0.5
        spots = spots[np.linalg.norm(spots, axis=1) < 1][:blobs]
        self.places = spots * (55, 65, 50)
        self.widths = rng.uniform(7, 14, len(spots))
        self.heights = rng.uniform(300, 1000, len(spots))

    def volume(
        self, shape: tuple[int, int, int], affine: np.ndarray, matrix: np.ndarray
    ) -> np.ndarray:
        """Intensities on a grid after the head moved by ``matrix`` (reference to volume, mm)."""
        grid = np.indices(shape).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3]
        places = self.places @ matrix[:3, :3].T + matrix[:3, 3]
        total = np.zeros(len(grid))
        for place, width, height in zip(places, self.widths, self.heights, strict=True):
            total += height * np.exp(-((grid - place) ** 2).sum(axis=1) / (2 * width**2))
        return total.reshape(shape).astype(np.float32)


def grid_affine(shape: tuple[int, int, int], size: tuple[float, float, float]) -> np.ndarray:
    """Affine whose centre of the grid lies at 0."""
    affine = np.diag([*size, 1.0])
    affine[:3, 3] = -np.array(size) * (np.array(shape) - 1) / 2
    return affine


@pytest.fixture(scope="session")
def moving_head() -> MovingHead:
    """The head of :func:`moving_series`."""
    return MovingHead()


@pytest.fixture(scope="session")
def moving_series(moving_head) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series, affine and true movement (T, 6): a slow drift and two jumps of 2 mm and degrees."""
    rng = np.random.default_rng(7)
    shape, size = (40, 48, 30), (4.0, 4.0, 4.5)
    affine = grid_affine(shape, size)
    walk = np.cumsum(rng.normal(size=(12, 6)) * (0.06, 0.06, 0.1, 0.001, 0.001, 0.001), axis=0)
    walk[4:] += (0.5, -0.4, 2.0, 0.035, 0.0, 0.01)
    walk[9:] -= (0.0, 1.0, 1.0, 0.02, 0.02, 0.0)
    centre = np.zeros(3)
    series = np.stack(
        [moving_head.volume(shape, affine, rigid_matrix(row, centre)) for row in walk], axis=-1
    )
    series += rng.normal(scale=0.01 * series.max(), size=series.shape).astype(np.float32)
    return series, affine, walk


@pytest.fixture(scope="session")
def raw_run_in():
    """Give a function that writes a raw run with its sidecar; a field given as None is left out."""

    def written(
        folder: Path, data: np.ndarray, affine: np.ndarray, *, tr_s: float = 2.0, **sidecar: object
    ) -> Scan:
        path = folder / "sub-01_ses-1_task-rest_bold.nii.gz"
        image = nib.Nifti1Image(data, affine)
        if data.ndim == 4:
            image.header.set_zooms((*image.header.get_zooms()[:3], tr_s))
        nib.save(image, path)
        fields = {"RepetitionTime": tr_s, "TaskName": "rest", **sidecar}
        beside = folder / "sub-01_ses-1_task-rest_bold.json"
        beside.write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))
        entities, suffix, _ = parse_name(path.name)
        return Scan(path, entities, suffix, [beside])

    return written


@pytest.fixture
def raw_run(raw_run_in, tmp_path: Path):
    """The same, below the test's own folder."""
    return partial(raw_run_in, tmp_path)


@pytest.fixture(scope="session")
def parcels() -> Parcels:
    """All parcels on a grid of 4 mm."""
    grid = template("mask", resolution_mm=4)
    return parcels_on_grid(schaefer(100), grid.shape, grid.affine)
