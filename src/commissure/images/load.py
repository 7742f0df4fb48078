"""Reading images with the checks that a wrong file deserves, and writing them whole."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import label

from commissure.errors import DatasetError
from commissure.files import atomic
from commissure.images.header import check_header

#: Filters and resampling leave a few negative intensities beside edges (measured: 0.02 %).
_NEGATIVE_SHARE_MAX = 0.05

#: Largest intensity of an image that was scaled sensibly.
_LARGEST_INTENSITY = (1e-3, 1e12)

#: Bytes after the last voxel that some writers add.
_PADDING_BYTES = 512

#: A packed file of no more than this is held unpacked while its voxels are read from it; of longer
#: series the memory would be felt.
_HELD_BYTES = 100_000_000


def load_image(
    path: Path | str,
    *,
    who: str,
    ndim: int | None = None,
    nan_around: bool = False,
    signed: bool = False,
) -> nib.Nifti1Image:
    """Load a NIfTI image into memory as float32 and check what later steps rely on.

    Parameters
    ----------
    path
        The file.
    who
        The person and visit, for the error message.
    ndim
        Number of dimensions wanted; a trailing dimension of length one counts as absent.
    nan_around
        Whether NaN from the edge inwards is background and becomes 0, as SPM and FreeSurfer write
        it; NaN that the edge does not reach is refused all the same.
    signed
        Whether values may be negative, as those of phases and fields.

    Returns
    -------
    nibabel.Nifti1Image
        float32 data with the shape as checked, same affine.

    Raises
    ------
    DatasetError
        The file is missing, cannot be read or is truncated, has another number of dimensions,
        holds NaN or infinite values, is constant (or one of its volumes is), has negative
        intensities, or its header cannot be true
        (:func:`commissure.images.header.check_header`).
    """
    path = Path(path)
    image, data = _read(path, who)
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if nan_around and data.ndim == 3:
        data = _with_dark_background(data)
    _check_values(data, path, who=who, ndim=ndim, signed=signed)
    affine = np.asarray(image.affine, dtype=np.float64)
    header = image.header.copy()
    header.set_data_dtype(np.float32)
    loaded = nib.Nifti1Image(data, affine, header)
    if data.ndim == 4:
        loaded.header.set_zooms((*zooms_mm(affine), _volume_spacing(image)))
    return loaded


def load_labels(path: Path | str, *, who: str) -> nib.Nifti1Image:
    """Load a mask or an image of labels as float32; its values are for the caller to judge.

    Raises
    ------
    DatasetError
        The file is missing, cannot be read or is truncated, or its header cannot be true.
    """
    image, data = _read(Path(path), who)
    return nib.Nifti1Image(data, np.asarray(image.affine, dtype=np.float64))


def _with_dark_background(data: np.ndarray) -> np.ndarray:
    """An image whose NaN is 0 where it reaches the edge."""
    unknown = np.isnan(data)
    if not unknown.any():
        return data
    parts, _ = label(unknown)
    faces = [np.take(parts, end, axis).ravel() for axis in range(3) for end in (0, -1)]
    return np.where(unknown & np.isin(parts, np.unique(np.concatenate(faces))), 0, data)


def _read(path: Path, who: str) -> tuple[nib.Nifti1Image, np.ndarray]:
    try:
        whole = b""
        if path.suffix == ".gz" and path.stat().st_size <= _HELD_BYTES:
            whole = b"".join(_unpacked(path))
        length = len(whole) or unpacked_bytes(path)
        image: nib.Nifti1Image = nib.load(path)  # type: ignore[assignment]
        if not isinstance(image, nib.Nifti1Image):
            raise TypeError(f"it is a file of the kind {type(image).__name__}")
    except FileNotFoundError as error:
        raise DatasetError(who, found=f"{path.name} is not there") from error
    except Exception as error:  # nibabel, gzip and zlib each raise kinds of their own
        raise _unreadable(path, who, error) from error
    check_header(image, who=who, name=path.name)
    check_length(image, length, path, who=who)
    try:
        # What was unpacked to the end is not unpacked again.
        source = nib.Nifti1Image.from_bytes(whole) if whole else image
        return image, np.asanyarray(source.dataobj, dtype=np.float32)
    except MemoryError:  # The file is whole: it may be read when there is more memory.
        raise
    except Exception as error:
        raise _unreadable(path, who, error) from error


def _unreadable(path: Path, who: str, error: Exception) -> DatasetError:
    cause = str(error).replace(f"{path.parent}/", "")
    return DatasetError(
        who,
        found=f"{path.name} cannot be read ({type(error).__name__}: {cause})",
        wanted="a complete NIfTI file",
        mend=f"Copy or convert {path.name} again",
    )


def unpacked_bytes(path: Path) -> int:
    """Length of a file, unpacked; a gzip file is read to its end, where its checksum stands."""
    if path.suffix != ".gz":
        return path.stat().st_size
    return sum(len(piece) for piece in _unpacked(path))


def _unpacked(path: Path) -> Iterator[bytes]:
    """Pieces of what a gzip file holds, to its end, where its checksum stands."""
    # nibabel stops at the last voxel, before the checksum: a flipped bit would pass.
    with path.open("rb") as file:
        packed = file.read(1 << 20)
        if not packed:
            raise EOFError("the file is empty")
        unpacker = zlib.decompressobj(wbits=31)
        while packed:
            yield unpacker.decompress(packed)
            packed = file.read(1 << 20)
            if unpacker.eof:
                rest = unpacker.unused_data + packed
                if not rest.startswith(b"\x1f\x8b"):
                    return
                unpacker, packed = zlib.decompressobj(wbits=31), rest
    if not unpacker.eof:
        raise EOFError("compressed file ended before its end-of-stream marker")


def check_length(image: nib.Nifti1Image, length: int, path: Path, *, who: str) -> None:
    """Refuse a header that declares more voxels than the file holds, or fewer."""
    voxels = math.prod(int(n) for n in image.shape)
    offset = int(getattr(image.dataobj, "offset", 0))
    wanted = offset + voxels * image.get_data_dtype().itemsize
    if min(image.shape, default=0) > 0 and wanted <= length <= wanted + _PADDING_BYTES:
        return
    raise DatasetError(
        who,
        found=f"the header of {path.name} declares {tuple(int(n) for n in image.shape)} voxels, "
        f"{wanted} bytes in all, and it holds {length}",
        wanted="as many as the header declares",
        mend=f"Copy or convert {path.name} again",
    )


def _check_values(
    data: np.ndarray, path: Path, *, who: str, ndim: int | None, signed: bool
) -> None:
    """Refuse another number of dimensions, and intensities that no magnitude image has."""
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
    low, high = float(data.min()), float(data.max())
    if low == high:
        raise DatasetError(
            who,
            found=f"every voxel of {path.name} is {low}",
            wanted="an image with contrast",
            mend=f"Convert {path.name} again",
        )
    if data.ndim == 4:
        _check_volumes(data, path, who)
    if not _LARGEST_INTENSITY[0] <= max(high, -low) <= _LARGEST_INTENSITY[1]:
        raise DatasetError(
            who,
            found=f"the intensities of {path.name} run from {low:g} to {high:g}",
            wanted="a largest one from {:g} to {:g}".format(*_LARGEST_INTENSITY),
            mend=f"Mend scl_slope and scl_inter of {path.name}, or convert it again",
        )
    if low < 0 and not signed:
        _check_sign(data, path, who)


def _check_volumes(data: np.ndarray, path: Path, who: str) -> None:
    """Refuse a series of which a volume has one value throughout."""
    empty = [t for t in range(data.shape[3]) if np.ptp(data[..., t]) == 0]
    if empty:
        named = ", ".join(map(str, empty[:5])) + (" ..." if len(empty) > 5 else "")
        raise DatasetError(
            who,
            found=f"{len(empty)} of {data.shape[3]} volumes of {path.name} are empty (every voxel "
            f"is {float(data[0, 0, 0, empty[0]]):g}): {named}, counted from 0",
            wanted="an image in every volume",
            mend=f"Convert {path.name} again, or cut the series where it breaks off",
        )


def _check_sign(data: np.ndarray, path: Path, who: str) -> None:
    """Refuse an image whose negative part is more than filters leave."""
    total = float(np.abs(data).sum(dtype=np.float64))
    share = -float(data.sum(dtype=np.float64, where=data < 0)) / total
    if share > _NEGATIVE_SHARE_MAX:
        raise DatasetError(
            who,
            found=f"{100 * share:.0f} % of the intensity of {path.name} is negative",
            wanted="a magnitude image, which has none",
            mend=f"Convert {path.name} again, without a shift or normalisation of its intensities",
        )


def identical_volumes(series: np.ndarray) -> int:
    """How many volumes of ``(x, y, z, volumes)`` repeat the one before, voxel by voxel.

    Noise makes this impossible in a scan: a reconstruction that froze, or a copy, writes it.
    """
    middle = series.shape[2] // 2
    return sum(
        # One slice tells nearly always, and costs little.
        np.array_equal(series[:, :, middle, t], series[:, :, middle, t - 1])
        and np.array_equal(series[..., t], series[..., t - 1])
        for t in range(1, series.shape[3])
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
