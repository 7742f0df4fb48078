"""Where the tissues of a head lie on the grid of a run in template space."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from commissure.images.anat_files import AnatFiles
from commissure.images.grid import coarser
from commissure.images.load import load_image, zooms_mm
from commissure.images.registration import apply_transform
from commissure.images.template import template

#: A tissue's core: at least this probability, and at least so many voxels, else the most probable.
CORE_PROBABILITY = 0.9
CORE_VOXELS = 30


def tissue_maps(
    anat: AnatFiles | None, grid: nib.Nifti1Image, *, who: str
) -> dict[str, np.ndarray]:
    """Brain and tissue probabilities on the output grid.

    Parameters
    ----------
    anat
        Where the person's own maps are; without them the template's are given.
    grid
        3-D image in template space.
    who
        Person and visit, for error messages.

    Returns
    -------
    dict
        ``brain``, ``WM`` and ``CSF``, each 0 to 1 with the shape of ``grid``.
    """
    resolution = zooms_mm(grid.affine)[0]
    if anat is None:
        return {
            "brain": np.asanyarray(grid.dataobj),
            "WM": np.asanyarray(template("WM", resolution_mm=resolution).dataobj),
            "CSF": np.asanyarray(template("CSF", resolution_mm=resolution).dataobj),
        }
    maps = {}
    for name, source in (("brain", anat.mask), ("WM", anat.wm), ("CSF", anat.csf)):
        image = load_image(source, who=who, ndim=3)
        if max(zooms_mm(image.affine)) < resolution:
            image = coarser(image, resolution)
        maps[name] = np.asanyarray(apply_transform(image, grid, [anat.to_template]).dataobj)
    return maps


def tissue_core(probability: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Voxels that surely hold one tissue, for its mean signal and components.

    Parameters
    ----------
    probability
        3-D, 0 to 1.
    brain
        Boolean mask of the same shape; only voxels in it are taken.

    Returns
    -------
    numpy.ndarray
        Boolean. Where fewer than 30 voxels reach a probability of 0.9, the 30 most probable.
    """
    inside = np.where(brain, probability, -1.0)
    sure = inside >= CORE_PROBABILITY
    if sure.sum() >= CORE_VOXELS:
        return sure
    ranked = np.argsort(-inside, axis=None, kind="stable")[:CORE_VOXELS]
    core = np.zeros(brain.size, bool)
    core[ranked] = inside.ravel()[ranked] > 0
    return core.reshape(brain.shape)
