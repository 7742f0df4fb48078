"""The border of a person's white and grey matter, and how well another image shows it there.

In echo-planar images grey matter is brighter than white matter. Where such an image lies right,
brightness rises across the border that the T1w image has; where it lies wrong, it rises and falls
by chance.

Notes
-----
Greve DN & Fischl B, Accurate and robust brain image alignment using boundary-based registration,
NeuroImage 48:63-72, 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from commissure.images.anat_files import AnatFiles
from commissure.images.grid import bounding_box
from commissure.images.load import load_image, zooms_mm

#: Distance from the border at which brightness is compared, on either side.
REACH_MM = 2.0

#: Points of a border; more make nothing steadier.
POINTS = 20_000

#: A border of fewer points tells nothing: the image shows no white matter.
BORDER_POINTS_MIN = 500

#: A tissue fills at least this share of the place where it is sampled.
_PURE = 0.5

#: How far outside the border grey matter is looked for: cortex is 2 to 3 mm thick, and what lies
#: beyond it in a sulcus is no fault of the border.
_GREY_MM = 1.0

#: Gaussian of the maps that normals are taken from (SD).
_SMOOTH_MM = 0.7

#: Cerebral white matter and cortex in FreeSurfer's ``aseg``. The contrast of deep grey matter
#: varies with its iron, and the folds of the cerebellum are too fine.
_WHITE_LABELS, _CORTEX_LABELS = (2, 41), (3, 42)

#: A place has signal where it is brighter than this share of the head (the median of what is
#: brighter than the image's mean).
_SIGNAL_MIN = 0.5


@dataclass(frozen=True)
class Border:
    """Pairs of places on both sides of the border of white and grey matter.

    Attributes
    ----------
    white, grey
        (N, 3) mm: ``REACH_MM`` inside white matter, and as far on the other side.
    """

    white: np.ndarray
    grey: np.ndarray

    def __len__(self) -> int:
        return len(self.white)

    @property
    def places(self) -> np.ndarray:
        """(N, 3) mm: the border itself."""
        return (self.white + self.grey) / 2

    def thinned(self, count: int) -> Border:
        """A border of at most this many of its points, evenly taken."""
        if count >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, count).astype(int)
        return Border(self.white[chosen], self.grey[chosen])

    def moved(self, matrix: np.ndarray) -> Border:
        """The border after a 4x4 map (mm to mm)."""
        return Border(*(p @ matrix[:3, :3].T + matrix[:3, 3] for p in (self.white, self.grey)))

    def mirrored(self) -> Border:
        """The border of the same head with its sides exchanged, where it was."""
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        flip[0, 3] = 2 * self.places[:, 0].mean()
        return self.moved(flip)


@dataclass(frozen=True)
class BoundaryContrast:
    """What an image shows across a border.

    Attributes
    ----------
    percent
        Mean over the points of (grey - white) / mean of both, in percent.
    right_sign
        Share of the points at which grey matter is the brighter.
    seen
        Share of the border's points that count: those in the field of view and with signal.
    """

    percent: float
    right_sign: float
    seen: float


def white_grey_border(
    white: nib.Nifti1Image,
    grey: nib.Nifti1Image,
    aseg: nib.Nifti1Image | None = None,
    *,
    count: int = POINTS,
    seed: int = 0,
) -> Border:
    """Find the border between white matter and cortex, to a fraction of a voxel.

    Parameters
    ----------
    white, grey
        3-D probabilities, 0 to 1, on one grid.
    aseg
        Structures under FreeSurfer's numbers on the same grid; with them the cerebellum and deep
        grey matter have no part in it.
    count
        Points that are kept at most, drawn from all.
    seed
        Of that draw.

    Returns
    -------
    Border
        In mm of the maps; empty where there is none. Only places with white matter on one side and
        grey matter on the other: thin blades of white matter have none.
    """
    size = np.array(zooms_mm(white.affine))
    if not (np.asanyarray(white.dataobj) > _PURE).any():
        return Border(np.empty((0, 3)), np.empty((0, 3)))
    pad = [int(voxels) for voxels in np.ceil(2 * REACH_MM / size)]
    box = bounding_box(np.asanyarray(white.dataobj) > _PURE, pad=pad)
    white, grey = white.slicer[box], grey.slicer[box]
    affine = white.affine
    inside, outside = (np.asarray(image.dataobj, np.float32) for image in (white, grey))
    level = gaussian_filter(inside - outside, _SMOOTH_MM / size)
    rng = np.random.default_rng(seed)
    voxels = _crossings(level)
    # Most are dropped below; more than this would only cost time.
    if len(voxels) > 5 * count:
        voxels = voxels[np.sort(rng.choice(len(voxels), 5 * count, replace=False))]
    normals = _outward(level, voxels) @ np.linalg.inv(affine[:3, :3])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    step = normals @ np.linalg.inv(affine[:3, :3]).T

    def at(image: np.ndarray, mm: float, order: int = 1) -> np.ndarray:
        return map_coordinates(image, (voxels + mm * step).T, order=order, mode="nearest")

    kept = (at(inside, -REACH_MM) > _PURE) & (at(outside, _GREY_MM) > _PURE)
    if aseg is not None:
        labels = np.asanyarray(aseg.slicer[box].dataobj)
        kept &= np.isin(at(labels, -REACH_MM, 0), _WHITE_LABELS)
        kept &= np.isin(at(labels, _GREY_MM, 0), _CORTEX_LABELS)
    chosen = np.flatnonzero(kept)
    if len(chosen) > count:
        chosen = np.sort(rng.choice(chosen, count, replace=False))
    places = voxels[chosen] @ affine[:3, :3].T + affine[:3, 3]
    return Border(places - REACH_MM * normals[chosen], places + REACH_MM * normals[chosen])


def border_of(anat: AnatFiles, *, count: int = POINTS) -> Border:
    """Find the border of white matter and cortex in the derivatives of a T1w image.

    Raises
    ------
    DatasetError
        A map is missing or unreadable.
    """
    paths = (anat.wm, anat.gm, anat.aseg)
    stamps = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)
    return _border_of(anat, stamps, count)


@lru_cache(maxsize=1)  # The runs of a visit, and the steps of a run, ask for the same.
def _border_of(anat: AnatFiles, stamps: tuple[int, ...], count: int) -> Border:
    white, grey = (load_image(path, who=anat.who, ndim=3) for path in (anat.wm, anat.gm))
    aseg = load_image(anat.aseg, who=anat.who, ndim=3) if anat.aseg.exists() else None
    return white_grey_border(white, grey, aseg, count=count)


def boundary_contrast(
    image: nib.Nifti1Image, border: Border, matrix: np.ndarray | None = None
) -> BoundaryContrast:
    """Measure how much brighter an image is on the grey side of a border than on the white side.

    Parameters
    ----------
    image
        3-D echo-planar image (T2 or T2* contrast), not masked.
    border
        In mm of the T1w image.
    matrix
        4x4, from the world of the border to that of the image; the same world without it.

    Returns
    -------
    BoundaryContrast
        NaN where no point counts. Points outside the field of view, and at places without signal
        (below 0.4 of the median on the border), do not.
    """
    matrix = np.eye(4) if matrix is None else matrix
    white, grey, counts = SignalSampler(image).pairs(border, matrix)
    if not counts.any():
        return BoundaryContrast(float("nan"), float("nan"), 0.0)
    percent = contrast_percent(white[counts], grey[counts])
    return BoundaryContrast(
        float(percent.mean()), float((percent > 0).mean()), float(counts.mean())
    )


class SignalSampler:
    """Brightness of an image on both sides of a border (linear), and where there is signal.

    Parameters
    ----------
    image
        3-D.
    smooth_mm
        Gaussian that it is blurred with before (SD).
    """

    def __init__(self, image: nib.Nifti1Image, smooth_mm: float = 0.0) -> None:
        data = np.asarray(image.dataobj, np.float32)
        bright = data[data > data.mean()]
        self._floor = _SIGNAL_MIN * float(np.median(bright)) if bright.size else np.inf
        if smooth_mm > 0:
            data = gaussian_filter(data, smooth_mm / np.array(zooms_mm(image.affine)))
        self._data, self._to_voxel = data, np.linalg.inv(image.affine)

    def pairs(
        self, border: Border, matrix: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sample a border after a 4x4 map.

        Returns
        -------
        white, grey : numpy.ndarray
            (N,) brightness on either side; NaN outside the field of view.
        counts : numpy.ndarray
            (N,) of bool: whether both are in view and bright enough together.
        """
        step = self._to_voxel @ matrix
        both = np.concatenate([border.white, border.grey]).T
        values = map_coordinates(
            self._data,
            step[:3, :3] @ both + step[:3, 3:],
            order=1,
            mode="constant",
            cval=np.nan,
        )
        white, grey = values[: len(border)], values[len(border) :]
        return white, grey, (white + grey) / 2 > self._floor


def contrast_percent(white: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """(grey - white) / mean of both in percent, of each pair."""
    return 200 * (grey - white) / np.maximum(grey + white, 1e-6)


def _crossings(level: np.ndarray) -> np.ndarray:
    """(N, 3) voxel coordinates where a map changes its sign between neighbours along an axis."""
    places = []
    for axis in range(3):
        low, high = (
            level[tuple(span if n == axis else slice(None) for n in range(3))]
            for span in (slice(None, -1), slice(1, None))
        )
        voxels = np.argwhere((low > 0) != (high > 0))
        before, after = low[tuple(voxels.T)], high[tuple(voxels.T)]
        coordinates = voxels.astype(float)
        coordinates[:, axis] += before / (before - after)
        places.append(coordinates)
    return np.concatenate(places)


def _outward(level: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """(N, 3) direction in voxels in which a map falls most."""
    slopes = []
    for axis in range(3):
        half = np.zeros(3)
        half[axis] = 0.5
        ahead, behind = (
            map_coordinates(level, (voxels + side * half).T, order=1, mode="nearest")
            for side in (1, -1)
        )
        slopes.append(behind - ahead)
    return np.stack(slopes, axis=1)
