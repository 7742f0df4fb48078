"""Diffusion series: what is wrong with a file, its gradient table, its volumes or its header."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import affine_transform

from commissure.dwi.builtin.preprocess import preprocess
from commissure.dwi.gradients import voxel_axes
from commissure.dwi.measure import measure
from commissure.dwi.settings import DwiMeasureSettings, DwiPreprocessSettings
from commissure.images.anat_files import AnatFiles
from commissure.names import Scan

from .harness import Case
from .images import COMMON, RIGHT, TOLD_OR_RIGHT, Area, Image, Planting, noise_like
from .person import tiny_person


def steps(scan: Scan, out: Path, anat: AnatFiles | None) -> None:
    """Preprocess and measure a diffusion series."""
    preprocess(scan, out, anat=anat, settings=DwiPreprocessSettings())
    measure(scan, out, anat=anat, settings=DwiMeasureSettings())


AREA = Area(
    "DWI",
    "dwi",
    steps,
    {"fa": (0.0, 0.03), "md": (0.05, 0.0), "dwi_motion": (0.15, 0.05), "b0_snr": (0.15, 0.0)},
)


def _table(extension: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Image], None]:
    """Plant something in the table of b-values or b-vectors (rows as in the file)."""

    def plant(image: Image) -> None:
        path = image.file(extension)
        table = change(np.loadtxt(path, ndmin=2).copy())
        path.write_text("\n".join(" ".join(f"{v:g}" for v in row) for row in table) + "\n")

    return plant


def _bval(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Image], None]:
    return _table(".bval", change)


def _bvec(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Image], None]:
    return _table(".bvec", change)


def _put(index: object, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def changed(table: np.ndarray) -> np.ndarray:
        table[index] = value
        return table

    return changed


def _weighted(vectors: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.linalg.norm(vectors, axis=0) > 0)


def _shuffled(seed: int) -> Callable[[np.ndarray], np.ndarray]:
    def changed(vectors: np.ndarray) -> np.ndarray:
        weighted = _weighted(vectors)
        vectors[:, weighted] = vectors[:, np.random.default_rng(seed).permutation(weighted)]
        return vectors

    return changed


def _few_directions(count: int) -> Callable[[np.ndarray], np.ndarray]:
    def changed(vectors: np.ndarray) -> np.ndarray:
        weighted = _weighted(vectors)
        vectors[:, weighted] = vectors[:, weighted[np.arange(weighted.size) % count]]
        return vectors

    return changed


def _without_directions(count: int) -> Callable[[np.ndarray], np.ndarray]:
    def changed(vectors: np.ndarray) -> np.ndarray:
        vectors[:, _weighted(vectors)[:count]] = 0
        return vectors

    return changed


def _slice(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """One slice of one weighted volume has this value."""

    def changed(data: np.ndarray) -> np.ndarray:
        data = data.astype(np.float32)
        data[:, :, data.shape[2] // 2, 5] = value
        return data

    return changed


def _cut(first: float, last: float) -> Callable[[Image], None]:
    """Keep the slices between two shares of the height, where they lie."""

    def plant(image: Image) -> None:
        part = nib.load(image.path)
        low, high = (round(share * part.shape[2]) for share in (first, last))
        moved = part.affine.copy()
        moved[:3, 3] += low * part.affine[:3, 2]
        image.rewrite(lambda data: data[:, :, low:high].copy(), sform=moved)

    return plant


def _on_other_axes(image: Image, rotation: np.ndarray) -> None:
    """Write b-vectors again, whose components were along axes turned by ``rotation``."""
    _bvec(lambda vectors: rotation @ vectors)(image)


def _sagittal(image: Image) -> None:
    """The same head with sagittal slices: the array's axes lead back, up and across."""
    order = [1, 2, 0]
    was = nib.load(image.path).affine
    affine = was[:, [*order, 3]]
    image.rewrite(lambda data: data.transpose(*order, 3).copy(), sform=affine)
    _on_other_axes(image, voxel_axes(affine).T @ voxel_axes(was))
    image.fields(PhaseEncodingDirection="i", SliceTiming=...)


def _oblique(image: Image) -> None:
    """The same head with slices tilted by 25 degrees, interpolated."""
    was = nib.load(image.path)
    angle = np.radians(25)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    middle = np.eye(4)
    middle[:3, 3] = was.affine[:3, :3] @ ((np.array(was.shape[:3]) - 1) / 2) + was.affine[:3, 3]
    affine = middle @ turn @ np.linalg.inv(middle) @ was.affine
    back = np.linalg.inv(was.affine) @ affine
    volumes = np.moveaxis(np.asarray(was.dataobj).astype(np.float32), 3, 0)
    tilted = [affine_transform(volume, back, order=3, mode="nearest") for volume in volumes]
    image.rewrite(lambda _: np.clip(np.stack(tilted, axis=3), 0, None), sform=affine)
    _on_other_axes(image, voxel_axes(affine).T @ voxel_axes(was.affine))


