"""T1w images: what is wrong with a file, a header or what it shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_closing, binary_fill_holes

from commissure.anat.builtin.preprocess import preprocess
from commissure.anat.measure import measure
from commissure.anat.settings import AnatMeasureSettings, AnatPreprocessSettings
from commissure.images.anat_files import AnatFiles
from commissure.names import Scan

from .harness import Case
from .images import COMMON, RIGHT, TOLD_OR_RIGHT, Area, Planting, noise_like, scaled, with_voxel
from .person import tiny_person

#: Coarse, so that a case takes some seconds.
SETTINGS = AnatPreprocessSettings(registration_resolution_mm=4, segmentation_resolution_mm=2)


def steps(scan: Scan, out: Path, anat: AnatFiles | None) -> None:
    """Preprocess and measure a T1w image."""
    preprocess(scan, out, settings=SETTINGS)
    measure(scan, out, settings=AnatMeasureSettings())


AREA = Area("T1w", "anat", steps, {"volume": (0.04, 60.0), "tiv": (0.02, 0.0)})


def _half(data: np.ndarray) -> np.ndarray:
    data = data.copy()
    data[:, :, : data.shape[2] // 2] = 0
    return data


def _nan_around(data: np.ndarray) -> np.ndarray:
    data = data.astype(np.float32)
    head = binary_fill_holes(binary_closing(data > 0.1 * np.percentile(data, 98), iterations=3))
    return np.where(head, data, np.nan)


def _ball(data: np.ndarray) -> np.ndarray:
    """A bottle of water: what a scanner is tested with."""
    place = np.moveaxis(np.indices(data.shape), 0, -1) - (np.array(data.shape) - 1) / 2
    inside = np.linalg.norm(place, axis=-1) < 0.4 * min(data.shape)
    noise = np.random.default_rng(2).rayleigh(0.02, data.shape)
    return (float(data.max()) * (0.7 * inside + noise)).astype(data.dtype)


def _bright_middle(data: np.ndarray) -> np.ndarray:
    """The middle of the head is four times as bright as its border, as at 7 T."""
    place = np.moveaxis(np.indices(data.shape), 0, -1) - (np.array(data.shape) - 1) / 2
    distance = np.linalg.norm(place / (np.array(data.shape) / 2), axis=-1)
    return (data * 4 * np.exp(-2 * distance**2)).astype(data.dtype)


def _without_vertex(data: np.ndarray) -> np.ndarray:
    """The upper part of the brain is beyond the field of view."""
    top = np.flatnonzero((data > 0.3 * data.max()).any(axis=(0, 1)))[-1]
    data = data.copy()
    data[:, :, top - 9 :] = 0
    return data


PLANTINGS = (
    *COMMON,
    Planting("four", "three volumes",
             lambda i: i.rewrite(lambda d: np.stack([d, d, d], axis=-1))),
    Planting("noise", "pure noise", lambda i: i.rewrite(noise_like)),
    Planting("upside-down", "the data upside down",
             lambda i: i.rewrite(lambda d: d[:, :, ::-1].copy())),
    Planting("axes", "the axes permuted without the header",
             lambda i: i.rewrite(lambda d: np.swapaxes(d, 0, 2).copy())),
    Planting("mirrored-data", "the data mirrored, the header kept",
             lambda i: i.rewrite(lambda d: d[::-1].copy()), detectable=False),
    Planting("voxel-1.1", "voxels 10 % too large everywhere in the header",
             lambda i: i.rewrite(sform=scaled(1.1)), TOLD_OR_RIGHT, detectable=False),
    Planting("inverted", "the contrast inverted",
             lambda i: i.rewrite(lambda d: np.where(d > 0, d.max() - d, 0).astype(d.dtype))),
    Planting("nan-around", "NaN around the head", lambda i: i.rewrite(_nan_around), TOLD_OR_RIGHT),
    Planting("no-brain", "a ball in place of a head", lambda i: i.rewrite(_ball)),
    Planting("agent", "a contrast agent by the sidecar",
             lambda i: i.fields(ContrastBolusAgent="Gadobutrol"), TOLD_OR_RIGHT),
    Planting("shading-7t", "the middle four times as bright as the border",
             lambda i: i.rewrite(_bright_middle), TOLD_OR_RIGHT),
    Planting("vertex", "the vertex beyond the field of view", lambda i: i.rewrite(_without_vertex)),
    Planting("half", "the lower half of the head is missing", lambda i: i.rewrite(_half)),
    Planting("pixdim-zero", "pixdim 0", lambda i: i.header(**{f"pixdim {k}": 0 for k in (1, 2, 3)}), RIGHT),
    Planting("no-json", "no sidecar", lambda i: i.file(".json").unlink(), RIGHT),
    Planting("unpacked", "the same image as .nii beside it", lambda i: i.unpacked(),
             TOLD_OR_RIGHT),
    Planting("wrapped", "unsigned numbers read as signed ones",
             lambda i: i.rewrite(lambda d: (60 * d.astype(np.int64)).astype(np.int16))),
    Planting("hot-voxel", "one voxel is 1e6", lambda i: i.rewrite(with_voxel(1e6)),
             TOLD_OR_RIGHT),
    Planting("stripped-text", "SkullStripped is a text",
             lambda i: i.fields(SkullStripped="abc"), TOLD_OR_RIGHT),
)  # fmt: skip


def cases(work: Path, *, mutations: int, seed: int) -> list[Case]:
    """Simulate a person, measure their T1w undisturbed, and plant every case in a copy."""
    person = tiny_person(work, anatomy=False, changes={"anat.voxel_mm": 4.0})
    raw = work / "raw"
    shutil.copytree(person.folder / "anat", raw / "sub-01" / "anat")
    return AREA.cases(work, raw, PLANTINGS, None, mutations=mutations, seed=seed)
