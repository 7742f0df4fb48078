"""Hippocampus in hand-labelled crops: the local refinement against a person's drawing.

    python benchmarks/hippocampus_crops.py DATA [--cases N] [--folds K] [--cache FOLDER]

``DATA`` has ``images`` and ``labels`` with one crop of a T1w around one hippocampus each, as Task04 of
the Medical Segmentation Decathlon has them. A crop shows no whole head. So the template is brought to
it by an affine map and a warp inside of the crop, and :func:`segment_structures` does the rest; the
side is the one whose template agrees better.

Two columns: with the template's own hippocampus, as the program ships it, and with one that is the
average of other crops' drawings in the template's space (``--folds``; a crop is never in the average
that it is measured with, and nothing of it is kept). The first holds the difference between
definitions as well; the second tells what the refinement does when the definition is the drawing's.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import ants
import nibabel as nib
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.ndimage import gaussian_filter

from commissure.anat.builtin import structures as engine
from commissure.anat.builtin.expectations import Expectation, expectations
from commissure.anat.volumes import template_coordinates
from commissure.images.atlas import structures
from commissure.images.grid import bounding_box, resample_to
from commissure.images.registration import to_ants
from commissure.images.template import template
from commissure.images.transforms import write_affine, write_warp
from commissure.images.warp import LEVELS, find_warp, local_correlation

#: The template is larger than people: what a map starts from.
SCALE = 0.93

#: Half of the box of the template that is registered, mm along x, y and z.
ROOM_MM = (30, 38, 32)

#: SD of the average of drawings, mm.
DRAWN_SD_MM = 0.7

#: ITK's millimetres run the other way along x and y.
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Crop:
    """A crop, its drawing, the side, and where its voxels lie in the template."""

    name: str
    t1w: nib.Nifti1Image
    drawn: np.ndarray
    side: str
    from_template: Path
    coordinates: np.ndarray


def read_crop(folder: Path, name: str) -> tuple[nib.Nifti1Image, np.ndarray]:
    """T1w over its 95th percentile, and the drawing."""
    image = nib.load(folder / "images" / name)
    data = np.asanyarray(image.dataobj).astype(np.float32)
    data = np.maximum(data, 1e-3 * data.max()) / np.percentile(data, 95)
    drawn = np.asanyarray(nib.load(folder / "labels" / name).dataobj) > 0
    return nib.Nifti1Image(data, image.affine), drawn


def hippocampus_centre(side: str) -> np.ndarray:
    """Middle of the box around the template's hippocampus, mm."""
    atlas = structures()
    number = atlas.labels.set_index("name").loc[f"Hippocampus_{side}", "index"]
    voxels = np.argwhere(np.asanyarray(atlas.image.dataobj) == number)
    return nib.affines.apply_affine(atlas.image.affine, (voxels.min(0) + voxels.max(0)) / 2)


def affine_in_crop(t1w: nib.Nifti1Image, side: str, folder: Path) -> np.ndarray:
    """4x4, template mm to the crop's mm; centres meet at the start."""
    whole = template("T1w")
    centre = hippocampus_centre(side)
    middle = nib.affines.apply_affine(t1w.affine, (np.array(t1w.shape) - 1) / 2)
    start = np.diag([SCALE, SCALE, SCALE, 1.0])
    start[:3, 3] = middle - SCALE * centre
    voxel = nib.affines.apply_affine(np.linalg.inv(whole.affine), centre)
    box = tuple(slice(int(v - r), int(v + r)) for v, r in zip(voxel, ROOM_MM, strict=True))
    ants.config.set_ants_deterministic(on=True, seed_value=1)
    way = str(write_affine(np.linalg.inv(start), folder / "start.mat"))
    for kind in ("Similarity", "Affine"):
        result = ants.registration(
            to_ants(t1w), to_ants(whole.slicer[box]), type_of_transform=kind,
            initial_transform=way, aff_metric="mattes", aff_random_sampling_rate=0.3,
            aff_iterations=(100, 100, 50), aff_shrink_factors=(3, 2, 1),
            aff_smoothing_sigmas=(2, 1, 0), outprefix=str(folder / kind),
        )  # fmt: skip
        way = result["fwdtransforms"][0]
    found = ants.read_transform(way)
    values, origin = np.array(found.parameters), np.array(found.fixed_parameters)
    matrix = np.eye(4)
    matrix[:3, :3] = values[:9].reshape(3, 3)
    matrix[:3, 3] = values[9:] + origin - matrix[:3, :3] @ origin
    return np.linalg.inv(LPS @ matrix @ LPS)


def seen(resolution_mm: float, matrix: np.ndarray, t1w: nib.Nifti1Image) -> nib.Nifti1Image:
    """The template's T1w, zero outside of what the crop shows."""
    image = template("T1w", resolution_mm=resolution_mm)
    step = np.linalg.inv(t1w.affine) @ matrix @ image.affine
    place = np.tensordot(step[:3, :3], np.indices(image.shape), axes=1)
    place += step[:3, 3][:, None, None, None]
    last = np.array(t1w.shape)[:, None, None, None] - 1
    inside = ((place >= 0) & (place <= last)).all(axis=0)
    data = np.where(inside, np.asanyarray(image.dataobj), 0).astype(np.float32)
    return nib.Nifti1Image(data, image.affine).slicer[bounding_box(inside, pad=8)]


def agreement(t1w: nib.Nifti1Image, matrix: np.ndarray) -> float:
    """Local correlation of the crop with the template at 2 mm."""
    part = seen(2.0, matrix, t1w)
    data = np.asanyarray(part.dataobj)
    moved = resample_to(t1w, part.shape, matrix @ part.affine)
    return local_correlation(data, moved, data > 0)


