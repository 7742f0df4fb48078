"""The FIDs of a NIfTI-MRS file as they stand there, with what reading alone can tell of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from nifti_mrs.nifti_mrs import NIFTI_MRS, NotNIFTI_MRS
from nifti_mrs.validator import Error as InvalidHeader

from commissure.errors import DatasetError
from commissure.images.load import check_length, unpacked_bytes

#: Fewest points of an FID.
MIN_POINTS = 256

#: Farthest that the two places of a voxel's corner may lie apart; writers agree to a hundredth.
MOST_APART_MM = 0.5

#: Edges of a voxel in a human brain.
EDGES_MM = (2.0, 200.0)


@dataclass(frozen=True)
class RawFids:
    """Content of a NIfTI-MRS file.

    Attributes
    ----------
    data
        complex128, (1, 1, 1, points, ...).
    header
        Fields of the header extension.
    dwell_s
        Time between two points.
    affine
        4x4, voxel to scanner mm.
    tags
        Names of the fifth to seventh dimension, as ``DIM_COIL``; None where there is none.
    placed
        Whether the header says where the voxel lies (``sform_code`` or ``qform_code`` above 0).
    forms_apart_mm
        How far a corner of the voxel lies by ``sform`` from where it lies by ``qform``; 0 where
        only one is given.
    """

    data: np.ndarray
    header: dict[str, Any]
    dwell_s: float
    affine: np.ndarray
    tags: list[str | None]
    placed: bool = True
    forms_apart_mm: float = 0.0


def load_fids(path: Path, *, who: str) -> RawFids:
    """Read a file; what reading alone can tell is checked.

    Raises
    ------
    DatasetError
        The file is missing, truncated, damaged, no NIfTI-MRS, of more than one voxel, all zero, or
        holds numbers that are not finite.
    """
    if not path.exists():
        raise DatasetError(who, found=f"{path.name} is not there")
    try:
        # The whole file before its content: the checksum stands at the end, and a header may
        # promise more than there is.
        length = unpacked_bytes(path)
        stored = cast(nib.Nifti1Image, nib.load(path))
        check_length(stored, length, path, who=who)
        _check_scaling(stored, path, who)
        image = NIFTI_MRS(path)
        data = np.asarray(image[:])
        header, tags = image.hdr_ext.to_dict(), image.dim_tags
        affine = np.asarray(image.getAffine("voxel", "world"), dtype=float)
        dwell_s = float(image.dwelltime)
        placed, apart = _forms(image.header)
    except (NotNIFTI_MRS, InvalidHeader) as error:
        raise DatasetError(
            who,
            found=f"{path.name} is no NIfTI-MRS file ({error})",
            wanted="NIfTI with the MRS header extension",
            mend="Convert the scanner's file with spec2nii",
        ) from error
    except (DatasetError, MemoryError):
        raise  # Of a file that holds what it promises, too little memory is the machine's fault.
    # Readers of others answer a damaged header with errors of every kind; all are about the file.
    except Exception as error:
        raise DatasetError(
            who,
            found=f"{path.name} cannot be read ({type(error).__name__}: {str(error).strip()})",
            wanted="a complete NIfTI-MRS file",
            mend=f"Copy or convert {path.name} again",
        ) from error
    if not np.iscomplexobj(data) or data.ndim < 4 or data.shape[:3] != (1, 1, 1):
        raise DatasetError(
            who,
            found=f"{path.name} holds {data.dtype} of shape {data.shape}",
            wanted="complex FIDs of one voxel, (1, 1, 1, points, ...)",
            mend="Spectroscopic imaging is not read; leave it out of the dataset's mrs/",
        )
    bad = int(data.size - np.isfinite(data).sum())
    if bad or not data.any():
        raise DatasetError(
            who,
            found=f"{path.name} has {bad} of {data.size} samples that are NaN or infinite"
            if bad
            else f"every sample of {path.name} is zero",
            wanted="finite FIDs with signal",
            mend=f"Convert {path.name} again",
        )
    return RawFids(data.astype(complex), header, dwell_s, affine, tags, placed, apart)


def _forms(header: nib.Nifti1Header) -> tuple[bool, float]:
    """Whether the header says where the voxel lies, and how far its two forms are apart in mm."""
    forms = [header.get_sform(coded=True), header.get_qform(coded=True)]
    given = [form for form, code in forms if code > 0 and form is not None]
    if len(given) < 2:
        return bool(given), 0.0
    corners = np.array(list(itertools.product((-0.5, 0.5), repeat=3)))
    first, second = (nib.affines.apply_affine(form, corners) for form in given)
    return True, float(np.linalg.norm(first - second, axis=1).max())


def _check_scaling(image: nib.Nifti1Image, path: Path, who: str) -> None:
    """Refuse a header that scales the data: FIDs stand on the scale of their water."""
    slope, inter = (getattr(image.dataobj, name) for name in ("slope", "inter"))
    if (slope, inter) != (1, 0):
        raise DatasetError(
            who,
            found=f"scl_slope and scl_inter in the header of {path.name} are {slope:g} and "
            f"{inter:g}",
            wanted="1 and 0: FIDs are stored as they were received, on the scale of their water",
            mend=f"Convert {path.name} again",
        )


def check_voxel(raw: RawFids, path: Path, *, who: str) -> None:
    """Refuse a voxel or a dwell time that cannot be."""
    if not (np.isfinite(raw.dwell_s) and raw.dwell_s > 0):
        raise DatasetError(
            who,
            found=f"the dwell time in the header of {path.name} is {raw.dwell_s:g} s",
            wanted="a positive time",
            mend=f"Convert {path.name} again",
        )
    if not raw.placed:
        return  # Ratios need no place; concentrations are not given without one.
    if not raw.forms_apart_mm <= MOST_APART_MM:
        raise DatasetError(
            who,
            found=f"sform and qform in the header of {path.name} place the voxel "
            f"{raw.forms_apart_mm:.1f} mm apart",
            wanted="one place",
            mend=f"Convert {path.name} again",
        )
    edges = np.linalg.norm(raw.affine[:3, :3], axis=0)
    volume = abs(np.linalg.det(raw.affine[:3, :3]))
    low, high = EDGES_MM
    possible = np.isfinite(raw.affine).all() and volume > 0.5 * edges.prod()
    if not (possible and low <= edges.min() and edges.max() <= high):
        raise DatasetError(
            who,
            found=f"the place of the voxel in the header of {path.name} is "
            f"{np.array2string(raw.affine[:3], precision=3, separator=' ')}",
            wanted=f"three edges of {low:g} to {high:g} mm at right angles, and the centre in mm",
            mend=f"Convert {path.name} again",
        )


def measured_points(data: np.ndarray, path: Path, *, who: str) -> np.ndarray:
    """FIDs (1, 1, 1, points, ...) without the zeros that all of them end in, where those are many.

    A sample or two that happen to be zero are left.

    Raises
    ------
    DatasetError
        One part of the complex numbers is missing, or less than 256 points were measured.
    """
    for part, other in ((data.imag, "real"), (data.real, "imaginary")):
        if not part.any():
            raise DatasetError(
                who,
                found=f"{path.name} holds the {other} part of its FIDs only",
                wanted="complex FIDs",
                mend=f"Convert {path.name} again",
            )
    measured = 1 + np.flatnonzero(data.any(axis=(0, 1, 2, *range(4, data.ndim))))[-1]
    if data.shape[3] - measured > data.shape[3] // 8:
        data = data[:, :, :, :measured]
    if data.shape[3] < MIN_POINTS:
        raise DatasetError(
            who,
            found=f"{path.name} has FIDs of {data.shape[3]} points",
            wanted=f"at least {MIN_POINTS} points along the fourth axis",
            mend=f"Convert {path.name} again",
        )
    return data
