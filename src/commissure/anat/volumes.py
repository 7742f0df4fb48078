"""Volumes of tissues and structures from posteriors and an atlas moved onto the T1w."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.images.anat_files import TISSUES
from commissure.images.atlas import NEAR_CORTEX, Atlas, cortex_around, structures
from commissure.images.load import voxel_volume_mm3, zooms_mm
from commissure.images.registration import apply_transform
from commissure.images.template import template

#: Labels are looked up about this finely, however large the voxels are.
SAMPLING_MM = 1.6

#: Weight of a label where the template expects none of its tissue.
EXPECTATION_FLOOR = 0.001

#: FWHM of the neighbourhood that a voxel sees, in voxels.
SEEN_VOXELS = 1.2

#: Points that count less than this, the middle counting 1, are not looked up.
SEEN_WEIGHT_MIN = 0.05

#: Voxels whose points are looked up at a time.
CHUNK = 20_000

#: Structures whose volumes are reported; other labels are their surroundings.
REPORTED = (
    "Hippocampus", "Amygdala", "Thalamus", "Caudate", "Putamen", "Pallidum", "Accumbens",
    "LateralVentricle", "ThirdVentricle",
)  # fmt: skip

#: A coordinate that no brain has.
OUTSIDE_MM = -9999.0


def template_coordinates(
    image: nib.Nifti1Image, from_template: Path | str, *, spacing_mm: float = 4.0
) -> np.ndarray:
    """Where every voxel of an image lies in the template.

    Parameters
    ----------
    image
        3-D T1w; gives the grid.
    from_template
        Transform that moves images from the template onto the T1w.
    spacing_mm
        Grid of the coordinate images that are moved; interpolating them is exact at any spacing.

    Returns
    -------
    numpy.ndarray
        (X, Y, Z, 3) float32, mm; NaN outside of the coordinate images.
    """
    shape = tuple(int(240 / spacing_mm) for _ in range(3))
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = -120.0, -140.0, -110.0
    result = np.empty((*image.shape, 3), np.float32)
    for axis in range(3):
        along = affine[axis, 3] + spacing_mm * np.arange(shape[axis], dtype=np.float32)
        ramp = np.broadcast_to(along.reshape([-1 if n == axis else 1 for n in range(3)]), shape)
        moved = apply_transform(
            nib.Nifti1Image(np.ascontiguousarray(ramp), affine),
            image,
            [from_template],
            default=OUTSIDE_MM,
        )
        result[..., axis] = np.asarray(moved.dataobj)
    result[result == OUTSIDE_MM] = np.nan
    return result


def tissue_volumes(posterior: np.ndarray, affine: np.ndarray) -> dict[str, float]:
    """Volumes of GM, WM and CSF and their sum, TIV, in mm³.

    Parameters
    ----------
    posterior
        (3, X, Y, Z) in the order of :data:`TISSUES`.
    affine
        4x4 of the grid.
    """
    voxel = voxel_volume_mm3(affine)
    volumes: dict[str, float] = {
        name: float(part.sum(dtype=np.float64)) * voxel
        for name, part in zip(TISSUES, posterior, strict=True)
    }
    return {**volumes, "TIV": sum(volumes.values())}


def structure_volumes(
    posterior: np.ndarray,
    coordinates: np.ndarray,
    affine: np.ndarray,
    atlas: Atlas,
    expected: Mapping[str, nib.Nifti1Image] | None = None,
    *,
    columns: Sequence[str] = ("structure",),
) -> dict[str, float]:
    """Volume of each structure of an atlas in mm³: label x posterior of its tissue.

    A voxel that straddles a border is divided: the atlas is looked up at several points in and
    around it, and the voxel's tissue goes to the labels in proportion to how much of that tissue
    the template expects at these points, near ones counting more. The fluid of a voxel that is
    half ventricle, half white matter so counts as ventricle, and what blur has moved over a
    border is brought back.

    Parameters
    ----------
    posterior
        (3, X, Y, Z) in the order of :data:`TISSUES`.
    coordinates
        (X, Y, Z, 3) template mm of each voxel (:func:`template_coordinates`).
    affine
        4x4 of the T1w's grid.
    atlas
        Its labels have the column ``tissue`` and those of ``columns``.
    expected
        Tissue maps in the atlas' space by name, on one grid; the template's own where not given.
    columns
        Columns whose values are regions, each of one or several labels.
    """
    expected = expected or {name: template(name) for name in TISSUES}
    maps = [expected[name] for name in TISSUES]
    chances = np.stack([np.asarray(m.dataobj, np.float32).ravel() for m in maps])
    chances += np.float32(EXPECTATION_FLOOR)
    label = np.asanyarray(atlas.image.dataobj).ravel()
    offsets, weights = _neighbourhood(zooms_mm(affine))
    inside = posterior.sum(axis=0) > 0
    inside &= np.isfinite(coordinates).all(axis=3)
    steps = np.stack([np.gradient(coordinates, axis=axis)[inside] for axis in range(3)])
    centres, shares = coordinates[inside], posterior[:, inside]
    size = int(label.max()) + 1
    per_label = np.zeros((len(TISSUES), size))
    for first in range(0, len(centres), CHUNK):
        part = slice(first, first + CHUNK)
        places = centres[part] + np.tensordot(offsets, steps[:, part], axes=1)
        labels = label[_nearest(atlas.image, places)].ravel()
        nearest = _nearest(maps[0], places)
        for t in range(len(TISSUES)):
            weight = chances[t][nearest] * weights[:, None]
            weight *= shares[t, part] / weight.sum(axis=0)
            per_label[t] += np.bincount(labels, weight.ravel(), minlength=size)
    voxel = voxel_volume_mm3(affine)
    tissue_of = atlas.labels.set_index("index")["tissue"]
    groups = {name: labels for column in columns for name, labels in atlas.groups(column).items()}
    volumes = {}
    for name, indices in groups.items():
        known = [index for index in indices if index < size]
        volumes[name] = float(per_label[TISSUES.index(tissue_of[indices[0]]), known].sum()) * voxel
    return volumes


def cortical_volumes(
    posterior: np.ndarray,
    coordinates: np.ndarray,
    affine: np.ndarray,
    aseg: np.ndarray | None,
    expected: Mapping[str, nib.Nifti1Image] | None = None,
) -> dict[str, float]:
    """Grey matter of cortical regions and lobes (Desikan-Killiany) in mm³.

    Parameters
    ----------
    posterior, coordinates, affine, expected
        See :func:`structure_volumes`.
    aseg
        (X, Y, Z) FreeSurfer's numbers: deep grey matter and cerebellum are no cortex. Without it
        the atlas alone keeps them out.
    """
    if aseg is not None:
        cortical = np.isin(aseg, NEAR_CORTEX)
        posterior = np.where(cortical, posterior, 0)
    return structure_volumes(
        posterior, coordinates, affine, cortex_around(), expected, columns=("structure", "lobe")
    )


@lru_cache(maxsize=1)
def template_volumes() -> dict[str, float]:
    """Volumes in mm³ of the template's own tissues, structures and regions, and ``TIV``."""
    maps = [template(name, resolution_mm=2.0) for name in TISSUES]
    affine = maps[0].affine
    posterior = np.stack([np.asanyarray(part.dataobj) for part in maps])
    voxels = np.moveaxis(np.indices(posterior.shape[1:]), 0, -1)
    coordinates = nib.affines.apply_affine(affine, voxels).astype(np.float32)
    parts = structures()
    aseg = parts.on_grid(posterior.shape[1:], affine)
    labelled = label_volumes(np.asanyarray(parts.image.dataobj), parts.image.affine)
    return (
        tissue_volumes(posterior, affine)
        | reported_structures(labelled)
        | cortical_volumes(posterior, coordinates, affine, aseg)
    )


