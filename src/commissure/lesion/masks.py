"""Masks of lesions as they are given: what is refused, what is flagged, and their parts."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_fill_holes, find_objects, label

from commissure.errors import DatasetError
from commissure.images.load import same_grid

#: Most labels of a mask; more are intensities, not labels.
LABELS_MAX = 1000

#: CT numbers: less than padding has (12 bits), air, and half the range of soft tissue.
_LOWEST_HU = -4096.0
_AIR_HU = -500.0
_DENSE_HU = 200.0


def checked_labels(
    mask: nib.Nifti1Image, *, who: str, reference: nib.Nifti1Image | None = None
) -> tuple[np.ndarray, list[str]]:
    """Labels of a lesion mask, (X, Y, Z) int32, and what is doubtful about it.

    A mask that holds one label is divided into its connected parts, numbered from 1 by size; of a
    mask with several labels each is a lesion. An empty mask is allowed, and flagged.

    Parameters
    ----------
    mask
        3-D.
    who
        The person and visit, for errors.
    reference
        The image on whose grid it should lie.

    Raises
    ------
    DatasetError
        It is not 3-D, lies on another grid than the image, or holds other values than labels.
    """
    data = np.asanyarray(mask.dataobj)
    data = data[..., 0] if data.ndim == 4 and data.shape[3] == 1 else data
    if data.ndim != 3:
        raise DatasetError(who, found=f"a lesion mask of {data.ndim} dimensions", wanted="three")
    if reference is not None:
        check_mask_grid(mask, reference, who=who)
    _check_values(data, who)
    labels = data.astype(np.int32)
    if not labels.any():
        return labels, ["the mask is empty: read as no lesion at this visit"]
    flags = []
    numbers = [int(number) for number in np.unique(labels) if number]
    if len(numbers) == 1:
        labels = numbered_parts(labels > 0)
    else:
        lacking = sorted(set(range(1, max(numbers))) - set(numbers))
        if lacking:
            flags.append(f"the labels {_listed(lacking)} are missing between others")
        for number, box in enumerate(find_objects(labels), start=1):
            if box is None:
                continue
            parts = label(labels[box] == number, structure=np.ones((3, 3, 3)))[1]
            if parts > 1:
                flags.append(f"label {number} lies in {parts} separate parts")
    hollow = _hollow(labels)
    if hollow:
        flags.append(
            f"label {_listed(hollow)} has a hole inside: necrosis, or a mask that was not filled"
        )
    return labels, flags


def check_mask_grid(mask: nib.Nifti1Image, image: nib.Nifti1Image, *, who: str) -> None:
    """Refuse a mask that lies on another grid than its image; only the headers are looked at.

    Raises
    ------
    DatasetError
        It does.
    """
    if not same_grid(mask, image, tolerance_mm=0.01):
        raise DatasetError(
            who,
            found=f"a lesion mask of {mask.shape[:3]} voxels at another place than its image of "
            f"{image.shape[:3]}",
            wanted="a mask on the grid of the image",
            mend="Resample the mask onto the image (nearest neighbour)",
        )


def numbered_parts(mask: np.ndarray) -> np.ndarray:
    """Connected parts of a mask (corners connect), numbered from 1, the largest first."""
    parts, count = label(mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    numbers = np.zeros(count + 1, np.int32)
    numbers[order + 1] = np.arange(1, count + 1)
    return numbers[parts]


def check_ct_units(data: np.ndarray, *, who: str) -> None:
    """Refuse a CT image that is not in Hounsfield units.

    In Hounsfield units air is about -1000 and soft tissue about 0 to 100. Scanners store numbers
    that are 1024 more, and programs scale images to 0 to 1 or 0 to 255.

    Raises
    ------
    DatasetError
        No air is seen where Hounsfield units have it, or no tissue.
    """
    values = np.asarray(data, dtype=np.float32)
    low, high = (float(v) for v in np.percentile(values, [0.5, 99.5]))
    median = float(np.median(values[values > low])) if (values > low).any() else low
    plausible = low >= _LOWEST_HU and high <= -_LOWEST_HU
    with_air = low < _AIR_HU and high > -_DENSE_HU
    # A field of view within the body has no air; fat and soft tissue then lie around 0.
    within_body = -_DENSE_HU < median < _DENSE_HU and low < 0 and high > 50
    if plausible and (with_air or within_body):
        return
    mend = "Give the CT in Hounsfield units"
    if low >= 0 and high > 800:
        mend = "Subtract 1024 from the stored numbers, or apply RescaleSlope and RescaleIntercept"
    raise DatasetError(
        who,
        found=f"CT numbers from {low:g} to {high:g}",
        wanted="Hounsfield units (air about -1000, soft tissue 0 to 100)",
        mend=mend,
    )


def _check_values(data: np.ndarray, who: str) -> None:
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        raise DatasetError(
            who, found="values in a lesion mask that are no numbers", wanted="labels"
        )
    values = np.unique(data)
    whole = np.array_equal(values, np.rint(values))
    if whole and values.min() >= 0 and len(values) <= LABELS_MAX:
        return
    raise DatasetError(
        who,
        found=f"a lesion mask with values from {values.min():g} to {values.max():g}"
        + ("" if whole else ", not whole"),
        wanted="0 outside, and a whole number for each lesion",
        mend="Give the mask itself, not a probability or an image",
    )


def _hollow(labels: np.ndarray) -> list[int]:
    hollow = []
    for number, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        part = labels[box] == number
        if binary_fill_holes(part).sum() > part.sum():
            hollow.append(number)
    return hollow


def _listed(numbers: Sequence[int]) -> str:
    few = [str(number) for number in numbers[:5]]
    return ", ".join(few) + (" and others" if len(numbers) > 5 else "")
