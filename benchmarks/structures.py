"""Deep structures and ventricles of heads: overlap, volumes, repeatability and planted change.

    python benchmarks/structures.py HEADS.tsv [--only NAME ...] [--repeat] [--planted]
    python benchmarks/structures.py --painted

``HEADS.tsv`` has one row a head: ``name``, ``t1w``, ``mask`` (a brain mask on the T1w's grid;
empty: the built-in engine finds it), ``labels`` (a reference segmentation on any grid) and
``names``: ``freesurfer`` where its labels are FreeSurfer's, ``structures18`` where they are the 18
classes without sides of the template's segmentation. Paths are relative to the table.

``--repeat`` turns each head by 10 degrees, resamples it and adds noise of 3 %. ``--planted``
shrinks the left hippocampus by 5 and 10 % and enlarges the lateral ventricles 2.5-fold, each by a
smooth warp of the image, and asks how much of it is found and how much its neighbours change.

``--painted`` needs no data: the template's structures, painted with one intensity each, blur and
noise; with the true labels known to the voxel.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from ants import n4_bias_field_correction
from rich.console import Console
from rich.table import Table
from scipy.ndimage import (
    affine_transform,
    binary_dilation,
    distance_transform_edt,
    gaussian_filter,
    map_coordinates,
)

from commissure.anat.builtin.structures import SegmentedStructures, segment_structures
from commissure.anat.builtin.warp import affine_to_template, warp_to_template
from commissure.images.atlas import structures
from commissure.images.grid import bounding_box, resample_to
from commissure.images.load import voxel_volume_mm3, zooms_mm
from commissure.images.registration import to_ants
from commissure.images.template import template
from commissure.images.transforms import write_affine
from commissure.images.warp import jacobian_determinants

SHOWN = (
    "Hippocampus", "Amygdala", "Thalamus", "Caudate", "Putamen", "Pallidum", "Accumbens",
    "LateralVentricle",
)  # fmt: skip

#: FreeSurfer's choroid plexus, which is part of the lateral ventricle here.
PLEXUS = {"L": 31, "R": 63}

#: Intensities of the painted head by FreeSurfer's name.
PAINT = {
    "Cerebral-White-Matter": 100.0, "Cerebral-Cortex": 62.0, "Cerebellum-White-Matter": 100.0,
    "Cerebellum-Cortex": 62.0, "Thalamus": 82.0, "Caudate": 70.0, "Putamen": 76.0,
    "Pallidum": 94.0, "Brain-Stem": 96.0, "Hippocampus": 63.0, "Amygdala": 63.0,
    "Accumbens-area": 70.0, "VentralDC": 94.0,
}  # fmt: skip


@dataclass(frozen=True)
class Head:
    """A head, ready to be segmented: coil brightness divided out, brain known."""

    name: str
    t1w: nib.Nifti1Image
    mask: np.ndarray


def flat(image: nib.Nifti1Image, mask: np.ndarray) -> nib.Nifti1Image:
    """The image over its coil brightness (N4), 95th percentile of the brain at 1."""
    brain = to_ants(nib.Nifti1Image(mask.astype(np.float32), image.affine))
    shrink = max(1, round(4 / zooms_mm(image.affine)[0]))
    data = n4_bias_field_correction(
        to_ants(image), mask=brain, shrink_factor=shrink,
        convergence={"iters": [50, 50, 50], "tol": 1e-7}, spline_param=100,
    ).numpy()  # fmt: skip
    return nib.Nifti1Image(data / np.percentile(data[mask], 95), image.affine)


def posteriors(head: Head) -> np.ndarray:
    """GM, WM and CSF by thresholds: only the labels far from the structures need them."""
    data = np.asanyarray(head.t1w.dataobj)
    low, high = np.percentile(data[head.mask], (10, 90))
    tissue = np.digitize(data, (low + 0.1 * (high - low), low + 0.65 * (high - low)))
    return np.stack([(tissue == t) & head.mask for t in (1, 2, 0)]).astype(np.float32)


def segmented(head: Head, folder: Path) -> SegmentedStructures:
    """Warp the head to the template and segment its structures."""
    brain = np.where(head.mask, np.asanyarray(head.t1w.dataobj), 0).astype(np.float32)
    part = nib.Nifti1Image(brain, head.t1w.affine).slicer[bounding_box(head.mask, pad=3)]
    matrix = affine_to_template(part, initial=start(head))
    ways = Path(folder, "forward.h5"), Path(folder, "back.h5")
    warp_to_template(part, initial=matrix, voxel_mm=2.0, to_template=ways[0], from_template=ways[1])
    return segment_structures(head.t1w, head.mask, posteriors(head), ways[1])


def start(head: Head) -> np.ndarray:
    """4x4 from the template's mm to the head's: centres meet, sizes agree."""
    target = template("mask", resolution_mm=2.0)
    there, here = (
        nib.affines.apply_affine(affine, np.argwhere(inside).mean(axis=0))
        for affine, inside in (
            (target.affine, np.asanyarray(target.dataobj) > 0),
            (head.t1w.affine, head.mask),
        )
    )
    litres = head.mask.sum() * voxel_volume_mm3(head.t1w.affine)
    scale = (litres / (np.asanyarray(target.dataobj).sum() * 8)) ** (1 / 3)
    matrix = np.diag([scale, scale, scale, 1.0])
    matrix[:3, 3] = here - scale * there
    return matrix


def turned(head: Head, *, degrees: float = 10.0, noise_percent: float = 3.0) -> Head:
    """The head turned about the vertical axis through its brain, resampled, with noise."""
    angle = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    centre = nib.affines.apply_affine(head.t1w.affine, np.argwhere(head.mask).mean(axis=0))
    turn[:3, 3] = centre - turn[:3, :3] @ centre
    step = np.linalg.inv(head.t1w.affine) @ turn @ head.t1w.affine
    data = affine_transform(
        np.asanyarray(head.t1w.dataobj), step[:3, :3], step[:3, 3], order=3, mode="nearest"
    )
    mask = affine_transform(head.mask.astype(np.float32), step[:3, :3], step[:3, 3], order=1) > 0.5
    spread = noise_percent / 100 * np.percentile(data[mask], 95)
    data = np.abs(data + np.random.default_rng(1).normal(0, spread, data.shape))
    return Head(head.name, nib.Nifti1Image(data.astype(np.float32), head.t1w.affine), mask)


def grown(
    head: Head, target: np.ndarray, factor: float, *, fading_mm: float
) -> tuple[Head, np.ndarray]:
    """The head, a region of it smoothly grown or shrunk to ``factor`` of its volume.

    Its surface moves along its normals; what lies within ``fading_mm`` makes room or follows.
    Also gives where each voxel comes from, (3, X, Y, Z).
    """
    size = np.array(zooms_mm(head.t1w.affine))
    away = distance_transform_edt(~target, sampling=size)
    away = gaussian_filter(away - distance_transform_edt(target, sampling=size), 1.0 / size)
    normal = np.stack(np.gradient(away, *size))
    normal /= np.maximum(np.sqrt((normal**2).sum(axis=0)), 1e-3)
    outside = np.clip(1 - away / fading_mm, 0, 1)
    weight = np.where(away > 0, outside, np.exp(away / 2))
    unit = normal * weight / size[:, None, None, None]
    place = np.indices(head.mask.shape)
    low, high = -0.5 * fading_mm, 0.9 * fading_mm
    for _ in range(12):
        source = place - (low + high) / 2 * unit
        moved = map_coordinates(target.astype(np.float32), source, order=1).sum()
        middle = (low + high) / 2
        low, high = (low, middle) if moved > factor * target.sum() else (middle, high)
    data = map_coordinates(np.asanyarray(head.t1w.dataobj), source, order=3, mode="nearest")
    return Head(head.name, nib.Nifti1Image(data, head.t1w.affine), head.mask), source


def widened(
    head: Head, target: np.ndarray, factor: float, *, fading_mm: float
) -> tuple[Head, np.ndarray, np.ndarray]:
    """The head, a region of it enlarged to ``factor`` of its volume by a diffeomorphism.

    The map is a flow: steps of at most 0.4 mm along the surface's smoothed normals, which fade to
    nothing within ``fading_mm``, each step composed with those before. Also gives where each voxel
    comes from, (3, X, Y, Z), and the map's Jacobian determinants: where they are positive, the
    volume of anything in the new head is that of its old mask, looked up at the source.
    """
    size = np.array(zooms_mm(head.t1w.affine))
    every = tuple(max(1, round(1.8 / edge)) for edge in size)
    coarse, step_mm = target[tuple(slice(None, None, n) for n in every)], size * every
    place = np.indices(coarse.shape, dtype=np.float32)
    column = step_mm[:, None, None, None].astype(np.float32)
    source, mask = place.copy(), coarse.astype(np.float32)
    for _ in range(60):
        inside = mask > 0.5
        away = distance_transform_edt(~inside, sampling=step_mm)
        away -= distance_transform_edt(inside, sampling=step_mm)
        normal = np.stack(np.gradient(gaussian_filter(away, 1.5 / step_mm), *step_mm))
        normal *= np.clip(1 - np.maximum(away, 0) / fading_mm, 0, 1)
        flow = np.stack([gaussian_filter(part, 3.0 / step_mm) for part in normal])
        flow *= 0.4 / np.abs(flow).max() / column
        source = np.stack(
            [map_coordinates(p, place - flow, order=1, mode="nearest") for p in source]
        )
        before, mask = mask, map_coordinates(coarse.astype(np.float32), source, order=1)
        if mask.sum() >= factor * coarse.sum():
            break
    assert mask.sum() > before.sum(), "the region stopped growing"
    shift = source - place
    fine = np.indices(head.mask.shape, dtype=np.float32)
    where = fine / np.array(every, np.float32)[:, None, None, None]
    shift = np.stack([map_coordinates(part, where, order=1, mode="nearest") for part in shift])
    shift = np.stack([gaussian_filter(p * n, 0.7) for p, n in zip(shift, every, strict=True)])
    volume = jacobian_determinants(shift)
    data = map_coordinates(np.asanyarray(head.t1w.dataobj), fine + shift, order=3, mode="nearest")
    return Head(head.name, nib.Nifti1Image(data, head.t1w.affine), head.mask), fine + shift, volume


def overlap(
    found: SegmentedStructures, head: Head, labels: nib.Nifti1Image, names: str
) -> dict[str, tuple[float, float, float]]:
    """Dice, reference volume and found volume (mL) of each structure, sides together."""
    table = structures().labels.set_index("name")
    reference = np.asanyarray(labels.dataobj)
    image = nib.Nifti1Image(found.labels, head.t1w.affine)
    here = resample_to(image, reference.shape, labels.affine, order=0)
    column = "index" if names == "freesurfer" else "class"
    rows = {}
    for name in SHOWN:
        sides = [f"{name}_{side}" for side in "LR"]
        wanted = [int(table.loc[side, column]) for side in sides]
        if name == "LateralVentricle" and names == "freesurfer":
            wanted += PLEXUS.values()
        true = np.isin(reference, wanted)
        mine = np.isin(here, [table.loc[side, "index"] for side in sides])
        dice = 2 * (true & mine).sum() / max(1, true.sum() + mine.sum())
        true_ml = true.sum() * voxel_volume_mm3(labels.affine) / 1000
        rows[name] = float(dice), float(true_ml), sum(found.volumes_mm3[s] for s in sides) / 1000
    return rows


def painted() -> tuple[Head, nib.Nifti1Image]:
    """The template's structures as a T1w, and the labels that it was painted of."""
    atlas = structures().image
    labels = np.asanyarray(atlas.dataobj)[::2, ::2, ::2]
    affine = atlas.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    table = structures().labels
    names = table["freesurfer"].str.removeprefix("Left-").str.removeprefix("Right-")
    value = np.full(int(table["index"].max()) + 1, 20.0)
    value[table["index"]] = [PAINT.get(name, 20.0) for name in names]
    noise = np.random.default_rng(3).normal(0, 2.5, labels.shape)
    data = (gaussian_filter(value[labels], 0.5) + noise).astype(np.float32)
    head = Head("painted", nib.Nifti1Image(data, affine), binary_dilation(labels > 0, iterations=2))
    return head, nib.Nifti1Image(labels, affine)