def register(folder: Path, name: str, cache: Path) -> Crop:
    """Bring the template to a crop, or read how it was brought."""
    t1w, drawn = read_crop(folder, name)
    stem = name.removesuffix(".nii.gz")
    ways = {side: cache / f"{stem}_{side}.h5" for side in "LR"}
    kept = [side for side in "LR" if ways[side].exists()]
    if kept:
        side = kept[0]
    else:
        with tempfile.TemporaryDirectory() as scratch:
            maps = {side: affine_in_crop(t1w, side, Path(scratch)) for side in "LR"}
        side = max("LR", key=lambda side: agreement(t1w, maps[side]))
        fixed = [seen(mm, maps[side], t1w) for mm in (4.0, 2.0, 1.0)]
        warp = find_warp(fixed, t1w, initial=maps[side], levels=LEVELS)
        back = np.linalg.inv(warp.to_moving)
        write_warp(warp.inverse_displacement(), warp.affine, ways[side], before=back)
    return Crop(stem, t1w, drawn, side, ways[side], template_coordinates(t1w, ways[side]))


def segmented(crop: Crop) -> tuple[float, float]:
    """Dice with the drawing, and the volume over the drawing's."""
    data = np.asanyarray(crop.t1w.dataobj)
    low, high = np.percentile(data, (10, 90))
    tissue = np.digitize(data, (low + 0.1 * (high - low), low + 0.65 * (high - low)))
    shares = np.stack([tissue == t for t in (1, 2, 0)]).astype(np.float32)
    whole = np.ones(crop.t1w.shape, bool)
    found = engine.segment_structures(crop.t1w, whole, shares, crop.from_template)
    name = f"Hippocampus_{crop.side}"
    mine = found.labels == structures().labels.set_index("name").loc[name, "index"]
    dice = 2 * (mine & crop.drawn).sum() / (mine.sum() + crop.drawn.sum())
    return float(dice), found.volumes_mm3[name] / float(crop.drawn.sum())


def drawn_expectations(crops: Sequence[Crop], side: str) -> tuple:
    """The engine's expectations, the hippocampus that of drawings carried to the template.

    Drawings of the other side are mirrored: the template is symmetrical.
    """
    image = structures().image
    total, count = np.zeros((2, *image.shape), np.float32)
    for crop in crops:
        places = crop.coordinates.copy()
        if crop.side != side:
            places[..., 0] *= -1
        known = np.isfinite(places).all(axis=-1)
        voxel = nib.affines.apply_affine(np.linalg.inv(image.affine), places[known])
        flat = np.ravel_multi_index(np.rint(voxel).astype(int).T, image.shape, mode="clip")
        np.add.at(count.reshape(-1), flat, 1)
        np.add.at(total.reshape(-1), flat, crop.drawn[known])
    count, total = (gaussian_filter(part, DRAWN_SD_MM) for part in (count, total))
    share = np.where(count > 0.05, total / np.maximum(count, 0.05), 0).astype(np.float32)
    name = f"Hippocampus_{side}"
    result = []
    for part in expectations():
        box = tuple(
            slice(int(first), int(first) + size)
            for first, size in zip(part.corner, part.probability.shape, strict=True)
        )
        if part.name != name:
            rest = part.probability * (1 - share[box])
            result.append(Expectation(part.name, part.corner, rest))
    box = bounding_box(share > 1e-4, pad=1)
    corner = np.array([axis.start for axis in box], np.float32)
    return (*result, Expectation(name, corner, share[box]))


def by_drawings(crops: Sequence[Crop], folds: int) -> list[tuple[float, float]]:
    """:func:`segmented` with the average of the other folds' drawings."""
    result = {}
    for fold in range(folds):
        others = [crop for n, crop in enumerate(crops) if n % folds != fold]
        for side in "LR":
            held = [c for n, c in enumerate(crops) if n % folds == fold and c.side == side]
            if not held:
                continue
            expected = drawn_expectations(others, side)
            with patch.object(engine, "expectations", lambda expected=expected: expected):
                result.update({crop.name: segmented(crop) for crop in held})
    return [result[crop.name] for crop in crops]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    names = sorted(path.name for path in (options.data / "images").glob("*.nii.gz"))
    names = names[: options.cases]
    console = Console()
    with tempfile.TemporaryDirectory() as scratch:
        cache = options.cache or Path(scratch)
        crops = [register(options.data, name, cache) for name in names]
        columns = {"template": [segmented(crop) for crop in crops]}
        if options.folds:
            columns[f"{options.folds} folds"] = by_drawings(crops, options.folds)
    table = Table("crop", "side", *(f"{name}: Dice, volume %" for name in columns))
    for n, crop in enumerate(crops):
        cells = [f"{d:.3f} {100 * (v - 1):+.0f}" for d, v in (c[n] for c in columns.values())]
        table.add_row(crop.name, crop.side, *cells)
    console.print(table)
    true = np.array([crop.drawn.sum() for crop in crops])
    for name, values in columns.items():
        dice, ratio = np.array(values).T
        agree = np.corrcoef(ratio * true, true)[0, 1] if len(crops) > 2 else np.nan
        console.print(
            f"{name}: {len(crops)} crops, Dice mean {dice.mean():.3f}, least {dice.min():.3f}, "
            f"{(dice >= 0.85).sum()} of at least 0.85; volume {100 * (ratio.mean() - 1):+.1f} "
            f"+- {100 * ratio.std():.1f} %, r {agree:.2f}"
        )


if __name__ == "__main__":
    main()
