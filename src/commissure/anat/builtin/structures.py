"""Deep grey matter, ventricles and the rest of the brain as FreeSurfer's ``aseg`` names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter, map_coordinates
from scipy.ndimage import label as components

from commissure.anat.builtin.expectations import CAPSULE, WANTED, expectations, near_wanted
from commissure.anat.builtin.structure_mixture import (
    Appearance,
    Classes,
    face_neighbours,
    memberships,
    tissue_means,
)
from commissure.anat.builtin.tissue_labels import (
    CSF_LABEL,
    GREY,
    nearest_values,
    stem,
    tissue_labels,
)
from commissure.anat.volumes import template_coordinates
from commissure.images.atlas import Atlas, structures
from commissure.images.grid import block_means, bounding_box, resample_to
from commissure.images.load import voxel_volume_mm3, zooms_mm

#: Images are looked at about this finely; larger voxels are divided in two at most.
WORK_MM = 1.0

#: Spacing at which the way to the template is looked up.
WARP_MM = 2.0

#: The way to the template is made as smooth as this (SD): within structures of weak contrast, as
#: the pallidum's, its details follow noise and myelin, and what is finer the intensities decide.
WARP_SMOOTHNESS_MM = 6.0

#: By structure, where it is another. The pallidum is as bright as the white matter around it: the
#: warp has nothing to hold it by. The border between hippocampus and amygdala, and the hippocampus'
#: with cortex, only the warp sees.
SMOOTHNESS_OF_MM = {"Pallidum": 15.0, "Hippocampus": 3.0, "Amygdala": 3.0}

#: A voxel belongs to the region where one of the wanted structures is expected more than this.
EXPECTED = 5e-3

#: What is left open for ventricles wherever the template has them near.
FLUID_FLOOR = 1e-3

#: Parts of a structure smaller than this share of its largest part are taken away.
PART_MIN = 0.1

_FLUID = ("LateralVentricle", "InferiorLateralVentricle", "ThirdVentricle", "FourthVentricle")
#: Classes by which the intensities of CSF, GM and WM are first guessed.
_TISSUES = (_FLUID, (*GREY, "Hippocampus", "Amygdala", "Caudate"), ("CerebralWM",))


@dataclass(frozen=True)
class SegmentedStructures:
    """Structures of one head.

    Attributes
    ----------
    labels
        (X, Y, Z) int16 on the T1w's grid: FreeSurfer's numbers, 0 outside the brain.
    volumes_mm3
        By name of the label (``Hippocampus_L``): the sum of its memberships.
    appearance
        Intensities that were learnt.
    """

    labels: np.ndarray
    volumes_mm3: dict[str, float]
    appearance: Appearance


@dataclass(frozen=True)
class _Grid:
    """The grid that structures are looked for on: a box of the T1w, in finer or equal voxels.

    Attributes
    ----------
    shape, affine
        Of the grid.
    box
        Voxels of the T1w that it covers.
    divided
        Voxels of the grid along each edge of one of the T1w's; 0 where they are not aligned.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    box: tuple[slice, slice, slice]
    divided: tuple[int, int, int] | None


def segment_structures(
    t1w: nib.Nifti1Image, mask: np.ndarray, posterior: np.ndarray, from_template: Path
) -> SegmentedStructures:
    """Find the structures of a head in its own image.

    Parameters
    ----------
    t1w
        3-D, coil brightness divided out.
    mask
        (X, Y, Z) bool, the brain.
    posterior
        (3, X, Y, Z) GM, WM and CSF: tells cortex, white matter and fluid far from the structures.
    from_template
        Transform that moves images from the template onto the T1w.

    Notes
    -----
    The template's labels, softened and carried by the warp, say where to expect each structure;
    where it ends is decided by the person's own intensities and by neighbours
    (:func:`commissure.anat.builtin.structure_mixture.memberships`).
    """
    coarse, affine = _coarse_grid(t1w, mask)
    coordinates = template_coordinates(
        nib.Nifti1Image(np.zeros(coarse, np.int8), affine), from_template
    )
    grid = _work_grid(t1w, coordinates, affine)
    places = {
        smoothness: _interpolated(
            _smoother(coordinates, zooms_mm(affine), smoothness), affine, grid
        )
        for smoothness in {WARP_SMOOTHNESS_MM, *SMOOTHNESS_OF_MM.values()}
    }
    intensity = _sampled(t1w, grid)
    inside = _covered(mask, t1w.affine, grid)
    names, prior, region = _expected(places, inside, float(np.mean(zooms_mm(grid.affine))))
    classes = Classes(names, tuple(_kind(name) for name in names))
    y = intensity[region]
    tissues = tissue_means(
        y, np.stack([prior[[stem(n) in of for n in names]].sum(axis=0) for of in _TISSUES])
    )
    shares, appearance = memberships(y, prior, classes, tissues, face_neighbours(region))
    found = np.zeros((len(names), *grid.shape), np.float32)
    found[:, region] = shares
    _without_islands(found, names)
    voxel = voxel_volume_mm3(grid.affine)
    wanted = [n for n, name in enumerate(names) if stem(name) in WANTED]
    volumes = {names[n]: float(found[n].sum(dtype=np.float64)) * voxel for n in wanted}
    labels = tissue_labels(t1w, mask, posterior, coordinates, affine)
    _draw(labels, found, names, grid, t1w)
    return SegmentedStructures(labels * mask, volumes, appearance)


