"""The way from a BOLD run to the T1w image of the same head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError
from commissure.images.anat_files import AnatFiles
from commissure.images.boundary import (
    BORDER_POINTS_MIN,
    Border,
    border_of,
    boundary_contrast,
)
from commissure.images.boundary_registration import (
    RIGHT_SIGN_MIN,
    Fit,
    centred_starts,
    find_placements,
    judge_placement,
)
from commissure.images.grid import bounding_box, coarser
from commissure.images.load import load_image, zooms_mm
from commissure.images.registration import linear_map
from commissure.images.rigid import resample_pose
from commissure.names import Scan

#: What BOLD is registered to is averaged to BOLD's own voxel size, within this range: BOLD has no
#: finer detail to offer, and the registration costs a fraction.
REGISTRATION_MM = (2.5, 4.0)

#: Of the points that mutual information leaves in view and with signal at least this share is left
#: by a border that was found: a few on the rim of a head may look like any border.
_SEEN_SHARE_MIN = 0.5

_MUTUAL_INFORMATION = "mutual information"


@dataclass(frozen=True)
class T1wPlacement:
    """How a BOLD run and a T1w image lie to each other.

    Attributes
    ----------
    matrix
        4x4, from the world of the T1w image to that of the run's reference.
    method
        In words, for the sidecar.
    start
        What the search that was kept started from; empty where there was none.
    fit
        What the image shows at the white-grey border; None without a border.
    notes
        Sentences for the reader.
    """

    matrix: np.ndarray
    method: str
    start: str = ""
    fit: Fit | None = None
    notes: tuple[str, ...] = ()

    def sidecar(self) -> dict[str, Any]:
        """What the JSON of the series says of it."""
        if self.fit is None:
            return {}
        return {
            "BoundaryContrastPercent": self.fit.contrast.percent,
            "BoundaryRightSignShare": self.fit.contrast.right_sign,
            "BoundaryMirroredRightSignShare": self.fit.contrast.right_sign - self.fit.gain,
            "BoundaryPointsSeenShare": self.fit.contrast.seen,
            "BoundaryStart": self.start,
        }


def place_beside_t1w(
    reference: nib.Nifti1Image, brain: np.ndarray, anat: AnatFiles, *, who: str
) -> T1wPlacement:
    """Lay a BOLD image beside the T1w image of the same head (rigid, six parameters).

    Parameters
    ----------
    reference
        3-D, as sharp as there is: the mean of the realigned volumes, or the single-band reference.
    brain
        3-D of bool on its grid.
    anat
        Derivatives of the T1w image.
    who
        Person and visit, for error messages.

    Returns
    -------
    T1wPlacement
        By the person's own white-grey border, started from mutual information (Mattes) of both
        brains, from their centres and from the headers as they are; the greatest contrast is kept.
        Where none of them shows the border, mutual information decides, and a note says so.
    """
    information = by_mutual_information(reference, brain, anat, who)
    border = border_of(anat)
    if len(border) < BORDER_POINTS_MIN:
        note = (
            f"BOLD was laid beside the T1w image by mutual information alone: the tissue maps have "
            f"{len(border)} places where white matter borders on cortex."
        )
        return T1wPlacement(information, _MUTUAL_INFORMATION, notes=(note,))
    starts = {
        _MUTUAL_INFORMATION: [information],
        "centres": centred_starts(border, _centre_mm(brain, reference.affine)),
        "headers": [np.eye(4)],
    }
    best = find_placements(reference, border, starts)[0]
    fit = judge_placement(reference, border, best.matrix)
    seen = boundary_contrast(reference, border, information).seen
    if fit.contrast.right_sign >= RIGHT_SIGN_MIN and fit.contrast.seen > _SEEN_SHARE_MIN * seen:
        return T1wPlacement(best.matrix, "boundary-based", best.start, fit)
    return _unconvincing(reference, border, information)


def _unconvincing(
    reference: nib.Nifti1Image, border: Border, by_information: np.ndarray
) -> T1wPlacement:
    fit = judge_placement(reference, border, by_information)
    note = (
        "BOLD was laid beside the T1w image by mutual information: nowhere does it show the border "
        "of the T1w image's white matter."
    )
    return T1wPlacement(by_information, _MUTUAL_INFORMATION, "", fit, (note,))


def registration_reference(
    scan: Scan, boldref: nib.Nifti1Image
) -> tuple[nib.Nifti1Image, str, list[str]]:
    """The image of a run that is laid beside the T1w image, in the pose of the mean volume.

    Parameters
    ----------
    scan
        The run; its single-band reference is the associated file ``sbref``.
    boldref
        Mean of the realigned volumes, with its distortion.

    Returns
    -------
    reference : nibabel.Nifti1Image
        On the grid of ``boldref``. A single-band reference is sharper and shows more contrast than
        the mean; head movement between both is undone.
    name : str
        What it is, for the sidecar.
    notes : list of str
        Why a single-band reference does not serve.
    """
    path, mean = scan.associated.get("sbref"), "mean of the realigned volumes"
    if path is None:
        return boldref, mean, []
    try:
        single = load_image(path, who=scan.who, ndim=3)
    except DatasetError as error:
        return boldref, mean, [f"The single-band reference does not serve: {error}"]
    matrix = linear_map(boldref, single, kind="rigid")
    data = np.asarray(single.dataobj)
    x, y, z = boldref.shape[:3]
    moved = resample_pose(data, single.affine, matrix, (x, y, z), boldref.affine)
    moved = np.clip(moved, data.min(), data.max())
    return nib.Nifti1Image(moved, boldref.affine), path.name, []


def by_mutual_information(
    reference: nib.Nifti1Image, brain: np.ndarray, anat: AnatFiles, who: str
) -> np.ndarray:
    """Lay both brains on each other by mutual information (4x4, T1w image to reference)."""
    data = np.asanyarray(reference.dataobj) * brain
    moving = nib.Nifti1Image(data.astype(np.float32), reference.affine)
    size_mm = float(np.clip(np.mean(zooms_mm(reference.affine)), *REGISTRATION_MM))
    return linear_map(_t1w_brain(anat, size_mm, who), moving, kind="rigid")


def _t1w_brain(anat: AnatFiles, size_mm: float, who: str) -> nib.Nifti1Image:
    head = load_image(anat.preproc, who=who, ndim=3)
    mask = np.asanyarray(load_image(anat.mask, who=who, ndim=3).dataobj) > 0
    size = zooms_mm(head.affine)
    box = bounding_box(mask, pad=[int(np.ceil(3 * size_mm / mm)) for mm in size])
    data = np.asanyarray(head.dataobj)[box] * mask[box]
    brain = nib.Nifti1Image(data, head.slicer[box].affine)
    return coarser(brain, size_mm) if max(size) < size_mm else brain


def _centre_mm(brain: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return affine[:3, :3] @ np.argwhere(brain).mean(axis=0) + affine[:3, 3]
