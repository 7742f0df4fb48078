"""Where the brain is: whether the skull is still there, and what lies inside it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from ants import n4_bias_field_correction
from scipy.ndimage import binary_fill_holes, gaussian_filter, label

from commissure.errors import DatasetError
from commissure.images.grid import coarser, resample_to
from commissure.images.load import voxel_volume_mm3, zooms_mm
from commissure.images.registration import apply_transform, register, to_ants
from commissure.images.template import TemplateMap, head_brain_mask, template, whole_head
from commissure.images.transforms import read_affine

#: A head with its skull is larger than this, a brain without it is not (litres).
STRIPPED_BELOW_L = 2.3

#: Below this nothing like a human brain is in the image (litres).
BRAIN_ABOVE_L = 0.4

#: Voxel size at which heads are compared; skulls differ in anything finer.
HEAD_MM = 4.0

#: SyN iterations of the head, coarse to fine: its mask and priors are only where the search starts.
HEAD_ITERATIONS = (40, 20, 0)


@dataclass(frozen=True)
class FirstRegistration:
    """Where the brain is, as a quick registration to the template tells.

    Attributes
    ----------
    to_person
        4x4, template mm to the person's mm.
    priors
        (3, X, Y, Z) the template's GM, WM and CSF on the person's grid.
    mask
        (X, Y, Z) bool.
    """

    to_person: np.ndarray
    priors: np.ndarray
    mask: np.ndarray


def foreground(image: nib.Nifti1Image) -> np.ndarray:
    """Voxels that differ from the background: the value that the image has at its corners."""
    data = np.asanyarray(image.dataobj)
    corners = data[np.ix_(*([0, -1] for _ in range(3)))].ravel()
    return np.abs(data - np.median(corners)) > 1e-6 * float(np.ptp(data))


def foreground_litres(image: nib.Nifti1Image) -> float:
    """Volume of what differs from the background, in litres.

    A head with its skull fills 3 litres and more (all air noise counts, where the scanner left
    it), a stripped brain 1 to 2.
    """
    return int(foreground(image).sum()) * voxel_volume_mm3(image.affine) / 1e6


def is_stripped(
    image: nib.Nifti1Image,
    *,
    wanted: Literal["auto", "yes", "no"] = "auto",
    declared: object = None,
) -> bool:
    """Whether a T1w image comes without its skull.

    Parameters
    ----------
    image
        3-D T1w.
    wanted
        The setting: ``yes`` and ``no`` decide, ``auto`` asks further.
    declared
        ``SkullStripped`` of the sidecar. Only a ``true`` is relied on: a ``false`` is often filled
        by template, and anything else says nothing.

    Notes
    -----
    Without a word from either, the image is stripped when its foreground is smaller than
    :data:`STRIPPED_BELOW_L`.
    """
    if wanted != "auto":
        return wanted == "yes"
    return declared is True or foreground_litres(image) < STRIPPED_BELOW_L


def check_head(image: nib.Nifti1Image, *, who: str, name: str) -> None:
    """Refuse an image that cannot hold a brain.

    Raises
    ------
    DatasetError
        The field of view is too small, voxels are larger than 5 mm, or hardly anything differs
        from the background.
    """
    voxel = zooms_mm(image.affine)
    size = np.array(voxel) * image.shape
    if size.min() < 80 or max(voxel) > 5:
        raise DatasetError(
            who,
            found=f"{name} spans {' x '.join(f'{s:.0f}' for s in size)} mm with voxels of "
            f"{' x '.join(f'{v:.3g}' for v in voxel)} mm",
            wanted="a whole brain (at least 80 mm each way) in voxels of at most 5 mm",
            mend=f"Mend the voxel size of {name}, or replace it by a structural image",
        )
    litres = foreground_litres(image)
    if litres < BRAIN_ABOVE_L:
        raise DatasetError(
            who,
            found=f"only {litres:.2f} litres of {name} differ from its background",
            wanted=f"at least {BRAIN_ABOVE_L} litres, as a brain has",
            mend=f"Check that {name} is complete and its voxel size is right",
        )


def first_registration(
    image: nib.Nifti1Image, *, stripped: bool, seed: int = 1
) -> FirstRegistration:
    """Register the head to the template head, or the brain to the template's brain.

    Parameters
    ----------
    image
        3-D T1w, any orientation.
    stripped
        Whether it comes without skull; then its own foreground is the mask.
    seed
        Random seed of the metric's sampling.

    Notes
    -----
    Mutual information (Mattes), so the contrast may be any T1 weighting; affine, then SyN. The
    template's brain mask, moved onto it, is a brain extraction without model weights.
    """
    target = template("T1w", resolution_mm=HEAD_MM) if stripped else sharp_head()
    moving = coarser(image, HEAD_MM) if min(zooms_mm(image.affine)) < HEAD_MM else image
    names: tuple[TemplateMap, ...] = ("GM", "WM", "mask")
    with tempfile.TemporaryDirectory() as scratch:
        forward, inverse = Path(scratch, "forward.h5"), Path(scratch, "inverse.h5")
        register(
            target,
            moving,
            kind="syn",
            forward=forward,
            inverse=inverse,
            iterations=HEAD_ITERATIONS,
            seed=seed,
        )
        grey, white, brain = (
            np.asarray(apply_transform(template(name, resolution_mm=2.0), image, [inverse]).dataobj)
            for name in names
        )
        to_person = read_affine(forward)
    priors = np.stack([grey, white, np.clip(brain - grey - white, 0, 1)])
    mask = brain > 0.5
    if stripped:
        mask = largest_component(binary_fill_holes(foreground(image)))
    return FirstRegistration(to_person, priors, mask)


@lru_cache(maxsize=1)
def sharp_head() -> nib.Nifti1Image:
    """The template's own brain in the template head: skull and sulci alike.

    The head is that of one man; the template has the sulci of many, and no skull. The man's brain
    where it reaches out of the mask is faded out.
    """
    head, brain = whole_head(), template("T1w", resolution_mm=2.0)
    mask = np.asanyarray(head_brain_mask().dataobj)
    inner = resample_to(brain, head.shape, head.affine) * mask
    outer = np.asanyarray(head.dataobj)
    outer = outer * np.median(inner[mask > 0]) / np.median(outer[mask > 0])
    cover = np.clip(2 * gaussian_filter(mask, 1.0), 0, 1)
    joined = inner + outer * (1 - cover) * (1 - mask)
    return coarser(nib.Nifti1Image(joined.astype(np.float32), head.affine), HEAD_MM)


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest face-connected part of a 3-D mask."""
    parts, count = label(mask)
    if count <= 1:
        return np.asarray(mask, bool)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax()