def _kind(name: str) -> str:
    part = stem(name)
    if part in _FLUID:
        return "CSF"
    if part == "CerebralWM":
        return "WM"
    return "GM" if part in GREY else part


def _coarse_grid(t1w: nib.Nifti1Image, mask: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """A grid of about :data:`WARP_MM` around the brain, along the T1w's axes."""
    box = bounding_box(mask, pad=2)
    size = np.array(zooms_mm(t1w.affine))
    step = np.maximum(size, WARP_MM)
    first = np.array([part.start for part in box])
    extent = np.array([part.stop - part.start for part in box]) * size
    affine = t1w.affine.copy()
    affine[:3, :3] = t1w.affine[:3, :3] * (step / size)
    affine[:3, 3] = nib.affines.apply_affine(t1w.affine, first)
    return tuple(int(n) + 1 for n in np.ceil(extent / step)), affine


def _work_grid(t1w: nib.Nifti1Image, coordinates: np.ndarray, affine: np.ndarray) -> _Grid:
    """The grid around all wanted structures."""
    atlas = structures().image
    near = nearest_values(near_wanted(), atlas.affine, coordinates)
    corners = np.argwhere(near)
    to_native = np.linalg.inv(t1w.affine) @ affine
    ends = nib.affines.apply_affine(to_native, np.stack([corners.min(0), corners.max(0)]))
    low = np.maximum(np.floor(ends.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(ends.max(0)) + 1, t1w.shape).astype(int)
    size = np.array(zooms_mm(t1w.affine))
    divided = np.where(size > 1.5 * WORK_MM, 2, 1)
    aligned = bool((size / divided > 0.8 * WORK_MM).all())
    step = size / divided if aligned else np.maximum(size / divided, WORK_MM)
    shape = np.ceil((high - low) * size / step - 1e-6).astype(int)
    work = t1w.affine.copy()
    work[:3, :3] = t1w.affine[:3, :3] * (step / size)
    work[:3, 3] = nib.affines.apply_affine(t1w.affine, low - 0.5 + 0.5 * step / size)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    blocks = tuple(int(n) for n in divided) if aligned else None
    return _Grid(tuple(int(n) for n in shape), work, box, blocks)  # type: ignore[arg-type]


def _smoother(
    coordinates: np.ndarray, voxel_mm: tuple[float, ...], smoothness_mm: float
) -> np.ndarray:
    """Template mm by a smoother way: what an affine map leaves is smoothed, NaN stays NaN."""
    known = np.isfinite(coordinates).all(axis=-1)
    voxel = np.stack([*np.nonzero(known), np.ones(int(known.sum()))])
    values = coordinates[known].astype(float)
    matrix = np.linalg.lstsq(voxel[:, ::7].T, values[::7], rcond=None)[0]
    linear = voxel.T @ matrix
    sigma = smoothness_mm / np.array(voxel_mm)
    cover = gaussian_filter(known.astype(np.float32), sigma)[known]
    result = coordinates.copy()
    for axis in range(3):
        rest = np.zeros(known.shape, np.float32)
        rest[known] = values[:, axis] - linear[:, axis]
        result[known, axis] = linear[:, axis] + gaussian_filter(rest, sigma)[known] / cover
    return result


def _interpolated(coordinates: np.ndarray, affine: np.ndarray, grid: _Grid) -> np.ndarray:
    """(3, X, Y, Z) template mm on the grid; the warp is smooth."""
    known = np.nan_to_num(coordinates, nan=-9999.0)
    return np.stack(
        [
            resample_to(
                nib.Nifti1Image(known[..., axis], affine), grid.shape, grid.affine, outside="edge"
            )
            for axis in range(3)
        ]
    )


def _sampled(t1w: nib.Nifti1Image, grid: _Grid) -> np.ndarray:
    """Intensities on the grid: cubic where it is finer, averaged where it is coarser."""
    old, new = np.array(zooms_mm(t1w.affine)), np.array(zooms_mm(grid.affine))
    pad = 4
    box = tuple(
        slice(max(0, part.start - pad), min(size, part.stop + pad))
        for part, size in zip(grid.box, t1w.shape, strict=True)
    )
    part = t1w.slicer[box]
    data = np.asanyarray(part.dataobj).astype(np.float32)
    sigma = np.sqrt(np.clip(new**2 - old**2, 0, None)) / old / 2.3548
    if (sigma > 0).any():
        data = gaussian_filter(data, sigma)
    order = 3 if (new < 0.9 * old).any() else 1
    image = nib.Nifti1Image(data, part.affine)
    return resample_to(image, grid.shape, grid.affine, order=order, outside="edge")


def _covered(mask: np.ndarray, affine: np.ndarray, grid: _Grid) -> np.ndarray:
    image = nib.Nifti1Image(mask.astype(np.float32), affine)
    return resample_to(image, grid.shape, grid.affine) > 0.5


def _expected(
    places: dict[float, np.ndarray], inside: np.ndarray, voxel_mm: float
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Names, (K, N) prior and the region of N voxels where a wanted structure can be."""
    atlas = structures().image
    step = np.linalg.inv(atlas.affine).astype(np.float32)
    voxels = {
        smoothness: step[:3, :3] @ way.reshape(3, -1) + step[:3, 3:]
        for smoothness, way in places.items()
    }
    names, maps = [], []
    for part in expectations():
        flat = voxels[SMOOTHNESS_OF_MM.get(stem(part.name), WARP_SMOOTHNESS_MM)]
        own = flat - part.corner[:, None]
        hit = np.flatnonzero(
            ((own > -1) & (own < np.array(part.probability.shape)[:, None])).all(0)
        )
        if not hit.size:
            continue
        values = np.zeros(flat.shape[1], np.float32)
        values[hit] = map_coordinates(part.probability, own[:, hit], order=1)
        if values.max() > 0.05:
            names.append(part.name)
            maps.append(values.reshape(inside.shape))
    wanted = sum(v for name, v in zip(names, maps, strict=True) if stem(name) in WANTED)
    wider = max(1, round(2 / voxel_mm))
    region = binary_dilation(np.asarray(wanted) > EXPECTED, iterations=wider) & inside
    prior = np.stack([values[region] for values in maps])
    for row, name in zip(prior, names, strict=True):
        if "LateralVentricle" in name:
            row[row > 1e-5] += FLUID_FLOOR
    rest = np.clip(1 - prior.sum(axis=0), 0, None)
    prior = np.concatenate([prior, rest[None]])
    prior /= prior.sum(axis=0)
    return (*names, "outside"), prior, region


def _without_islands(found: np.ndarray, names: Sequence[str]) -> None:
    """Give parts that do not touch a structure's body to the next most likely class, in place."""
    winner = found.argmax(axis=0)
    for n, name in enumerate(names):
        if stem(name) not in WANTED or "Ventricle" in name:
            continue
        parts, count = components(winner == n)
        if count <= 1:
            continue
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        small = (sizes < PART_MIN * sizes.max())[parts] & (parts > 0)
        rest = found[:, small]
        rest[n] = 0
        found[:, small] = rest / np.maximum(rest.sum(axis=0), 1e-6)


def _draw(
    labels: np.ndarray,
    found: np.ndarray,
    names: Sequence[str],
    grid: _Grid,
    t1w: nib.Nifti1Image,
) -> None:
    """Write the most likely class of each voxel into the labels, in place."""
    atlas: Atlas = structures()
    number = dict(zip(atlas.labels["name"], atlas.labels["index"], strict=True))
    part = labels[grid.box]
    best = np.full(part.shape, 0.0, np.float32)
    winner = np.zeros(part.shape, np.int16)
    known = np.zeros(part.shape, np.float32)
    target = t1w.slicer[grid.box]
    for name, shares in zip(names, found, strict=True):
        if grid.divided is not None:
            own = block_means(shares, grid.divided)
        else:
            own = resample_to(
                nib.Nifti1Image(shares, grid.affine), target.shape, target.affine, outside="edge"
            )
        known += own
        label = name.replace(CAPSULE, "CerebralWM")
        value = CSF_LABEL if name == "outside" else int(number[label])
        ahead = own > best
        best[ahead] = own[ahead]
        winner[ahead] = value
    inside = known > 0.5
    part[inside] = winner[inside]
