"""Reading images with the checks that a wrong file deserves, and writing them whole."""

from __future__ import annotations

import math
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError
from commissure.files import atomic


def load_image(path: Path | str, *, who: str, ndim: int | None = None) -> nib.Nifti1Image:
    """Load a NIfTI image into memory as float32 and check what later steps rely on.

    Parameters
    ----------
    path
        The file.
    who
        The person and visit, for the error message.
    ndim
        Number of dimensions wanted; a trailing dimension of length one counts as absent.

    Returns
    -------
    nibabel.Nifti1Image
        float32 data with the shape as checked, same affine.

    Raises
    ------
    DatasetError
        The file is missing, cannot be read or is truncated, has another number of dimensions,
        holds NaN or infinite values, is constant, or its affine is singular.
    """
    path = Path(path)
    image, data = _read(path, who)
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    _check_values(data, path, who=who, ndim=ndim)
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise DatasetError(
            who,
            found=f"the affine of {path.name} is singular",
            wanted="voxel axes with a length and a direction",
            mend=f"Set the sform of {path.name}",
        )
    header = image.header.copy()
    header.set_data_dtype(np.float32)
    loaded = nib.Nifti1Image(data, affine, header)
    if data.ndim == 4:
        loaded.header.set_zooms((*zooms_mm(affine), _volume_spacing(image)))
    return loaded


def _read(path: Path, who: str) -> tuple[nib.Nifti1Image, np.ndarray]:
    try:
        image: nib.Nifti1Image = nib.load(path)  # type: ignore[assignment]
        return image, np.asanyarray(image.dataobj, dtype=np.float32)
    except FileNotFoundError as error:
        raise DatasetError(who, found=f"{path.name} is not there") from error
    except Exception as error:  # nibabel, gzip and zlib each raise kinds of their own
        raise DatasetError(
            who,
            found=f"{path.name} cannot be read ({type(error).__name__}: {error})",
            wanted="a complete NIfTI file",
            mend=f"Copy or convert {path.name} again",
        ) from error


def _check_values(data: np.ndarray, path: Path, *, who: str, ndim: int | None) -> None:
    """Refuse what has another number of dimensions, holds NaN or infinity, or is constant."""
    if ndim is not None and data.ndim != ndim:
        raise DatasetError(
            who,
            found=f"{path.name} has {data.ndim} dimensions {data.shape}",
            wanted=f"{ndim} dimensions",
            mend=f"Replace {path.name} by the full series"
            if ndim == 4
            else f"Replace {path.name} by a single volume",
        )
    bad = int(data.size - np.isfinite(data).sum())
    if bad:
        raise DatasetError(
            who,
            found=f"{path.name} has {bad} voxels that are NaN or infinite",
            wanted="finite intensities",
            mend=f"Convert {path.name} again, or set these voxels to 0 if they are background",
        )
    if data.size == 0 or float(data.min()) == float(data.max()):
        raise DatasetError(
            who,
            found=f"every voxel of {path.name} is {data.flat[0] if data.size else 'absent'}",
            wanted="an image with contrast",
            mend=f"Convert {path.name} again",
        )


def _volume_spacing(image: nib.Nifti1Image) -> float:
    zooms = image.header.get_zooms()
    return float(zooms[3]) if len(zooms) > 3 and math.isfinite(zooms[3]) else 0.0


def save_image(
    data: np.ndarray, affine: np.ndarray, path: Path | str, *, tr_s: float | None = None
) -> None:
    """Write an array as NIfTI in one step, same bytes for same data.

    Parameters
    ----------
    data
        3-D or 4-D. Floating-point data are stored as float32, integers and bools in the smallest
        unsigned or signed type that holds them.
    affine
        4x4, voxel to mm (RAS+).
    path
        Final name, ``.nii`` or ``.nii.gz``.
    tr_s
        Repetition time of a 4-D series in seconds, for the header.
    """
    data = np.asarray(data)
    if data.dtype.kind == "f":
        data = data.astype(np.float32)
    elif data.dtype.kind in "bui":
        top, low = int(data.max(initial=0)), int(data.min(initial=0))
        kind = np.uint8 if low >= 0 and top < 256 else np.int16 if top < 32768 else np.int32
        data = data.astype(kind)
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    if tr_s is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], tr_s))
    with atomic(path) as draft:
        nib.save(image, draft)


def zooms_mm(affine: np.ndarray) -> tuple[float, float, float]:
    """Voxel size in mm along the three array axes, from a 4x4 affine."""
    size = np.sqrt((np.asarray(affine, dtype=float)[:3, :3] ** 2).sum(axis=0))
    return float(size[0]), float(size[1]), float(size[2])


def voxel_volume_mm3(affine: np.ndarray) -> float:
    """Volume of one voxel in mm³, from a 4x4 affine."""
    return float(abs(np.linalg.det(np.asarray(affine, dtype=float)[:3, :3])))


def same_grid(
    first: nib.Nifti1Image, second: nib.Nifti1Image, *, tolerance_mm: float = 1e-3
) -> bool:
    """Whether two images share the shape of their first three axes and their affine."""
    return first.shape[:3] == second.shape[:3] and bool(
        np.allclose(first.affine, second.affine, atol=tolerance_mm)
    )
