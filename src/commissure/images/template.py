"""The template that the built-in engines register to, and the whole head for brain extraction.

ICBM 2009a nonlinear symmetric, as it comes with nilearn (skull-stripped, 1 mm); its TemplateFlow
name is ``MNI152NLin2009aSym``. nilearn's page calls it asymmetrical, but flipped left to right the
image equals itself.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np

from commissure.images.grid import coarser
from commissure.images.resources import resource

#: TemplateFlow's name of the space that the built-in engines work in.
TEMPLATE = "MNI152NLin2009aSym"

#: Template spaces that engines write into. Where there are several, the first found is read.
SPACES = (
    TEMPLATE, "MNI152NLin2009cAsym", "MNI152NLin6Asym", "MNI152NLin2009cSym", "MNI152NLin2009aAsym",
    "MNI152NLin2009bAsym", "MNI152NLin2009bSym", "MNI152NLin6Sym",
)  # fmt: skip

TemplateMap = Literal["T1w", "GM", "WM", "CSF", "mask"]

_FILES = {
    "T1w": "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
    "GM": "mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz",
    "WM": "mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz",
}


def installed_data(name: str) -> Path:
    """A file of nilearn's wheel, past its loaders: importing nilearn costs seconds in every job."""
    spec = find_spec("nilearn")
    assert spec is not None and spec.origin is not None, "nilearn is a dependency"
    return Path(spec.origin).parent / "datasets" / "data" / name


@lru_cache(maxsize=8)
def _stored(name: str) -> nib.Nifti1Image:
    image = nib.Nifti1Image.from_filename(installed_data(_FILES[name]))
    data = np.asanyarray(image.dataobj).astype(np.float32)
    return nib.Nifti1Image(data / data.max(), image.affine)


def template(name: TemplateMap = "T1w", *, resolution_mm: float = 1.0) -> nib.Nifti1Image:
    """Load a map of the template (space :data:`TEMPLATE`).

    Parameters
    ----------
    name
        ``T1w`` (0 to 1, zero outside the brain), the tissue probabilities ``GM``, ``WM`` and
        ``CSF`` (what is inside the mask and neither), or the brain ``mask`` (0 or 1).
    resolution_mm
        Voxel size; coarser than 1 mm is averaged, not picked.

    Returns
    -------
    nibabel.Nifti1Image
        float32, RAS+; read-only.
    """
    return _kept(name, max(1.0, float(resolution_mm)))


@lru_cache(maxsize=24)
def _kept(name: TemplateMap, resolution_mm: float) -> nib.Nifti1Image:
    # Averaging takes half a second; a job that goes through many people does it once.
    image = _map(name, resolution_mm)
    data = np.asanyarray(image.dataobj)
    data.setflags(write=False)
    return nib.Nifti1Image(data, image.affine)


def _map(name: TemplateMap, resolution_mm: float) -> nib.Nifti1Image:
    if name == "mask":
        fine = _stored("T1w")
        data = (np.asanyarray(fine.dataobj) > 0).astype(np.float32)
    elif name == "CSF":
        fine = _stored("T1w")
        inside = np.asanyarray(fine.dataobj) > 0
        tissue = np.asanyarray(_stored("GM").dataobj) + np.asanyarray(_stored("WM").dataobj)
        data = np.where(inside, np.clip(1 - tissue, 0, 1), 0).astype(np.float32)
    else:
        fine = _stored(name)
        data = np.asanyarray(fine.dataobj)
    image = nib.Nifti1Image(data, fine.affine)
    if resolution_mm > 1:
        image = coarser(image, resolution_mm)
    if name == "mask":
        image = nib.Nifti1Image(
            (np.asanyarray(image.dataobj) >= 0.5).astype(np.float32), image.affine
        )
    return image


def whole_head() -> nib.Nifti1Image:
    """Load a head with skull and scalp around the template's brain, 2 mm, symmetrical.

    One man's head, its brain registered to the template's, the mean of it and its mirror image,
    with what lies outside the brain drawn in to what is usual.
    """
    return _head("head")


def one_person_head() -> nib.Nifti1Image:
    """Load the head that :func:`whole_head` was made from, as it is: what the phantom wears."""
    return _head("oneperson")


@lru_cache(maxsize=2)
def _head(desc: str) -> nib.Nifti1Image:
    stem = f"tpl-{TEMPLATE}_res-2_desc-{desc}_T1w"
    image = nib.Nifti1Image.from_filename(resource("atlases", "whole-head", f"{stem}.nii.gz"))
    data = np.asanyarray(image.dataobj).astype(np.float32)
    data /= data.max()
    data.setflags(write=False)
    return nib.Nifti1Image(data, image.affine)


def head_brain_mask() -> nib.Nifti1Image:
    """The template's brain mask on the grid of :func:`whole_head`: every second voxel of it."""
    mask = template("mask")
    every_second = np.asanyarray(mask.dataobj)[::2, ::2, ::2]
    return nib.Nifti1Image(every_second.copy(), mask.affine @ np.diag([2, 2, 2, 1]))
