"""BOLD series: what is wrong with a file, its timing, its volumes or what they show."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.func.builtin.preprocess import preprocess
from commissure.func.definitions import DEFINITIONS
from commissure.func.measure import measure
from commissure.func.settings import FuncMeasureSettings, FuncPreprocessSettings
from commissure.images.anat_files import AnatFiles
from commissure.names import Scan

from .harness import Case
from .images import COMMON, RIGHT, TOLD_OR_RIGHT, Area, Image, Planting, noise_like, scaled
from .person import tiny_person

#: Of a simulated run: its repetition time in seconds.
TR_S = 2.0


def steps(scan: Scan, out: Path, anat: AnatFiles | None) -> None:
    """Preprocess and measure a BOLD run."""
    preprocess(scan, out, anat=anat, settings=FuncPreprocessSettings())
    measure(scan, out, anat=anat, settings=FuncMeasureSettings())


AREA = Area(
    "BOLD",
    "func",
    steps,
    {
        **{each.marker: (0.0, 0.1) for each in DEFINITIONS if each.marker.startswith("fc")},
        **dict.fromkeys(("alff", "falff", "reho"), (0.1, 0.05)),
        "mean_fd": (0.1, 0.02),
        "tsnr": (0.1, 0.0),
    },
)


def _volumes(which: slice, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def changed(data: np.ndarray) -> np.ndarray:
        data = data.copy()
        data[..., which] = value
        return data

    return changed


def _frozen(first: int, last: int) -> Callable[[np.ndarray], np.ndarray]:
    def changed(data: np.ndarray) -> np.ndarray:
        data = data.copy()
        data[..., first : last + 1] = data[..., first : first + 1]
        return data

    return changed


def _without_top(data: np.ndarray) -> np.ndarray:
    """Without the slices of the brain's upper 24 mm (voxels of 6 mm)."""
    bright = data.mean(axis=-1)
    slices = np.flatnonzero((bright > 0.3 * bright.max()).sum(axis=(0, 1)) > 20)
    return data[:, :, : slices.max() - 3].copy()


def _slices(data: Callable[[int], object]) -> Callable[[Image], None]:
    """Plant slice times that depend on the number of slices."""

    def plant(image: Image) -> None:
        image.fields(SliceTiming=data(nib.load(image.path).shape[2]))

    return plant


TIMING = (
    Planting("tr-ms", "RepetitionTime 2000", lambda i: i.fields(RepetitionTime=2000)),
    Planting("tr-contradicts", "RepetitionTime 20 in the sidecar",
             lambda i: i.fields(RepetitionTime=20)),
    Planting("tr-0.2", "RepetitionTime 0.2 in sidecar and header",
             lambda i: (i.fields(RepetitionTime=0.2), i.header(**{"pixdim 4": 0.2}))),
    Planting("tr-1", "RepetitionTime 1 in sidecar and header",
             lambda i: (i.fields(RepetitionTime=1), i.header(**{"pixdim 4": 1.0}))),
    Planting("tr-20", "RepetitionTime 20, none in the header",
             lambda i: (i.fields(RepetitionTime=20), i.header(**{"pixdim 4": 1.0}))),
    Planting("tr-4", "RepetitionTime 4, none in the header",
             lambda i: (i.fields(RepetitionTime=4), i.header(**{"pixdim 4": 1.0})), detectable=False),
    Planting("tr-negative", "RepetitionTime -2", lambda i: i.fields(RepetitionTime=-2)),
    Planting("tr-text", "RepetitionTime is a text", lambda i: i.fields(RepetitionTime="2.0")),
    Planting("tr-absent", "no RepetitionTime", lambda i: i.fields(RepetitionTime=...)),
    Planting("tr-true", "RepetitionTime true", lambda i: i.fields(RepetitionTime=True)),
    Planting("tr-infinite", "RepetitionTime 1e400",
             lambda i: i.text(".json", '{"TaskName": "rest", "RepetitionTime": 1e400}')),
    Planting("tr-header-0", "no repetition time in the header",
             lambda i: i.header(**{"pixdim 4": 0.0}), TOLD_OR_RIGHT),
    Planting("slices-ms", "SliceTiming in ms",
             _slices(lambda n: [1000 * TR_S * k / n for k in range(n)])),
    Planting("slices-beyond", "SliceTiming beyond the repetition time",
             _slices(lambda n: [1.2 * TR_S * k / n for k in range(n)])),
    Planting("tr-header-3", "the header's repetition time is 3 s",
             lambda i: i.header(**{"pixdim 4": 3.0})),
    Planting("slices-fewer", "SliceTiming of two slices fewer",
             _slices(lambda n: [TR_S * k / n for k in range(n - 2)])),
    Planting("slices-negative", "SliceTiming negative",
             _slices(lambda n: [-TR_S * k / n for k in range(n)])),
    Planting("slices-text", "SliceTiming of texts", _slices(lambda n: ["0.1"] * n + ["x"])),
    Planting("slices-empty", "SliceTiming []", lambda i: i.fields(SliceTiming=[])),
    Planting("slice-axis-z", "SliceEncodingDirection z",
             lambda i: i.fields(SliceEncodingDirection="z")),
    Planting("slice-axis-empty", "SliceEncodingDirection empty",
             lambda i: i.fields(SliceEncodingDirection="")),
    Planting("phase-ap", "PhaseEncodingDirection AP",
             lambda i: i.fields(PhaseEncodingDirection="AP"), RIGHT),
    Planting("task", "TaskName contradicts the file name",
             lambda i: i.fields(TaskName="oneback"), TOLD_OR_RIGHT),
)  # fmt: skip

