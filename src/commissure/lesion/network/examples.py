"""What a network learns from: images of a dataset with the lesions that somebody drew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import nibabel as nib
import numpy as np
from scipy.ndimage import find_objects

from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.errors import DatasetError
from commissure.images.load import load_labels, zooms_mm
from commissure.lesion.marked_image import image_of, image_suffix, marked_image
from commissure.lesion.masks import checked_labels, numbered_parts
from commissure.lesion.network.prepared_images import padded, prepared_image, prepared_mask
from commissure.lesion.network.settings import ImageSuffix, NetworkShape
from commissure.names import Scan

#: Changes of a patch: standard deviations of the factor and of the shift of its values.
_FACTOR_SD, _SHIFT_SD = 0.1, 0.1


@dataclass(frozen=True)
class Example:
    """An image with its lesions, as a network sees them.

    Attributes
    ----------
    scan
        The mask.
    data
        (X, Y, Z) float32, no smaller than a patch.
    lesions
        (X, Y, Z) bool.
    parts
        For each lesion the voxels that it consists of, (voxels, 3) int16.
    """

    scan: Scan
    data: np.ndarray
    lesions: np.ndarray
    parts: tuple[np.ndarray, ...]


def marked_scans(bids: Path, suffix: ImageSuffix | None = None) -> list[Scan]:
    """The masks of lesions of a dataset that belong to images of one kind.

    Parameters
    ----------
    bids
        The dataset.
    suffix
        BIDS suffix of the images; None where all are of one kind.

    Raises
    ------
    DatasetError
        There is no such folder, no mask that belongs to such an image, or images are of several
        kinds and none was named.
    """
    if not bids.is_dir():
        raise DatasetError(str(bids), found="there is no such folder", wanted="a BIDS dataset")
    entries = survey(bids, tree_of(bids))[0]
    scans = [entry.scan_in(bids) for entry in entries if entry.modality == "lesion" and entry.used]
    with_image = [scan for scan in scans if image_suffix(scan)]
    kinds = sorted({image_suffix(scan) for scan in with_image})
    if suffix is None and len(kinds) > 1:
        raise DatasetError(
            str(bids),
            found=f"lesions are marked in images of several kinds: {', '.join(kinds)}",
            wanted="one kind",
            mend=f"Add --image {kinds[0]}",
        )
    chosen = [scan for scan in with_image if suffix in (None, image_suffix(scan))]
    if not chosen:
        raise DatasetError(
            str(bids),
            found=f"{len(scans)} masks of lesions, and none belongs to "
            + (f"a {suffix} image" if suffix else "an image"),
            wanted=f"label-lesion_dseg or _mask beside {' or '.join(get_args(ImageSuffix))}",
            mend="Name each mask as its image, with label-lesion_dseg in place of the suffix",
        )
    return chosen


def usual_voxel_mm(scans: Sequence[Scan]) -> float:
    """The voxel size that a network takes for images: the median edge of a cube as large."""
    edges = [np.prod(zooms_mm(_affine(scan))) ** (1 / 3) for scan in scans]
    return round(float(np.median(edges)), 2)


def _affine(scan: Scan) -> np.ndarray:
    image: nib.Nifti1Image = nib.load(image_of(scan))  # type: ignore[assignment]
    return np.asarray(image.affine)


def read_example(scan: Scan, shape: NetworkShape) -> Example:
    """Read an image with its lesions.

    Raises
    ------
    DatasetError
        As :func:`commissure.lesion.masks.checked_labels` and
        :func:`commissure.lesion.marked_image.marked_image`.
    """
    image = marked_image(scan)
    labels, _ = checked_labels(load_labels(scan.path, who=scan.who), who=scan.who, reference=image)
    prepared = prepared_image(image, shape, who=scan.who)
    mask = prepared_mask(labels > 0, image.affine, shape.voxel_mm)
    numbers = numbered_parts(mask)
    parts = tuple(
        (np.argwhere(numbers[box] == number) + [side.start for side in box]).astype(np.int16)
        for number, box in enumerate(find_objects(numbers), start=1)
    )
    low = float(prepared.data.min())
    return Example(
        scan, padded(prepared.data, shape.patch, low), padded(mask, shape.patch, False), parts
    )


def read_examples(
    scans: Sequence[Scan],
    shape: NetworkShape,
    *,
    progress: Callable[[int], object] = lambda images: None,
) -> list[Example]:
    """Read all images with their lesions; at least one has a lesion.

    Raises
    ------
    DatasetError
        None has a lesion, or as :func:`read_example`.
    """
    examples = []
    for number, scan in enumerate(scans, start=1):
        examples.append(read_example(scan, shape))
        progress(number)
    if not any(example.parts for example in examples):
        raise DatasetError(
            "the masks of lesions",
            found=f"{len(scans)} masks, and no lesion that fills half a voxel of "
            f"{shape.voxel_mm:g} mm",
            wanted="lesions to learn from",
            mend="Give masks that are not empty, or smaller voxels (--voxel-mm)",
        )
    return examples


def digest_of(examples: Sequence[Example]) -> str:
    """SHA-256 of what a network learns from."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(example.data.tobytes())
        digest.update(np.packbits(example.lesions).tobytes())
    return digest.hexdigest()