def coil_brightness(image: nib.Nifti1Image, mask: np.ndarray) -> np.ndarray:
    """Smooth brightness of the receive coil by N4: the coarse part, which needs no tissue maps.

    Two levels (a spline of 200 mm, then 100 mm) at :data:`HEAD_MM`: with more, N4 takes deep white
    matter for coil brightness where voxels are large. What remains is found together with the
    tissues (:func:`commissure.anat.builtin.tissues.tissue_posteriors`).

    Parameters
    ----------
    image
        3-D T1w.
    mask
        Where the brain is, on the image's grid.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z), geometric mean 1 inside the mask; divide the image by it.

    Notes
    -----
    Tustison NJ et al., N4ITK: improved N3 bias correction, IEEE TMI 29:1310-1320, 2010.
    """
    small = coarser(image, HEAD_MM)
    cover = coarser(nib.Nifti1Image(mask.astype(np.float32), image.affine), HEAD_MM)
    brain = nib.Nifti1Image((np.asarray(cover.dataobj) > 0.5).astype(np.float32), small.affine)
    field = n4_bias_field_correction(
        to_ants(small),
        mask=to_ants(brain),
        shrink_factor=2,
        convergence={"iters": [50, 50], "tol": 1e-7},
        spline_param=200,
        return_bias_field=True,
    ).numpy()
    field /= np.exp(np.log(field[np.asarray(brain.dataobj) > 0]).mean())
    return resample_to(
        nib.Nifti1Image(field, small.affine), image.shape, image.affine, outside="edge"
    )
