"""Bringing the atlas's tracts and the white matter to the voxels of a diffusion series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_erosion

from commissure.dwi.tracts import empty_on, finer_grid, label_shares, parts_for
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import Atlas
from commissure.images.grid import block_means, resample_to
from commissure.images.load import load_image
from commissure.images.registration import apply_transform, register
from commissure.images.template import TEMPLATE, template


@dataclass(frozen=True)
class WhiteMatter:
    """Tracts and white matter on a diffusion grid.

    Attributes
    ----------
    shares
        Share of each voxel that carries a tract's label, by tract.
    tissue
        Share of each voxel that is ``WM``, and with a T1w image also ``GM`` and ``CSF``.
    transform
        File name of the transform that carried the atlas.
    notes
        What the reader of the numbers should know.
    """

    shares: dict[str, np.ndarray]
    tissue: dict[str, np.ndarray]
    transform: str
    notes: tuple[str, ...]


def from_anatomy(
    shape: tuple[int, int, int], affine: np.ndarray, anat: AnatFiles, atlas: Atlas
) -> WhiteMatter:
    """Carry tracts and white matter over from the anatomical derivatives.

    Parameters
    ----------
    shape, affine
        Grid of the diffusion series, in T1w space.
    anat
        Derivatives of the T1w image.
    atlas
        Its labels have the column ``tract``.
    """
    parts = parts_for(affine)
    fine_shape, fine = finer_grid(shape, affine, parts)
    labels = apply_transform(
        atlas.image,
        empty_on(fine_shape, fine),
        [anat.from_template],
        interpolation="nearestNeighbor",
    )
    tissue = {}
    for name, path in (("WM", anat.wm), ("GM", anat.gm), ("CSF", anat.csf)):
        share = resample_to(load_image(path, who=anat.who, ndim=3), fine_shape, fine)
        tissue[name] = block_means(share, parts)
    return WhiteMatter(
        label_shares(np.asanyarray(labels.dataobj), atlas.groups("tract"), parts),
        tissue,
        anat.from_template.name,
        _approximate(atlas, anat.template),
    )


def from_template_white_matter(
    fa: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    atlas: Atlas,
    *,
    forward: Path,
    inverse: Path,
    resolution_mm: float,
) -> WhiteMatter:
    """Carry tracts and white matter over by registering FA to the template's white matter.

    For people without a T1w image.

    Parameters
    ----------
    fa, mask, affine
        Fractional anisotropy, brain mask, and their affine.
    atlas
        Its labels have the column ``tract``.
    forward, inverse
        Transform files to write, from the series to the template and back.
    resolution_mm
        Voxel size of the template at registration.
    """
    fixed = template("WM", resolution_mm=resolution_mm)
    # The rim of the brain is anisotropic through noise and motion alone.
    inner = binary_erosion(mask, iterations=max(1, round(4 / float(np.abs(affine[:3, :3]).max()))))
    moving = nib.Nifti1Image(np.where(inner, fa, 0).astype(np.float32), affine)
    register(fixed, moving, kind="syn", forward=forward, inverse=inverse, syn_metric="mattes")
    parts = parts_for(affine)
    fine_shape, fine = finer_grid(mask.shape, affine, parts)
    grid = empty_on(fine_shape, fine)
    labels = apply_transform(atlas.image, grid, [inverse], interpolation="nearestNeighbor")
    wm = apply_transform(fixed, grid, [inverse])
    return WhiteMatter(
        label_shares(np.asanyarray(labels.dataobj), atlas.groups("tract"), parts),
        {"WM": block_means(np.asanyarray(wm.dataobj), parts)},
        inverse.name,
        (
            *_approximate(atlas, TEMPLATE),
            f"Without a T1w image, FA was registered to the white matter of {TEMPLATE}.",
        ),
    )


def _approximate(atlas: Atlas, space: str) -> tuple[str, ...]:
    if atlas.space == space:
        return ()
    return (
        f"The atlas {atlas.name} ({atlas.space}) is laid on {space} by millimetres: approximate.",
    )