def split_people(scans: Sequence[Scan], share: float, seed: int) -> tuple[list[Scan], list[Scan]]:
    """Divide masks by person into those to train on and those to try the network on.

    Nobody is held out where there are fewer than three people.
    """
    people = sorted({scan.participant_id for scan in scans})
    count = min(round(share * len(people)), len(people) - 2)
    drawn = np.random.default_rng([seed, 1]).permutation(len(people))[: max(count, 0)]
    aside = {people[number] for number in drawn}
    train = [scan for scan in scans if scan.participant_id not in aside]
    return train, [scan for scan in scans if scan.participant_id in aside]


def drawn_patches(
    examples: Sequence[Example], *, edge: int, batch: int, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Patches of one step of training, mirrored and changed in brightness at random.

    What is drawn depends on seed and step alone, so that an interrupted training goes on as if it
    had not been. Every other patch holds a part of a lesion, each lesion as likely as another.

    Returns
    -------
    images : numpy.ndarray
        (batch, 1, edge, edge, edge) float32.
    lesions : numpy.ndarray
        The same shape, float32, 0 or 1.
    """
    rng = np.random.default_rng([seed, 2, step])
    with_lesions = [example for example in examples if example.parts]
    images, lesions = [], []
    for number in range(batch):
        at_a_lesion = number % 2 == 0
        among = with_lesions if at_a_lesion else examples
        example = among[int(rng.integers(len(among)))]
        box = _box(example, rng, edge, at_a_lesion=at_a_lesion)
        image, lesion = example.data[box], example.lesions[box]
        mirrored = tuple(int(axis) for axis in np.flatnonzero(rng.random(3) < 0.5))
        image, lesion = np.flip(image, mirrored), np.flip(lesion, mirrored)
        factor, shift = 1 + _FACTOR_SD * rng.standard_normal(), _SHIFT_SD * rng.standard_normal()
        images.append(np.float32(factor) * image + np.float32(shift))
        lesions.append(lesion)
    return (
        np.stack(images)[:, None].astype(np.float32),
        np.stack(lesions)[:, None].astype(np.float32),
    )


def _box(
    example: Example, rng: np.random.Generator, edge: int, *, at_a_lesion: bool
) -> tuple[slice, ...]:
    """Where a patch lies: with a voxel of a lesion in its middle half, or anywhere."""
    free = np.array(example.data.shape) - edge
    if at_a_lesion:
        part = example.parts[rng.integers(len(example.parts))]
        middle = part[rng.integers(len(part))] + rng.integers(-edge // 4, edge // 4 + 1, 3)
        corner = np.clip(middle - edge // 2, 0, free)
    else:
        corner = rng.integers(0, free + 1)
    return tuple(slice(int(start), int(start) + edge) for start in corner)