def read_head(row: pd.Series, folder: Path) -> Head:
    """A head of the table, its coil brightness divided out."""
    image = nib.load(folder / row["t1w"])
    image = nib.Nifti1Image(np.asanyarray(image.dataobj).astype(np.float32), image.affine)
    mask = np.asanyarray(nib.load(folder / row["mask"]).dataobj) > 0
    return Head(str(row["name"]), flat(image, mask), mask)


def print_overlap(console: Console, rows: list[tuple]) -> None:
    table = Table("head", "structure", "Dice", "reference mL", "found mL", "error %")
    for head, name, dice, true, mine in rows:
        error = f"{100 * (mine / true - 1):+.1f}"
        table.add_row(head, name, f"{dice:.3f}", f"{true:.2f}", f"{mine:.2f}", error)
    console.print(table)


def print_changes(
    console: Console, title: str, before: SegmentedStructures, after: SegmentedStructures
) -> None:
    table = Table("structure", "left %", "right %", title=title)
    for name in SHOWN:
        changes = [
            100 * (after.volumes_mm3[f"{name}_{s}"] / before.volumes_mm3[f"{name}_{s}"] - 1)
            for s in "LR"
        ]
        table.add_row(name, *(f"{change:+.1f}" for change in changes))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("heads", type=Path, nargs="?")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--repeat", action="store_true")
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--painted", action="store_true")
    options = parser.parse_args()
    console, rows = Console(), []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.painted:
            head, labels = painted()
            identity = write_affine(np.eye(4), folder / "identity.mat")
            found = segment_structures(head.t1w, head.mask, posteriors(head), identity)
            for name, values in overlap(found, head, labels, "freesurfer").items():
                rows.append((head.name, name, *values))
        heads = pd.read_csv(options.heads, sep="\t") if options.heads else pd.DataFrame()
        for _, row in heads.iterrows():
            if options.only and row["name"] not in options.only:
                continue
            head = read_head(row, options.heads.parent)
            began = time.process_time()
            found = segmented(head, folder)
            console.print(f"{head.name}: {time.process_time() - began:.1f} CPU s, warp and all")
            if isinstance(row["labels"], str):
                labels = nib.load(options.heads.parent / row["labels"])
                for name, values in overlap(found, head, labels, row["names"]).items():
                    rows.append((head.name, name, *values))
            if options.repeat:
                again = segmented(turned(head), folder)
                title = f"{head.name}: turned by 10 degrees, noise of 3 %"
                print_changes(console, title, found, again)
            if options.planted:
                planted(console, head, found, folder)
    if rows:
        print_overlap(console, rows)