def label_volumes(aseg: np.ndarray, affine: np.ndarray) -> dict[str, float]:
    """Volume in mm³ of every label of FreeSurfer's ``aseg`` that is there, by its name here.

    Parameters
    ----------
    aseg
        (X, Y, Z) integer labels.
    affine
        4x4 of the grid.
    """
    count = np.bincount(np.asarray(aseg).ravel())
    table = structures().labels
    return {
        name: float(count[index]) * voxel_volume_mm3(affine)
        for index, name in zip(table["index"], table["name"], strict=True)
        if index < len(count) and count[index]
    }


def reported_structures(labelled: Mapping[str, float]) -> dict[str, float]:
    """Volumes of :data:`REPORTED` in mm³, the parts of a structure together.

    Parameters
    ----------
    labelled
        mm³ by name of the label; a structure of which no label is there is left out.
    """
    table = structures().labels
    volumes: dict[str, float] = {}
    for name, structure in zip(table["name"], table["structure"], strict=True):
        if structure.removesuffix("_L").removesuffix("_R") in REPORTED and name in labelled:
            volumes[structure] = volumes.get(structure, 0.0) + labelled[name]
    return volumes


def _neighbourhood(voxel_mm: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Points of the neighbourhood that a voxel sees: (points, 3) in voxels, and their weights."""
    axes = []
    for size in voxel_mm:
        n = 2 * max(1, int(np.ceil(size / SAMPLING_MM))) + 1
        axes.append(np.linspace(-1, 1, n))
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.exp(-4 * np.log(2) * (offsets**2).sum(axis=1) / SEEN_VOXELS**2)
    near = weights > SEEN_WEIGHT_MIN
    return offsets[near].astype(np.float32), weights[near].astype(np.float32)


def _nearest(image: nib.Nifti1Image, places: np.ndarray) -> np.ndarray:
    """Position in the flat data of the voxel nearest to mm coordinates (..., 3)."""
    step = np.linalg.inv(image.affine).astype(np.float32)
    flat = np.zeros(places.shape[:-1], np.int32)
    for axis, size in enumerate(image.shape):
        index = places @ step[axis, :3] + step[axis, 3]
        np.clip(np.rint(index, out=index), 0, size - 1, out=index)
        flat = flat * np.int32(size) + index.astype(np.int32)
    return flat


def values_at(image: nib.Nifti1Image, places: np.ndarray) -> np.ndarray:
    """Nearest voxel's value at mm coordinates (..., 3); 0 outside the image or where unknown."""
    step = np.linalg.inv(image.affine).astype(np.float32)
    voxel = places @ step[:3, :3].T + step[:3, 3]
    index = np.rint(np.nan_to_num(voxel, nan=-1.0)).astype(np.int32)
    known = ((index >= 0) & (index < image.shape)).all(axis=-1)
    x, y, z = np.moveaxis(np.where(known[..., None], index, 0), -1, 0)
    data = np.asanyarray(image.dataobj)
    return np.where(known, data[x, y, z], 0)
