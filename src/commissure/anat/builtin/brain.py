"""Where the brain is: whether the skull is still there, and what lies inside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import nibabel as nib
import numpy as np
from scipy.ndimage import affine_transform, binary_fill_holes, gaussian_filter

from commissure.anat.builtin.border import brain_border, fluid_told, signed_distance
from commissure.anat.builtin.deep import deepbet_mask
from commissure.anat.builtin.pose import head_pose, sharp_head
from commissure.anat.settings import BrainExtraction
from commissure.anat.skull import (
    STRIPPED_BELOW_L,
    foreground,
    foreground_litres,
    looks_stripped,
    tissue_foreground,
)
from commissure.errors import DatasetError
from commissure.images.coil_brightness import coil_brightness
from commissure.images.grid import coarser, largest_component, resample_to
from commissure.images.load import zooms_mm
from commissure.images.registration import linear_map
from commissure.images.template import template

#: Below this nothing like a human brain is in the image (litres).
BRAIN_ABOVE_L = 0.4

#: Voxel size at which the border of the brain is looked for; finer heads are averaged.
HEAD_MM = 2.0

#: Voxel size at which shading is found and the head is laid onto the template.
ROUGH_MM = 4.0

#: The border of a brain lies so far outside the template's, laid onto it by an affine map (mm).
BEYOND_TEMPLATE_MM = 1.5

#: What stripping left under the brain: below this height in the template, and so far outside of its
#: border by an affine map (mm). Vessels of the skull base lie there, and the neck's cord.
BASE_BELOW_MM, BASE_BEYOND_MM = -10.0, 6.0


@dataclass(frozen=True)
class Brain:
    """Where the brain is.

    Attributes
    ----------
    to_person
        4x4, template mm to the person's mm.
    border
        3-D image: about the distance to the border of the brain in mm, negative inside; to be
        sampled linearly on whatever grid is wanted.
    """

    to_person: np.ndarray
    border: nib.Nifti1Image

    def mask(self, reference: nib.Nifti1Image) -> np.ndarray:
        """Bool mask of the brain on the grid of another image of the same head."""
        distance = resample_to(self.border, reference.shape, reference.affine, outside="edge")
        return largest_component(binary_fill_holes(distance < 0))


def is_stripped(image: nib.Nifti1Image, *, wanted: Literal["auto", "yes", "no"] = "auto") -> bool:
    """Whether a T1w image comes without its skull.

    Parameters
    ----------
    image
        3-D T1w.
    wanted
        The setting: ``yes`` and ``no`` decide, ``auto`` looks at the image.
    """
    return looks_stripped(image) if wanted == "auto" else wanted == "yes"


def stripped_notes(image: nib.Nifti1Image, *, stripped: bool, declared: object) -> list[str]:
    """What does not agree: the sidecar's ``SkullStripped``, the setting, and the image.

    Only a ``true`` of the sidecar says something: a ``false`` is often filled in by template.
    """
    seen = "without a skull" if looks_stripped(image) else "with its skull"
    taken = "without a skull" if stripped else "with its skull"
    if declared is True and not stripped:
        return [f"The sidecar says SkullStripped, the image looks like a head {seen}: taken so."]
    if seen != taken:
        return [f"The head is taken {taken}, as the setting says; the image looks {seen}."]
    return []


def stripped_mask(image: nib.Nifti1Image) -> np.ndarray:
    """The brain in an image without skull: all that is not background, (X, Y, Z) bool.

    Where the background is not one value, what is clearly brighter than it.
    """
    if foreground_litres(image) < STRIPPED_BELOW_L:
        return largest_component(binary_fill_holes(foreground(image)))
    return tissue_foreground(image)


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


def extract_brain(
    image: nib.Nifti1Image, *, stripped: bool, by: BrainExtraction = "builtin"
) -> Brain:
    """Find the brain in a head, or take the brain that is there.

    Parameters
    ----------
    image
        3-D T1w, any orientation.
    stripped
        Whether it comes without skull; then its own foreground is the brain, but for what lies
        under it.
    by
        What finds the border where there is a skull; the pose is found the same way.

    Notes
    -----
    The head is laid onto the averaged head, freed from shading where the brain must be, and laid
    again: once as a whole, once by what is inside the brain alone. The mean of both says where the
    border is expected. Where fluid is told from bone, the head alone says so wherever the brain
    lies further inwards: a brain that shrank leaves its skull as wide as it was.
    :func:`commissure.anat.builtin.border.brain_border` finds the border in the image, or
    :func:`commissure.anat.builtin.deep.deepbet_mask` says where it is.
    """
    head = coarser(image, HEAD_MM) if min(zooms_mm(image.affine)) < 0.9 * HEAD_MM else image
    to_person = head_pose(head, stripped=stripped)
    zooms = zooms_mm(head.affine)
    if stripped:
        return _left_brain(image, head, to_person)
    flat = _flattened(head, template_distance(to_person, head.shape, head.affine) < 2)
    rough = coarser(nib.Nifti1Image(np.clip(flat, 0, 1.3), head.affine), ROUGH_MM)
    as_head = linear_map(
        sharp_head(ROUGH_MM), rough, kind="affine", initial=to_person, sampling=0.1
    )
    as_brain = _brain_map(rough, as_head)
    if by == "deepbet":
        border = signed_distance(deepbet_mask(image), zooms_mm(image.affine))
        return Brain(as_brain, nib.Nifti1Image(border, image.affine))
    by_head, by_brain = (
        template_distance(to, head.shape, head.affine) for to in (as_head, as_brain)
    )
    expected = (by_head + by_brain) / 2 - BEYOND_TEMPLATE_MM
    flat = _flattened(head, expected < 0)
    within = (by_head + np.minimum(by_head, by_brain)) / 2 - BEYOND_TEMPLATE_MM
    expected += fluid_told(flat, expected) * (within - expected)
    return Brain(as_brain, nib.Nifti1Image(brain_border(flat, expected, zooms), head.affine))


def laid_head(image: nib.Nifti1Image, *, stripped: bool) -> tuple[nib.Nifti1Image, np.ndarray]:
    """A head without shading, and how it lies: for comparing images of one person.

    Parameters
    ----------
    image, stripped
        As in :func:`extract_brain`.

    Returns
    -------
    flat : nibabel.Nifti1Image
        On the image's grid, white matter at about 1.
    to_person : numpy.ndarray
        4x4, template mm to the person's mm.
    """
    head = coarser(image, HEAD_MM) if min(zooms_mm(image.affine)) < 0.9 * HEAD_MM else image
    to_person = head_pose(head, stripped=stripped)
    flat = _flattened(image, template_distance(to_person, image.shape, image.affine) < 2)
    return nib.Nifti1Image(flat, image.affine), to_person


def _brain_map(rough: nib.Nifti1Image, initial: np.ndarray) -> np.ndarray:
    """4x4, template mm to the person's mm, by what is inside the brain alone."""
    return linear_map(
        template("T1w", resolution_mm=ROUGH_MM),
        rough,
        kind="affine",
        initial=initial,
        fixed_mask=np.asanyarray(template("mask", resolution_mm=ROUGH_MM).dataobj),
        sampling=0.3,
    )