VOLUMES = (
    Planting("three", "a single volume", lambda i: i.rewrite(lambda d: d[..., 0].copy())),
    Planting("short", "5 volumes", lambda i: i.rewrite(lambda d: d[..., :5].copy())),
    Planting("ten", "10 volumes", lambda i: i.rewrite(lambda d: d[..., :10].copy())),
    Planting("vertex", "the field of view misses the upper 24 mm of the brain",
             lambda i: i.rewrite(_without_top), TOLD_OR_RIGHT),
    Planting("one-zero", "one volume is zero",
             lambda i: i.rewrite(_volumes(slice(40, 41), 0))),
    Planting("half-zero", "the second half of the volumes is zero",
             lambda i: i.rewrite(_volumes(slice(70, None), 0))),
    Planting("same", "all volumes are the first",
             lambda i: i.rewrite(_frozen(0, 10_000))),
    Planting("frozen", "volumes 30 to 60 repeat volume 30", lambda i: i.rewrite(_frozen(30, 60))),
    Planting("repeated", "volume 31 repeats volume 30", lambda i: i.rewrite(_frozen(30, 31)),
             TOLD_OR_RIGHT),
    Planting("noise", "pure noise", lambda i: i.rewrite(noise_like)),
    Planting("upside-down", "the data upside down",
             lambda i: i.rewrite(lambda d: d[:, :, ::-1].copy())),
    Planting("back-to-front", "the data back to front",
             lambda i: i.rewrite(lambda d: d[:, ::-1].copy())),
    Planting("mirrored-data", "the data mirrored, the header kept",
             lambda i: i.rewrite(lambda d: d[::-1].copy()), detectable=False),
    Planting("voxel-half", "voxels of half the size", lambda i: i.rewrite(sform=scaled(0.5))),
    Planting("wrapped", "unsigned numbers read as signed ones",
             lambda i: i.rewrite(lambda d: (60 * d.astype(np.int64)).astype(np.int16))),
    Planting("background-nan", "the background is NaN",
             lambda i: i.rewrite(lambda d: np.where(d < 0.2 * d.max(), np.nan, d).astype("f4"))),
)  # fmt: skip


def cases(work: Path, *, mutations: int, seed: int) -> list[Case]:
    """Simulate a person, measure their BOLD undisturbed, and plant every case in a copy."""
    person = tiny_person(work)
    raw = work / "raw"
    shutil.copytree(person.folder / "func", raw / "sub-01" / "func")
    plantings = (*COMMON, *TIMING, *VOLUMES)
    return AREA.cases(work, raw, plantings, person.anat, mutations=mutations, seed=seed)