def planted(console: Console, head: Head, found: SegmentedStructures, folder: Path) -> None:
    """Change hippocampus and ventricles smoothly; print what was planted and what is found."""
    number = structures().labels.set_index("name")["index"]
    hippocampus = found.labels == number["Hippocampus_L"]
    ventricles = np.isin(found.labels, [number[f"LateralVentricle_{side}"] for side in "LR"])
    for name, factor in (("Hippocampus_L", 0.95), ("Hippocampus_L", 0.9), ("ventricles", 2.5)):
        if name == "ventricles":
            change, source, volume = widened(head, ventricles, factor, fading_mm=25.0)
            console.print(f"local volume {volume.min():.2f} to {volume.max():.2f}")
        else:
            change, source = grown(head, hippocampus, factor, fading_mm=6.0)
        after = segmented(change, folder)
        title = f"{head.name}: {name} x {factor:g}"
        table = Table("structure", "planted left, right %", "found left, right %", title=title)
        for shown in SHOWN:
            sides = [f"{shown}_{side}" for side in "LR"]
            masks = [(found.labels == number[side]).astype(np.float32) for side in sides]
            true = [map_coordinates(m, source, order=1).sum() / m.sum() for m in masks]
            mine = [after.volumes_mm3[side] / found.volumes_mm3[side] for side in sides]
            table.add_row(
                shown, *("  ".join(f"{100 * (r - 1):+.1f}" for r in row) for row in (true, mine))
            )
        console.print(table)


if __name__ == "__main__":
    main()
