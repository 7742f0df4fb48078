"""The brain masks of the built-in engine on real heads, against references made by others.

    python benchmarks/brain_masks.py ../shared/data [--heads chris pu01] [--masks FOLDER] [--again]

Prints for each head Dice and volume against a reference mask, the share of the reference's cortex
that lies more than 3 mm outside the mask, what of the mask lies more than 5 mm outside the
reference, and CPU seconds; with --again also how the volume of the
mask changes when the head is turned and resampled, pitched, or gets noisier. Where the extra
``deep`` is installed, a second row has deepbet's mask.

The reference of the OASIS heads is the brain of FastSurfer's labels: all of them, closed by a ball
of 8 mm so that sulci count, with holes filled. It ends at the pia; a mask that follows the skull is
larger. That of the other heads is FOLDER/<head>_deepbet.nii.gz, or of the data's ``references``:
made by deepbet, so that deepbet is compared with itself there. Cortex is that of a network's or
FastSurfer's labels.
"""

from __future__ import annotations

import argparse
import time
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import nibabel as nib
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.ndimage import affine_transform, binary_fill_holes, distance_transform_edt
from scipy.spatial.transform import Rotation

from commissure.anat.builtin.border import signed_distance
from commissure.anat.builtin.brain import extract_brain, is_stripped
from commissure.anat.settings import BrainExtraction
from commissure.images.grid import coarser, resample_to
from commissure.images.load import load_image, voxel_volume_mm3, zooms_mm

OASIS = "t1w-segmentations/oasis-fastsurfer-2mm/sub-oas000"
HEADS = {
    "chris": "heads/chris_t1.nii.gz",
    "sf02": "bids/sub-sf02/anat/sub-sf02_T1w.nii.gz",
    "pu01": "bids/sub-pu01/anat/sub-pu01_T1w.nii.gz",
    "op01": "bids/sub-op01/anat/sub-op01_acq-skullstripped_T1w.nii.gz",
    "ui01": "bids-more/sub-ui01/anat/sub-ui01_T1w.nii.gz",
    "xa01": "bids-more/sub-xa01/anat/sub-xa01_T1w.nii.gz",
    **{f"oas{k}": f"{OASIS}{k}_T1w.nii.gz" for k in (1, 2, 3)},
}
CORTEX = 2  # of the network's labels; FastSurfer's cortex is 1000 and above
CLOSED_MM = 8.0  # radius of the ball that closes sulci


def mask_and_seconds(image: nib.Nifti1Image, by: BrainExtraction) -> tuple[np.ndarray, float]:
    begin = time.process_time()
    mask = extract_brain(image, stripped=is_stripped(image), by=by).mask(image)
    return mask, time.process_time() - begin


def turned(image: nib.Nifti1Image, degrees: tuple[float, float, float]) -> nib.Nifti1Image:
    """The head turned about its middle and resampled by a cubic spline, on the same grid."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    middle = np.eye(4)
    middle[:3, 3] = nib.affines.apply_affine(image.affine, (np.array(image.shape) - 1) / 2)
    step = np.linalg.inv(image.affine) @ middle @ turn @ np.linalg.inv(middle) @ image.affine
    data = affine_transform(np.asanyarray(image.dataobj), step[:3, :3], step[:3, 3], order=3)
    return nib.Nifti1Image(data, image.affine)


def noisier(image: nib.Nifti1Image, share: float) -> nib.Nifti1Image:
    data = np.asanyarray(image.dataobj)
    noise = np.random.default_rng(1).normal(0, share * np.percentile(data, 99), data.shape)
    return nib.Nifti1Image(np.abs(data + noise).astype(np.float32), image.affine)


def on_grid(path: Path, image: nib.Nifti1Image, *, order: int) -> np.ndarray:
    return resample_to(nib.Nifti1Image.from_filename(path), image.shape, image.affine, order=order)


def closed(mask: np.ndarray, zooms: tuple[float, float, float], mm: float) -> np.ndarray:
    """A mask closed by a ball, with its holes filled."""
    around = int(np.ceil(mm / min(zooms))) + 1
    wide = distance_transform_edt(~np.pad(mask, around), sampling=zooms) <= mm
    whole = distance_transform_edt(wide, sampling=zooms) > mm
    return binary_fill_holes(whole[(slice(around, -around),) * 3] | mask)


def oasis_labels(name: str, data: Path, image: nib.Nifti1Image) -> np.ndarray:
    return on_grid(data / f"{OASIS}{name[-1]}_desc-aparcDKTaseg_dseg.nii.gz", image, order=0)


def cortex_of(name: str, data: Path, image: nib.Nifti1Image) -> np.ndarray | None:
    if name.startswith("oas"):
        return oasis_labels(name, data, image) >= 1000
    labels = data / "references" / f"{name}_desc-network18_dseg.nii.gz"
    return on_grid(labels, image, order=0) == CORTEX if labels.exists() else None


def reference_of(
    name: str, data: Path, masks: Path | None, image: nib.Nifti1Image
) -> np.ndarray | None:
    if name.startswith("oas"):
        return closed(oasis_labels(name, data, image) > 0, zooms_mm(image.affine), CLOSED_MM)
    paths = [data / "references" / f"{name}_desc-deepbet_mask.nii.gz"]
    paths += [masks / f"{name}_deepbet.nii.gz"] if masks else []
    there = [path for path in paths if path.exists()]
    return on_grid(there[0], image, order=1) > 0.5 if there else None


def row_of(
    image: nib.Nifti1Image,
    by: BrainExtraction,
    reference: np.ndarray | None,
    cortex: np.ndarray | None,
    *,
    again: bool,
) -> list[str]:
    mask, seconds = mask_and_seconds(image, by)
    litres = mask.sum() * voxel_volume_mm3(image.affine) / 1e6
    row = [f"{litres:.3f}", "", "", "", "", f"{seconds:.1f}"]
    if reference is not None:
        row[1] = f"{2 * (mask & reference).sum() / (mask.sum() + reference.sum()):.3f}"
        row[2] = f"{100 * (mask.sum() / reference.sum() - 1):+.1f}"
        beyond = mask & (signed_distance(reference, zooms_mm(image.affine)) > 5)
        row[4] = f"{1e3 * beyond.sum() * voxel_volume_mm3(image.affine) / 1e6:.1f}"
    if cortex is not None:
        away = signed_distance(mask, zooms_mm(image.affine))
        row[3] = f"{100 * (away[cortex] > 3).mean():.3f}"
    if again:
        for other in (turned(image, (6, 6, 6)), noisier(image, 0.03), turned(image, (20, 0, 0))):
            row.append(f"{100 * (mask_and_seconds(other, by)[0].sum() / mask.sum() - 1):+.2f}")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    columns = ["head", "by", "litres", "Dice", "TIV %", "cortex lost %", "beyond mL", "CPU s"]
    columns += ["10 deg %", "noise 3 %", "pitch 20 %"] if given.again else []
    table = Table(*columns, title="Brain masks, one thread")
    methods = get_args(BrainExtraction) if find_spec("deepbet") else ("builtin",)
    for name in given.heads:
        image = load_image(given.data / HEADS[name], who=name, ndim=3)
        image = coarser(image, 1.0) if min(zooms_mm(image.affine)) < 0.95 else image
        reference = reference_of(name, given.data, given.masks, image)
        cortex = cortex_of(name, given.data, image)
        for by in methods:
            table.add_row(name, by, *row_of(image, by, reference, cortex, again=given.again))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
