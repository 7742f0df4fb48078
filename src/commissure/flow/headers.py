"""What the headers of an image, its sidecars and tables say before any compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import nibabel as nib

from commissure.dwi.gradients import read_gradients
from commissure.errors import DatasetError
from commissure.flow.settings import Settings
from commissure.func.builtin.acquisition import acquisition, check_length
from commissure.images.header import check_header, header_notes
from commissure.lesion.marked_image import image_of
from commissure.lesion.masks import check_mask_grid
from commissure.mrs.acquisition.nifti_mrs import read_conditions
from commissure.names import Scan

#: Dimensions of an image by modality.
_DIMENSIONS = {"anat": (3, 4), "func": (4,), "dwi": (4,), "lesion": (3, 4)}


def check_headers(scan: Scan, modality: str, settings: Settings) -> tuple[list[str], int]:
    """Check an image by its header, sidecars and gradient tables; no voxel of it is read.

    Spectra are small and read whole.

    Parameters
    ----------
    scan
        The image.
    modality
        Of :data:`commissure.modalities.MODALITIES`.
    settings
        Those of the study.

    Returns
    -------
    notes
        What is odd and will be told by the run, too.
    voxels
        How many the image has, with its volumes.

    Raises
    ------
    CommissureError
        The run would refuse the image, or flag all that it gives.
    """
    if modality == "mrs":
        read_conditions(scan.path, tuple(scan.sidecars), who=scan.who)
        return [], 0
    image = _opened(scan)
    check_header(image, who=scan.who, name=scan.path.name)
    shape = image.shape
    if len(shape) not in _DIMENSIONS[modality]:
        raise DatasetError(
            scan.who,
            found=f"{scan.path.name} has {len(shape)} dimensions {shape}",
            wanted=" or ".join(f"{count}" for count in _DIMENSIONS[modality]),
            mend=f"Replace {scan.path.name}",
        )
    notes = [*header_notes(image), *_CHECKS[modality](scan, image, settings)]
    voxels = 1
    for length in shape:
        voxels *= length
    return notes, voxels


def _opened(scan: Scan) -> nib.Nifti1Image:
    try:
        image = nib.load(scan.path)
    except Exception as error:  # nibabel, gzip and zlib each raise kinds of their own
        raise DatasetError(
            scan.who,
            found=f"{scan.path.name} cannot be read ({type(error).__name__})",
            wanted="a complete NIfTI file",
            mend=f"Copy or convert {scan.path.name} again",
        ) from error
    if not isinstance(image, nib.Nifti1Image):
        raise DatasetError(
            scan.who,
            found=f"{scan.path.name} is a file of the kind {type(image).__name__}",
            wanted="a NIfTI file",
        )
    return image


def _anat(scan: Scan, image: nib.Nifti1Image, settings: Settings) -> list[str]:
    return []


def _func(scan: Scan, image: nib.Nifti1Image, settings: Settings) -> list[str]:
    timing = acquisition(scan, image)
    check_length(scan, image.shape[3], settings.func.dummy_volumes)
    return list(timing.notes)


def _dwi(scan: Scan, image: nib.Nifti1Image, settings: Settings) -> list[str]:
    gradients = read_gradients(
        {key: path for key, path in scan.associated.items() if key in ("bval", "bvec")},
        image.affine,
        volumes=image.shape[3],
        who=scan.who,
        b0_max_b_s_mm2=settings.dwi.b0_max_b_s_mm2,
    )
    return list(gradients.notes)


def _lesion(scan: Scan, image: nib.Nifti1Image, settings: Settings) -> list[str]:
    marked = _opened(replace(scan, path=image_of(scan)))
    check_header(marked, who=scan.who, name=image_of(scan).name)
    check_mask_grid(image, marked, who=scan.who)
    return header_notes(marked)


_CHECKS: Mapping[str, Callable[[Scan, nib.Nifti1Image, Settings], list[str]]] = {
    "anat": _anat,
    "func": _func,
    "dwi": _dwi,
    "lesion": _lesion,
}
