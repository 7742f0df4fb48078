"""Ways between template spaces that a TemplateFlow home of the user's holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.images.registration import apply_transform
from commissure.images.template import SPACES, template


@dataclass(frozen=True)
class Way:
    """A transform of images from one template space to another.

    Attributes
    ----------
    start, target
        TemplateFlow names; ``start`` with its cohort as ``MNIInfant+3``.
    path
        The composite file.
    """

    start: str
    target: str
    path: Path


def way(home: str, start: str, target: str) -> Way | None:
    """The transform that takes images from a space to another; None where there is none.

    Parameters
    ----------
    home
        TemplateFlow's folder; empty for none.
    start
        Space of the images, with its cohort as ``MNIInfant+3``.
    target
        Space in which they are to arrive.
    """
    if not home:
        return None
    folder = Path(home) / f"tpl-{target}"
    end = f"_from-{start}_mode-image_xfm.h5"
    found = sorted(p for p in folder.rglob(f"tpl-{target}*{end}") if "cohort-" not in p.name)
    return Way(start, target, found[0]) if found else None


def way_to_known(home: str, start: str) -> Way | None:
    """The transform to the first known space: that of the parcels before others."""
    targets = (target for target in SPACES if target != start)
    return next((w for target in targets if (w := way(home, start, target))), None)


def wanted_file(start: str) -> str:
    """Name of the file that would bring a space to a known one, for errors."""
    known = SPACES[1]
    return f"tpl-{known}/tpl-{known}_from-{start}_mode-image_xfm.h5"


def carried_mask(mask: nib.Nifti1Image, over: Way, resolution_mm: float) -> nib.Nifti1Image | None:
    """A brain mask in the space where a way ends, on the template's grid.

    Parameters
    ----------
    mask
        In the space where the way starts.
    over
        The way.
    resolution_mm
        Voxel size of the grid.

    Returns
    -------
    nibabel.Nifti1Image or None
        None where the brain lies worse on the template's than without the transform, as with a file
        that leads the other way than its name says.
    """
    grid = template("mask", resolution_mm=resolution_mm)
    brain = np.asanyarray(grid.dataobj) > 0
    identity = nib.Nifti1Image(np.asanyarray(mask.dataobj).astype(np.float32), mask.affine)
    moved = apply_transform(identity, grid, [over.path], interpolation="nearestNeighbor")
    still = apply_transform(identity, grid, [], interpolation="nearestNeighbor")
    overlaps = [_dice(np.asanyarray(image.dataobj) > 0.5, brain) for image in (moved, still)]
    return moved if overlaps[0] >= overlaps[1] else None


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    both = first.sum() + second.sum()
    return float(2 * (first & second).sum() / both) if both else 0.0