def _second_run(image: Image) -> None:
    """A second run with twice the b-values, as Gaussian diffusion would have it."""
    stem = image.path.name.partition(".")[0]
    for extension in (".nii.gz", ".json", ".bval", ".bvec"):
        name = stem.replace("_dwi", f"_run-2_dwi{extension}")
        shutil.copy(image.file(extension), image.path.with_name(name))
    second = Image(image.path.with_name(stem.replace("_dwi", "_run-2_dwi.nii.gz")))
    _bval(lambda b: 2 * b)(second)
    unweighted = np.loadtxt(second.file(".bval")).ravel() < 50

    def twice(data: np.ndarray) -> np.ndarray:
        data = data.astype(np.float32)
        base = np.maximum(data[..., unweighted].mean(axis=3, keepdims=True), 1)
        return np.where(unweighted, data, data * np.minimum(data / base, 1))

    second.rewrite(twice)


def _coarse_opposed(image: Image) -> None:
    """Unweighted volumes of the opposite phase encoding in voxels of half as many lines."""
    series = nib.load(image.path)
    b = np.loadtxt(image.file(".bval")).ravel()
    data = np.asarray(series.dataobj)[..., np.flatnonzero(b < 50)[0]]
    data = data[: data.shape[0] // 2 * 2, : data.shape[1] // 2 * 2].astype(np.float32)
    halved = (data[::2, ::2] + data[1::2, ::2] + data[::2, 1::2] + data[1::2, 1::2]) / 4
    affine = series.affine @ np.diag([2.0, 2, 1, 1])
    affine[:3, 3] = series.affine[:3, 3] + series.affine[:3, :2] @ [0.5, 0.5]
    folder = image.path.parent.with_name("fmap")
    folder.mkdir()
    person = folder.parent.name
    nib.save(nib.Nifti1Image(halved, affine), folder / f"{person}_dir-opposed_epi.nii.gz")
    metadata = json.loads(image.file(".json").read_text())
    encoded = metadata["PhaseEncodingDirection"]
    opposed = encoded.removesuffix("-") if encoded.endswith("-") else f"{encoded}-"
    metadata |= {
        "PhaseEncodingDirection": opposed,
        "IntendedFor": f"bids::{person}/dwi/{image.path.name}",
    }
    (folder / f"{person}_dir-opposed_epi.json").write_text(json.dumps(metadata))


def _zero(volume: int) -> Callable[[np.ndarray], np.ndarray]:
    def changed(data: np.ndarray) -> np.ndarray:
        data = data.copy()
        data[..., volume] = 0
        return data

    return changed


def _repeated(data: np.ndarray) -> np.ndarray:
    data = data.copy()
    data[..., 6:9] = data[..., 5:6]
    return data


TABLES = (
    Planting("no-bval", "no bval", lambda i: i.file(".bval").unlink()),
    Planting("no-bvec", "no bvec", lambda i: i.file(".bvec").unlink()),
    Planting("bval-short", "bval one short", _bval(lambda b: b[:, :-1])),
    Planting("bvec-nan", "bvec with NaN", _bvec(_put((0, 5), np.nan))),
    Planting("bvec-lines", "bvec with one direction per line", _bvec(lambda v: v.T),
             TOLD_OR_RIGHT),
    Planting("bvec-length", "directions of length 2", _bvec(lambda v: 2 * v)),
    Planting("all-b0", "all b-values 0", _bval(lambda b: 0 * b)),
    Planting("trace", "a weighted volume without direction", _bvec(_put((slice(None), 5), 0))),
    Planting("no-directions", "a third of the weighted volumes without direction",
             _bvec(_without_directions(5))),
    Planting("b-ms", "b-values in ms/um2", _bval(lambda b: b / 1000)),
    Planting("b-x10", "b-values ten times too large", _bval(lambda b: 10 * b)),
    Planting("b-x2", "b-values twice too large", _bval(lambda b: 2 * b)),
    Planting("b-half", "b-values half of the true ones", _bval(lambda b: b / 2)),
    Planting("b-x1.5", "b-values 1.5 times too large", _bval(lambda b: 1.5 * b),
             detectable=False),
    Planting("b-negative", "a negative b-value", _bval(_put((0, 4), -1000))),
    Planting("no-b0", "no b0", _bval(lambda b: np.where(b < 50, 1000, b))),
    Planting("b0-60", "b0 given as 60", _bval(lambda b: np.where(b < 50, 60, b))),
    Planting("commas", "b-values with commas",
             lambda i: i.text(".bval", ",".join(i.file(".bval").read_text().split()))),
    Planting("bval-empty", "bval empty", lambda i: i.text(".bval", "")),
    Planting("bval-lines", "one b-value per line", _bval(lambda b: b.T), RIGHT),
    Planting("negated", "x of the b-vectors negated", _bvec(lambda v: v * [[-1], [1], [1]]),
             TOLD_OR_RIGHT),
    Planting("exchanged", "y and z of the b-vectors exchanged", _bvec(lambda v: v[[0, 2, 1]]),
             TOLD_OR_RIGHT),
    Planting("shifted", "bval and bvec shifted by one volume",
             lambda i: (_bval(lambda b: np.roll(b, 1, axis=1))(i),
                        _bvec(lambda v: np.roll(v, 1, axis=1))(i))),
    *(Planting(f"shuffled-{seed}", f"b-vectors in random order ({seed})", _bvec(_shuffled(seed)))
      for seed in range(3)),
    Planting("reversed", "b-vectors in reverse order",
             _bvec(lambda v: np.where(np.linalg.norm(v, axis=0) > 0, v, 0)[:, ::-1]
                   if np.linalg.norm(v[:, 0]) == np.linalg.norm(v[:, -1]) else _shuffled(9)(v))),
    Planting("five-directions", "only 5 directions", _bvec(_few_directions(5))),
    Planting("one-direction", "all directions the same", _bvec(_few_directions(1))),
)  # fmt: skip

VOLUMES = (
    Planting("three", "a single volume", lambda i: i.rewrite(lambda d: d[..., 0].copy())),
    Planting("mirrored-data", "the data mirrored, the header kept",
             lambda i: i.rewrite(lambda d: d[::-1].copy())),
    Planting("zero", "one weighted volume is zero", lambda i: i.rewrite(_zero(5))),
    Planting("repeated", "three weighted volumes repeat the one before",
             lambda i: i.rewrite(_repeated)),
    Planting("saturated", "windowed to 8 bit with saturated b0",
             lambda i: i.rewrite(lambda d: np.clip(
                 255 * d / np.percentile(d, 90), 0, 255).astype(np.uint8))),
    Planting("noise", "pure noise", lambda i: i.rewrite(noise_like)),
    Planting("phase-ap", "PhaseEncodingDirection AP",
             lambda i: i.fields(PhaseEncodingDirection="AP"), TOLD_OR_RIGHT),
    Planting("phase-list", "PhaseEncodingDirection is a list",
             lambda i: i.fields(PhaseEncodingDirection=["j-"]), TOLD_OR_RIGHT),
    Planting("phase-axis", "PhaseEncodingDirection of another axis",
             lambda i: i.fields(PhaseEncodingDirection="i"), TOLD_OR_RIGHT, detectable=False),
    Planting("slice-nan", "a slice of a weighted volume is NaN",
             lambda i: i.rewrite(_slice(np.nan))),
    Planting("slice-zero", "a slice of a weighted volume is 0", lambda i: i.rewrite(_slice(0)),
             TOLD_OR_RIGHT),
    Planting("volume-missing", "the last volume is missing",
             lambda i: i.rewrite(lambda d: d[..., :-1].copy())),
    Planting("top-missing", "the upper third of the brain outside of the image", _cut(0, 0.6)),
    Planting("bottom-missing", "the lower half of the brain outside of the image",
             _cut(0.5, 1)),
    Planting("sform-0", "sform_code 0, the qform is right", lambda i: i.rewrite(codes=(0, 1)),
             RIGHT),
    Planting("qform-0", "qform_code 0, the sform is right", lambda i: i.rewrite(codes=(1, 0)),
             RIGHT),
    # The simulated slices that lost signal do not lie along these: they disturb the movement.
    Planting("sagittal", "sagittal slices", _sagittal, RIGHT, changed=("dwi_motion",)),
    # Interpolation takes noise away.
    Planting("oblique", "slices tilted by 25 degrees", _oblique, RIGHT,
             changed=("dwi_motion", "b0_snr")),
    Planting("second-run", "a second run with twice the b-values", _second_run, TOLD_OR_RIGHT),
    Planting("opposed-coarse", "opposed b0 volumes of half the resolution", _coarse_opposed,
             TOLD_OR_RIGHT),
    Planting("no-json", "no sidecar", lambda i: i.file(".json").unlink(), TOLD_OR_RIGHT),
)  # fmt: skip


def cases(work: Path, *, mutations: int, seed: int) -> list[Case]:
    """Simulate a person, measure their diffusion undisturbed, and plant every case in a copy."""
    person = tiny_person(work)
    raw = work / "raw"
    shutil.copytree(person.folder / "dwi", raw / "sub-01" / "dwi")
    plantings = (*COMMON, *TABLES, *VOLUMES)
    return AREA.cases(work, raw, plantings, person.anat, mutations=mutations, seed=seed)
