"""Bringing the atlas's tracts and the white matter to the voxels of a diffusion series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.dwi.t1w_placement import AnisotropyMap, find_placement, refined_placement
from commissure.dwi.tensor import TensorMaps
from commissure.dwi.tracts import empty_on, finer_grid, label_shares, parts_for
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import Atlas
from commissure.images.grid import block_means, resample_to
from commissure.images.load import load_image
from commissure.images.registration import apply_transform
from commissure.images.template import TEMPLATE, template
from commissure.images.transforms import write_warp
from commissure.images.warp import Level, Warp, find_warp

#: Finest voxel size at which FA is laid on the template: where it is finer it is noisy.
_VOXEL_MM = 3.0

#: Coarse to fine; the finest is stiff, since FA is noisy.
_LEVELS = (Level(10, 0.3), Level(15, 0.3), Level(12, 1.0))


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
    maps: TensorMaps,
    mask: np.ndarray,
    affine: np.ndarray,
    atlas: Atlas,
    *,
    forward: Path,
    inverse: Path,
) -> WhiteMatter:
    """Carry tracts and white matter over by registering FA to the template's white matter.

    For people without a T1w image.

    Parameters
    ----------
    maps, mask, affine
        The tensor, the brain mask, and their affine.
    atlas
        Its labels have the column ``tract``.
    forward, inverse
        Transform files to write, from the series to the template and back.
    """
    anisotropy = AnisotropyMap.of(maps, mask, affine)
    warp = _warp_to_white_matter(anisotropy)
    write_warp(warp.displacement, warp.affine, forward, after=warp.to_moving)
    back = np.linalg.inv(warp.to_moving)
    write_warp(warp.inverse_displacement(), warp.affine, inverse, before=back)
    parts = parts_for(affine)
    fine_shape, fine = finer_grid(mask.shape, affine, parts)
    grid = empty_on(fine_shape, fine)
    labels = apply_transform(atlas.image, grid, [inverse], interpolation="nearestNeighbor")
    wm = apply_transform(template("WM"), grid, [inverse])
    return WhiteMatter(
        label_shares(np.asanyarray(labels.dataobj), atlas.groups("tract"), parts),
        {"WM": block_means(np.asanyarray(wm.dataobj), parts)},
        inverse.name,
        (
            *_approximate(atlas, TEMPLATE),
            f"Without a T1w image, FA was registered to the white matter of {TEMPLATE}.",
        ),
    )


def _warp_to_white_matter(anisotropy: AnisotropyMap) -> Warp:
    """The way from the template to a person's FA: rigid, affine, then within windows."""
    white, brain = (template(name, resolution_mm=_VOXEL_MM) for name in ("WM", "mask"))
    rigid = find_placement(anisotropy, white, brain)
    affine = refined_placement(anisotropy, white, brain, start=rigid.matrix)
    sizes = [_VOXEL_MM * 2**power for power in reversed(range(len(_LEVELS)))]
    fixed = [template("WM", resolution_mm=mm) for mm in sizes]
    moving = nib.Nifti1Image(anisotropy.fa, anisotropy.affine)
    return find_warp(fixed, moving, initial=affine.matrix, levels=_LEVELS)


def _approximate(atlas: Atlas, space: str) -> tuple[str, ...]:
    if atlas.space == space:
        return ()
    return (
        f"The atlas {atlas.name} ({atlas.space}) is laid on {space} by millimetres: approximate.",
    )
