"""The warp to the template beside antspyx's SyN at 1 mm, on real heads, one thread.

    python benchmarks/warp.py [chris oas1 ...] [--data ../shared/data] [--masks FOLDER] [--alone]
    python benchmarks/warp.py --simulated 1 --alone

Both start from the same brain: N4 inside a mask that neither made. Judged are the mean local
correlation (windows of 5 mm) with the template at 1 mm, what it was bought with (folds, range of
local volumes), and the overlap of the template's structures, carried back, with an independent
segmentation. Heads without a reference mask need one in ``--masks`` (``HEAD_deepbet.nii.gz``).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ants
import nibabel as nib
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.ndimage import binary_closing, binary_fill_holes

from commissure.anat.builtin.warp import affine_to_template, warp_to_template
from commissure.images.atlas import structures
from commissure.images.grid import coarser, resample_to
from commissure.images.load import zooms_mm
from commissure.images.registration import apply_transform, to_ants
from commissure.images.template import template
from commissure.images.warp import jacobian_determinants, local_correlation, refined_affine
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.head.anatomy import draw_anatomy
from commissure.phantom.protocol import chosen_protocol
from commissure.phantom.scanner.t1w import simulate_t1w

HERE = Path(__file__).resolve().parent
OASIS = "t1w-segmentations/oasis-fastsurfer-2mm/sub-oas000"

#: T1w, brain mask and segmentation of each head below the data's folder.
HEADS = {
    "chris": ("heads/chris_t1", "references/chris_desc-deepbet_mask", "references/chris_desc-network18_dseg"),
    "sf02": ("bids/sub-sf02/**/*_T1w", "references/sf02_desc-deepbet_mask", "references/sf02_desc-network18_dseg"),
    "pu01": ("bids/sub-pu01/**/*_T1w", "references/pu01_desc-deepbet_mask", "references/pu01_desc-network18_dseg"),
    "op01": ("bids/sub-op01/**/*_T1w", None, None),
    "xa01": ("bids-more/sub-xa01/**/*_T1w", None, None),
    "ui01": ("bids-more/sub-ui01/**/*_T1w", None, None),
    **{f"oas{n}": (f"{OASIS}{n}_T1w", None, f"{OASIS}{n}_desc-aparcDKTaseg_dseg") for n in (1, 2, 3)},
}  # fmt: skip

#: Structures that are compared: FreeSurfer's numbers, both sides, and the network's number.
COMPARED = {
    "ventricle": ((4, 43), 3), "thalamus": ((10, 49), 7), "caudate": ((11, 50), 8),
    "putamen": ((12, 51), 9), "pallidum": ((13, 52), 10), "hippocampus": ((17, 53), 14),
    "amygdala": ((18, 54), 15), "accumbens": ((26, 58), 16),
}  # fmt: skip


@dataclass(frozen=True)
class Head:
    """A brain without skull and shading, at 1 mm or coarser, and a segmentation of it."""

    name: str
    brain: nib.Nifti1Image
    labels: nib.Nifti1Image | None


def canonical(path: Path) -> nib.Nifti1Image:
    image = nib.as_closest_canonical(nib.Nifti1Image.from_filename(path))
    return nib.Nifti1Image(np.nan_to_num(np.asanyarray(image.dataobj)), image.affine)


def real_heads(names: list[str], data: Path, masks: Path | None) -> Iterator[Head]:
    for name in names:
        t1w_name, mask_name, labels_name = HEADS[name]
        t1w = canonical(next(data.glob(f"{t1w_name}.nii.gz")))
        labels = canonical(data / f"{labels_name}.nii.gz") if labels_name else None
        if masks is not None and (masks / f"{name}_deepbet.nii.gz").exists():
            mask = canonical(masks / f"{name}_deepbet.nii.gz")
        elif mask_name is not None:
            mask = canonical(data / f"{mask_name}.nii.gz")
        elif labels is not None:
            room = np.pad(np.asanyarray(labels.dataobj) > 0, 4)
            closed = binary_fill_holes(binary_closing(room, iterations=3))[4:-4, 4:-4, 4:-4]
            mask = nib.Nifti1Image(closed.astype(np.float32), labels.affine)
        elif name == "op01":
            foreground = np.asanyarray(t1w.dataobj) > 0
            mask = nib.Nifti1Image(foreground.astype(np.float32), t1w.affine)
        else:
            print(f"{name}: no mask, left out")
            continue
        yield Head(name, corrected(t1w, mask), labels)


def simulated_heads(count: int) -> Iterator[Head]:
    protocol = chosen_protocol("demo", {"anat.voxel_mm": 4.0})
    people = draw_cohort(CohortRequest(controls=1, responsive=1, resistant=count, missing=0.0))
    for person in people[:count]:
        head = draw_anatomy(person, protocol, np.random.default_rng(person.seed))
        image = simulate_t1w(head, person, protocol, np.random.default_rng(person.seed + 1))
        brain = np.where(head.gm + head.wm + head.csf > 0.5, image.data, 0).astype(np.float32)
        yield Head(f"simulated {person.seed}", nib.Nifti1Image(brain, head.affine), None)


def corrected(t1w: nib.Nifti1Image, mask: nib.Nifti1Image) -> nib.Nifti1Image:
    if min(zooms_mm(t1w.affine)) < 0.85:
        t1w = coarser(t1w, 1.0)
    inside = resample_to(mask, t1w.shape, t1w.affine) > 0.5
    light = ants.n4_bias_field_correction(
        to_ants(t1w),
        mask=to_ants(nib.Nifti1Image(inside.astype(np.float32), t1w.affine)),
        shrink_factor=4 if min(zooms_mm(t1w.affine)) < 1.5 else 2,
        convergence={"iters": [50, 50, 50], "tol": 1e-7},
        spline_param=150,
    ).numpy()
    return nib.Nifti1Image(np.where(inside, light, 0).astype(np.float32), t1w.affine)


def engine(brain: nib.Nifti1Image, there: Path, back: Path) -> None:
    """The engine's warp, from the centres of mass."""
    fixed = template("T1w", resolution_mm=8.0)
    start = np.eye(4)
    start[:3, 3] = centre(brain) - centre(fixed)
    initial = affine_to_template(brain, initial=refined_affine([fixed], brain, initial=start))
    voxel_mm = max(2.0, min(zooms_mm(brain.affine)))
    warp_to_template(
        brain, initial=initial, voxel_mm=voxel_mm, to_template=there, from_template=back
    )


