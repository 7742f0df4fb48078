"""Images and spectra whose every value is moved by one step of its storage."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError


def moved(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Move every value that is not zero by one step up or down, either with probability one half.

    A step is the distance to the next number that the storage can hold: one unit in the last
    place of a float, one count of an integer. Real and imaginary parts move on their own. Zeros
    stay, as the surroundings of a masked image do, and no value becomes zero or leaves its range.

    Parameters
    ----------
    values
        As stored, before slope and intercept; any shape.
    random
        Gives the directions.
    """
    if np.iscomplexobj(values):
        part = values.real.dtype
        return moved(values.view(part), random).view(values.dtype)
    up = random.integers(0, 2, values.shape, dtype=np.int8).astype(bool)
    keep = values == 0
    if values.dtype.kind == "f":
        towards = np.where(up, np.inf, -np.inf).astype(values.dtype)
        return np.where(keep | ~np.isfinite(values), values, np.nextafter(values, towards))
    limits = np.iinfo(values.dtype)
    # At an end of the range, and next to zero, there is one way only.
    up = np.where((values == limits.min) | (values == 1), True, up)
    up = np.where((values == limits.max) | (values == -1), False, up)
    steps = np.where(up, values + (values < limits.max), values - (values > limits.min))
    return np.where(keep, values, steps).astype(values.dtype)


def move_image(source: Path, target: Path, random: np.random.Generator) -> str:
    """Copy a NIfTI image with every value moved; header and extensions stay byte by byte.

    Parameters
    ----------
    source, target
        ``.nii`` or ``.nii.gz``.
    random
        Gives the directions.

    Returns
    -------
    str
        Type of the stored values, as ``int16``.

    Raises
    ------
    DatasetError
        The file is no NIfTI image, or stores what is no number.
    """
    packed = source.name.endswith(".gz")
    try:
        content = gzip.decompress(source.read_bytes()) if packed else source.read_bytes()
        image: Any = nib.load(source)
        # The header in memory has forgotten where the data began.
        kind, start = image.header.get_data_dtype(), int(image.dataobj.offset)
        count = int(np.prod(image.shape))
        values = np.frombuffer(content, kind, count, start)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise DatasetError(
            source.name,
            found=f"its values cannot be moved ({error})",
            wanted="a NIfTI image",
            mend="Mend the image, or name other people",
        ) from error
    if kind.kind not in "iufc":
        raise DatasetError(
            source.name,
            found=f"it stores {kind}",
            wanted="integers, floats or complex numbers",
            mend="Leave the person out",
        )
    native = values.astype(kind.newbyteorder("="))
    changed = moved(native, random).astype(kind).tobytes()
    whole = content[:start] + changed + content[start + len(changed) :]
    target.write_bytes(gzip.compress(whole, 1, mtime=0) if packed else whole)
    return str(kind.newbyteorder("="))