def _left_brain(image: nib.Nifti1Image, head: nib.Nifti1Image, to_person: np.ndarray) -> Brain:
    """The brain of an image without skull, without the vessels under it that stripping left."""
    zooms = zooms_mm(head.affine)
    share = nib.Nifti1Image(stripped_mask(image).astype(np.float32), image.affine)
    covered = resample_to(coarser(share, max(zooms)), head.shape, head.affine)
    mask = largest_component(binary_fill_holes(covered > 0.5))
    flat = np.where(mask, np.clip(_flattened(head, mask), 0, 1.3), 0).astype(np.float32)
    rough = coarser(nib.Nifti1Image(flat, head.affine), ROUGH_MM)
    to_person = _brain_map(rough, to_person)
    back = np.linalg.inv(to_person) @ head.affine
    x, y, z = (np.arange(n) for n in head.shape)
    height = back[2, 0] * x[:, None, None] + back[2, 1] * y[:, None] + back[2, 2] * z + back[2, 3]
    beyond = template_distance(to_person, head.shape, head.affine) > BASE_BEYOND_MM
    mask = largest_component(mask & ~(beyond & (height < BASE_BELOW_MM)))
    return Brain(to_person, nib.Nifti1Image(signed_distance(mask, zooms), head.affine))


def _flattened(head: nib.Nifti1Image, mask: np.ndarray) -> np.ndarray:
    """The head without shading, white matter at 1, (X, Y, Z) float32."""
    flat = np.asanyarray(head.dataobj) / coil_brightness(head, mask, rough=True)
    core = mask & (signed_distance(mask, zooms_mm(head.affine)) < -12)
    return (flat / np.percentile(flat[core if core.any() else mask], 85)).astype(np.float32)


def template_distance(
    to_person: np.ndarray, shape: tuple[int, ...], affine: np.ndarray
) -> np.ndarray:
    """Distance of a grid's voxels to the template's border in mm, negative inside.

    Parameters
    ----------
    to_person
        4x4, template mm to the grid's mm.
    shape, affine
        Of the grid.
    """
    distance = _template_border()
    step = np.linalg.inv(distance.affine) @ np.linalg.inv(to_person) @ affine
    moved = affine_transform(
        np.asanyarray(distance.dataobj),
        step[:3, :3],
        step[:3, 3],
        output_shape=shape,
        order=1,
        mode="nearest",
    )
    return moved * abs(np.linalg.det(to_person[:3, :3])) ** (1 / 3)


@lru_cache(maxsize=1)
def _template_border() -> nib.Nifti1Image:
    """Signed distance to the border of the template's brain in mm, 2 mm, far beyond its edge."""
    brain = template("mask", resolution_mm=2.0)
    around = 15
    mask = np.pad(np.asanyarray(brain.dataobj) > 0, around)
    affine = brain.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, around)
    distance = signed_distance(mask, zooms_mm(affine))
    return nib.Nifti1Image(gaussian_filter(distance, 1.0), affine)