def syn(brain: nib.Nifti1Image, there: Path, back: Path) -> None:
    """The default of antspyx: affine, then SyN by mutual information."""
    ants.config.set_ants_deterministic(on=True, seed_value=1)
    result = ants.registration(
        to_ants(template("T1w")),
        to_ants(brain),
        type_of_transform="SyN",
        outprefix=f"{there.parent}/syn",
        write_composite_transform=True,
    )
    Path(result["fwdtransforms"]).rename(there)
    Path(result["invtransforms"]).rename(back)


def centre(image: nib.Nifti1Image) -> np.ndarray:
    voxel = np.stack(np.nonzero(np.asanyarray(image.dataobj) > 0)).mean(axis=1)
    return nib.affines.apply_affine(image.affine, voxel)


def judged(head: Head, there: Path, back: Path) -> dict[str, float]:
    fixed, mask = template("T1w"), np.asanyarray(template("mask").dataobj) > 0
    moved = np.asanyarray(apply_transform(head.brain, fixed, [there]).dataobj)
    figures = {"local r": local_correlation(moved, np.asanyarray(fixed.dataobj), mask)}
    half = template("mask", resolution_mm=2.0)
    places = apply_transform(places_mm(), half, [there], interpolation="linear")
    shift = np.moveaxis(np.asanyarray(places.dataobj), -1, 0) / 2.0 - np.indices(half.shape)
    volume = jacobian_determinants(shift)[np.asanyarray(half.dataobj) > 0]
    volume = volume / np.median(volume)
    figures["folded %"] = float(100 * (volume <= 0).mean())
    figures["volume 0.1 %"], figures["99.9 %"] = map(float, np.percentile(volume, (0.1, 99.9)))
    if head.labels is None:
        return figures
    carried = apply_transform(
        structures().image, head.labels, [back], interpolation="nearestNeighbor"
    )
    labels = np.asanyarray(head.labels.dataobj)
    overlap = {}
    for name, (freesurfer, network) in COMPARED.items():
        numbers = (network,) if int(labels.max()) < 18 else freesurfer
        mine = np.isin(np.asanyarray(carried.dataobj), freesurfer)
        theirs = np.isin(labels, numbers)
        overlap[name] = 2 * float((mine & theirs).sum()) / float(mine.sum() + theirs.sum())
    return {**figures, "mean Dice": float(np.mean(list(overlap.values()))), **overlap}


def places_mm() -> nib.Nifti1Image:
    """An image over half a metre whose three volumes are its own coordinates in mm."""
    affine = np.diag([50.0, 50.0, 50.0, 1.0])
    affine[:3, 3] = -250.0
    mm = np.moveaxis(
        nib.affines.apply_affine(affine, np.moveaxis(np.indices((11,) * 3), 0, -1)), -1, 0
    )
    return nib.Nifti1Image(np.moveaxis(mm, 0, -1).astype(np.float32), affine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("heads", nargs="*", metavar="HEAD", help=", ".join(HEADS))
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared/data")
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--simulated", type=int, default=0, help="simulated heads instead")
    parser.add_argument("--alone", action="store_true", help="without SyN")
    given = parser.parse_args()
    chains: dict[str, Callable[[nib.Nifti1Image, Path, Path], None]] = {"engine": engine}
    if not given.alone:
        chains["SyN, 1 mm"] = syn
    heads = (
        simulated_heads(given.simulated)
        if given.simulated
        else real_heads(given.heads or list(HEADS), given.data, given.masks)
    )
    rows: list[tuple[str, str, dict[str, float]]] = []
    for mm in (1.0, 2.0, 4.0, 8.0):
        template("T1w", resolution_mm=mm)  # read before anything is timed
    for head in heads:
        for name, chain in chains.items():
            with tempfile.TemporaryDirectory() as folder:
                there, back = Path(folder, "there.h5"), Path(folder, "back.h5")
                begin = time.process_time()
                chain(head.brain, there, back)
                cpu = time.process_time() - begin
                rows.append((head.name, name, {"CPU s": cpu, **judged(head, there, back)}))
                print(head.name, name, {k: round(v, 3) for k, v in rows[-1][2].items()}, flush=True)
    table = Table(title="Warp to the template, one thread")
    columns = max((figures for _, _, figures in rows), key=len)
    for column in ("head", "", *columns):
        table.add_column(column)
    for head_name, name, figures in rows:
        cells = [f"{figures[key]:.2f}" if key in figures else "-" for key in columns]
        table.add_row(head_name, name, *cells)
    Console(width=190).print(table)


if __name__ == "__main__":
    main()
