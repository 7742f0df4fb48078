"""The way from a person's brain to the template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.images.load import zooms_mm
from commissure.images.template import template
from commissure.images.transforms import write_warp
from commissure.images.warp import LEVELS, Warp, find_warp, refined_affine

#: Voxel sizes at which the affine map is found.
AFFINE_MM = (8.0, 4.0)


@dataclass(frozen=True)
class TemplateWarp:
    """A person's warp, with what speaks for its quality.

    Attributes
    ----------
    warp
        Template to person.
    folded_percent
        Share of the template's brain in which the map turns space inside out.
    jacobian
        0.1st and 99.9th percentile, within the template's brain, of the local volume in the person
        over that in the template, the affine map left out.
    """

    warp: Warp
    folded_percent: float
    jacobian: tuple[float, float]

    def sidecar(self) -> dict[str, object]:
        """The figures under the names that the transform's sidecar gives them."""
        return {
            "FoldedPercent": round(self.folded_percent, 4),
            "JacobianRange": [round(value, 3) for value in self.jacobian],
        }


def affine_to_template(brain: nib.Nifti1Image, *, initial: np.ndarray) -> np.ndarray:
    """4x4, template mm to the person's mm, for a brain without its skull.

    Parameters
    ----------
    brain
        3-D T1w, zero outside the brain.
    initial
        4x4 to start from, within 20 degrees and 15 mm.
    """
    fixed = [template("T1w", resolution_mm=mm) for mm in AFFINE_MM]
    return refined_affine(fixed, brain, initial=initial)


def warp_to_template(
    brain: nib.Nifti1Image,
    *,
    initial: np.ndarray,
    voxel_mm: float,
    to_template: Path,
    from_template: Path,
) -> TemplateWarp:
    """Find a brain's warp to the template and write both directions.

    Parameters
    ----------
    brain
        3-D T1w, zero outside the brain. What shading is left in it does not matter.
    initial
        4x4, template mm to the person's mm (:func:`affine_to_template`).
    voxel_mm
        Voxel size of the finest level.
    to_template, from_template
        ITK composites to write (``.h5``): they move images to the template and back.
    """
    doubled = [voxel_mm * 2**power for power in reversed(range(len(LEVELS)))]
    fixed = [template("T1w", resolution_mm=mm) for mm in doubled]
    warp = find_warp(fixed, brain, initial=initial, levels=LEVELS)
    return write_ways(warp, to_template, from_template)


def write_ways(warp: Warp, to_template: Path, from_template: Path) -> TemplateWarp:
    """Write both directions of a warp from the template to a person.

    Parameters
    ----------
    warp
        On a grid of the template.
    to_template, from_template
        ITK composites to write (``.h5``): they move images to the template and back.
    """
    write_warp(warp.displacement, warp.affine, to_template, after=warp.to_moving)
    back = np.linalg.inv(warp.to_moving)
    write_warp(warp.inverse_displacement(), warp.affine, from_template, before=back)
    brain = template("T1w", resolution_mm=zooms_mm(warp.affine)[0])
    volume = warp.jacobian_determinants()[np.asanyarray(brain.dataobj) > 0]
    low, high = np.percentile(volume, (0.1, 99.9))
    return TemplateWarp(warp, float(100 * (volume <= 0).mean()), (float(low), float(high)))
