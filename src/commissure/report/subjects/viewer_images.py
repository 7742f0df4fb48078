"""Images for the slice viewer of a page: brain only, 2 mm, eight bits, inside the page itself.

A browser does not fetch a file beside a page that was opened from the disk. Every image therefore
travels in its page as base64, as small as can be looked at.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from scipy import ndimage

from commissure.files import write_json
from commissure.images.load import zooms_mm

#: Voxels are not made smaller than this, mm.
VOXEL_MM = 2.0

#: Header of a NIfTI file with the four bytes that say it has no extension.
_HEADER_BYTES = 352

#: Background that is kept around the brain, mm.
_MARGIN_MM = 6.0

#: Share of the brain's voxels that is no brighter than the brightest grey level.
_BRIGHTEST = 99.8


@dataclass(frozen=True)
class ViewerSource:
    """The files of one image that a page shows.

    Attributes
    ----------
    key
        Unique on the page.
    title
        What a reader calls it.
    image, mask
        The image and its brain mask, on one grid.
    labels
        A segmentation on the same grid that lies over it; None where there is none.
    largest
        Value that is white; None for the brightest of the brain.
    """

    key: str
    title: str
    image: Path
    mask: Path
    labels: Path | None = None
    largest: float | None = None

    @property
    def files(self) -> list[Path]:
        """All files."""
        return [path for path in (self.image, self.mask, self.labels) if path is not None]


@dataclass(frozen=True)
class ViewerImage:
    """What a page holds of one image: NIfTI files as base64; no labels is an empty text."""

    key: str
    title: str
    image: str
    labels: str = ""


def viewer_images(
    sources: Iterable[ViewerSource], *, store: Path, code: str = ""
) -> list[ViewerImage]:
    """Make the images of one person, or take those of an earlier run of the same files.

    Parameters
    ----------
    sources
        The images, in the order of the page; one whose files are not all there is left out.
    store
        JSON in which they are kept for the next run.
    code
        Digest of the code that makes them; empty to take what any code made.
    """
    complete = [source for source in sources if all(path.is_file() for path in source.files)]
    key = _key(complete)
    kept = _kept(store, key, code)
    if kept is not None:
        return kept
    images = [viewer_image(source) for source in complete]
    write_json({"key": key, "code": code, "images": [asdict(image) for image in images]}, store)
    return images


def viewer_image(source: ViewerSource) -> ViewerImage:
    """Crop to the brain, make coarser, and pack one image."""
    loaded, mask_image = _load(source.image), _load(source.mask)
    mask = np.asanyarray(mask_image.dataobj) > 0
    zooms = zooms_mm(loaded.affine)
    box = _box(mask, zooms)
    inside = mask[box]
    values = np.where(inside, np.asarray(loaded.dataobj, np.float32)[box], 0)
    values = np.nan_to_num(values, posinf=0, neginf=0)
    start = [part.start for part in box]
    affine = loaded.affine @ _shifted(start)
    steps = [max(1.0, VOXEL_MM / zoom) for zoom in zooms]
    largest = source.largest
    if largest is None:
        seen = values[inside]
        largest = float(np.percentile(seen, _BRIGHTEST)) if seen.size else 1.0
    coarse = _coarser(values, steps, order=1)
    grey = np.clip(np.round(coarse * (255 / (largest or 1.0))), 0, 255).astype(np.uint8)
    affine_of_page = affine @ _scaled(steps)
    labels = ""
    if source.labels is not None:
        numbers = np.asanyarray(_load(source.labels).dataobj)[box]
        labels = _packed(_coarser(numbers, steps, order=0), affine_of_page, slope=1.0)
    return ViewerImage(
        source.key,
        source.title,
        _packed(grey, affine_of_page, slope=(largest or 1.0) / 255),
        labels,
    )


def _load(path: Path) -> nib.Nifti1Image:
    # Not the checks of a step: what is there is shown as it is.
    return cast(nib.Nifti1Image, nib.load(path))


def _box(mask: np.ndarray, zooms: Sequence[float]) -> tuple[slice, ...]:
    """The part of the grid that holds the brain, with a margin; all of it where there is none."""
    brain = ndimage.find_objects(mask.astype(np.uint8), 1)
    if not brain or brain[0] is None:
        return tuple(slice(0, size) for size in mask.shape)
    margins = [round(_MARGIN_MM / zoom) for zoom in zooms]
    return tuple(
        slice(max(0, part.start - margin), min(size, part.stop + margin))
        for part, margin, size in zip(brain[0], margins, mask.shape, strict=True)
    )


def _coarser(values: np.ndarray, steps: Sequence[float], *, order: int) -> np.ndarray:
    """Sample every ``steps`` voxels, along each axis; images are smoothed before."""
    if all(step <= 1 for step in steps):
        return values
    if order:
        values = ndimage.uniform_filter(values, [max(1, round(step)) for step in steps])
    shape = [
        max(1, int((size - 1) / step) + 1) for size, step in zip(values.shape, steps, strict=True)
    ]
    return ndimage.affine_transform(values, np.diag(steps), output_shape=tuple(shape), order=order)


def _shifted(start: Sequence[float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = start
    return matrix


def _scaled(steps: Sequence[float]) -> np.ndarray:
    return np.diag([*steps, 1.0])


def _packed(values: np.ndarray, affine: np.ndarray, *, slope: float) -> str:
    """A compressed NIfTI image as base64; its header says nothing but the grid and the scale."""
    kind = np.uint8 if values.max(initial=0) < 256 else np.int16
    stored = values.astype(kind)
    header = nib.Nifti1Image(stored, affine).header
    header.set_xyzt_units("mm")
    # nibabel would divide the grey levels by the slope when it saves them.
    header.set_slope_inter(slope, 0)
    header["vox_offset"] = _HEADER_BYTES
    content = header.binaryblock.ljust(_HEADER_BYTES, b"\0") + stored.tobytes(order="F")
    return base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode("ascii")


def _key(sources: Sequence[ViewerSource]) -> str:
    """Digest of which files there are, with size and time."""
    named = [
        [source.key, source.title, source.largest]
        + [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in source.files]
        for source in sources
    ]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _kept(store: Path, key: str, code: str) -> list[ViewerImage] | None:
    try:
        content: Mapping = json.loads(store.read_text(encoding="utf-8"))
        if content["key"] != key or code not in ("", content["code"]):
            return None
        return [ViewerImage(**image) for image in content["images"]]
    except (OSError, ValueError, TypeError, KeyError):
        return None
