"""From a T1w image to brain, tissues and the way to the template.

The registered template says which tissue to expect where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

from commissure.anat.builtin.brain import Brain, coil_brightness, extract_brain
from commissure.anat.builtin.tissues import Segmentation, tissue_posteriors
from commissure.anat.builtin.warp import TemplateWarp, affine_to_template, warp_to_template
from commissure.anat.settings import AnatPreprocessSettings, chosen_extraction
from commissure.images.anat_files import TISSUES
from commissure.images.grid import bounding_box, coarser, resample_to
from commissure.images.load import zooms_mm
from commissure.images.registration import apply_transform
from commissure.images.template import TemplateMap, template

#: Trust in the template's tissues once brightness is learnt. They are the mean of many people, with
#: more grey matter than anybody: in full they add a tenth to the grey matter of real heads.
TISSUE_TRUST = 0.6


@dataclass(frozen=True)
class SegmentedHead:
    """What the engine finds in a T1w, on the grid it segmented on.

    Attributes
    ----------
    mask
        (X, Y, Z) bool.
    tissues
        Segmentation on the same grid.
    brightness
        3-D image of the smooth brightness that the T1w is to be divided by.
    warp
        The way to the template, with what speaks for its quality.
    brain
        Where the brain is.
    """

    mask: np.ndarray
    tissues: Segmentation
    brightness: nib.Nifti1Image
    warp: TemplateWarp
    brain: Brain


def segmented(
    image: nib.Nifti1Image,
    *,
    stripped: bool,
    settings: AnatPreprocessSettings,
    to_template: Path,
    from_template: Path,
) -> SegmentedHead:
    """Find brain, tissues and the way to the template.

    Parameters
    ----------
    image
        3-D T1w on the grid to segment on.
    stripped
        Whether it comes without skull.
    settings
        Resolutions and weights.
    to_template, from_template
        Composite transforms to write (``.h5``).
    """
    low = _registration_grid(image, settings)
    by = chosen_extraction(settings.brain_extraction)
    brain = extract_brain(image, stripped=stripped, by=by)
    mask = brain.mask(low)
    light = coil_brightness(low, mask)
    flat = np.asanyarray(low.dataobj) / light
    alone = nib.Nifti1Image(np.where(mask, flat, 0).astype(np.float32), low.affine)
    warp = warp_to_template(
        alone,
        initial=affine_to_template(alone, initial=brain.to_person),
        voxel_mm=max(settings.registration_resolution_mm, min(zooms_mm(image.affine))),
        to_template=to_template,
        from_template=from_template,
    )
    return with_tissues(image, brain, warp, from_template, settings=settings, light=light)


def with_tissues(
    image: nib.Nifti1Image,
    brain: Brain,
    warp: TemplateWarp,
    from_template: Path,
    *,
    settings: AnatPreprocessSettings,
    light: np.ndarray | None = None,
) -> SegmentedHead:
    """Segment the tissues of a head whose brain and way to the template are known.

    Parameters
    ----------
    image
        3-D T1w on the grid to segment on.
    brain, warp
        Where the brain is, and its way to the template.
    from_template
        That way as a file, which moves images from the template onto the T1w.
    settings
        Resolutions and weights.
    light
        Brightness of the coil on the grid of the registration, where it is known.
    """
    low = _registration_grid(image, settings)
    mask = brain.mask(low)
    if light is None:
        light = coil_brightness(low, mask)
    priors = np.stack(_on_person(TISSUES, low, from_template))
    tissues = _tissues(np.asanyarray(low.dataobj) / light, mask, priors, settings)
    brightness = nib.Nifti1Image(_continued(tissues.bias, mask, low.affine) * light, low.affine)
    if low is not image:
        mask = brain.mask(image)
        tissues = _finer(image, brightness, mask, from_template, settings)
    return SegmentedHead(mask, tissues, brightness, warp, brain)


def _registration_grid(image: nib.Nifti1Image, settings: AnatPreprocessSettings) -> nib.Nifti1Image:
    finest = min(zooms_mm(image.affine))
    mm = max(settings.registration_resolution_mm, finest)
    return coarser(image, mm) if finest < 0.9 * mm else image


def _on_person(
    names: Sequence[TemplateMap], reference: nib.Nifti1Image, from_template: Path
) -> list[np.ndarray]:
    """Maps of the template moved onto a person's grid."""
    # Large voxels would hit or miss what maps of 1 mm show, and pay for reading them.
    mm = 2.0 if min(zooms_mm(reference.affine)) >= 2.0 else 1.0
    maps = [template(name, resolution_mm=mm) for name in names]
    return [np.asarray(apply_transform(part, reference, [from_template]).dataobj) for part in maps]


def _tissues(
    flat: np.ndarray,
    mask: np.ndarray,
    priors: np.ndarray,
    settings: AnatPreprocessSettings,
) -> Segmentation:
    return tissue_posteriors(
        flat,
        mask,
        priors,
        prior_weight=settings.prior_weight,
        trust=TISSUE_TRUST,
        neighbour_weight=settings.neighbour_weight,
    )


def _finer(
    image: nib.Nifti1Image,
    brightness: nib.Nifti1Image,
    mask: np.ndarray,
    from_template: Path,
    settings: AnatPreprocessSettings,
) -> Segmentation:
    """The last segmentation, on the image's own grid, in a box around the brain."""
    box = bounding_box(mask, pad=2)
    part = image.slicer[box]
    priors = np.stack(_on_person(TISSUES, part, from_template))
    light = resample_to(brightness, part.shape, part.affine, outside="edge")
    small = _tissues(np.asanyarray(part.dataobj) / light, mask[box], priors, settings)
    posterior = np.zeros((3, *image.shape), np.float32)
    posterior[(slice(None), *box)] = small.posterior
    return Segmentation(posterior, small.bias, small.mean, small.sd, small.iterations)


def _continued(bias: np.ndarray, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Brightness known inside the brain, smoothly continued to 1 far outside of it."""
    sigma = 8.0 / np.array(zooms_mm(affine))
    cover = gaussian_filter(mask.astype(np.float32), sigma)
    spread = gaussian_filter(np.log(bias) * mask, sigma) / (cover + 1e-2)
    return np.where(mask, bias, np.exp(spread)).astype(np.float32)
