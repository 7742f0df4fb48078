"""The template of one person's visits: its labels, and what they say of each visit."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import map_coordinates

from commissure.anat.builtin.border import signed_distance
from commissure.anat.builtin.brain import Brain
from commissure.anat.builtin.segmentation import SegmentedHead, segmented, with_tissues
from commissure.anat.builtin.structures import WANTED, SegmentedStructures, segment_structures
from commissure.anat.builtin.tissue_labels import CSF_LABEL, stem
from commissure.anat.builtin.warp import TemplateWarp, write_ways
from commissure.anat.settings import AnatPreprocessSettings
from commissure.images.atlas import structures
from commissure.images.grid import bounding_box, resample_to
from commissure.images.load import zooms_mm
from commissure.images.midway import (
    Displacements,
    Place,
    Round,
    grid_places,
    midway_warps,
    sampled,
)
from commissure.images.warp import Level, Warp, jacobian_determinants

#: Warps of the whole brain, and of what surrounds the structures: voxel sizes and steps. The last
#: steps see the contrast of whole structures, because the visits have the same.
BRAIN_ROUNDS: tuple[Round, ...] = (((4.0, 2.0), (Level(10, 0.3), Level(10, 0.3))),)
DEEP_ROUNDS: tuple[Round, ...] = (((1.0,), (Level(10, 0.5, window=25),)),)

#: How far around the structures the last warp is looked for (mm).
DEEP_MARGIN_MM = 6.0


@dataclass(frozen=True)
class PersonTemplate:
    """What the visits of a person have in common.

    Attributes
    ----------
    maps
        4x4 of each visit, mm of the template to mm of the visit.
    displacements
        What each visit's place differs by beside its map.
    warp
        The way from the study's template to this one.
    brain
        Where its brain is.
    labels
        3-D int16, structures under FreeSurfer's numbers.
    found
        Its structures and their volumes.
    growth
        Of each visit, volume over that in the template by name of the label.
    """

    maps: tuple[np.ndarray, ...]
    displacements: Displacements
    warp: TemplateWarp
    brain: Brain
    labels: nib.Nifti1Image
    found: SegmentedStructures
    growth: tuple[dict[str, float], ...]


@dataclass(frozen=True)
class VisitInTemplate:
    """A visit of a person, as the template of all of them shows it.

    Attributes
    ----------
    template, number
        The template, and which of its visits.
    """

    template: PersonTemplate
    number: int

    @property
    def matrix(self) -> np.ndarray:
        """4x4, mm of the template to mm of the visit."""
        return self.template.maps[self.number]

    def head(
        self,
        image: nib.Nifti1Image,
        *,
        settings: AnatPreprocessSettings,
        to_template: Path,
        from_template: Path,
    ) -> SegmentedHead:
        """Segment a visit on its own grid.

        Parameters
        ----------
        image
            3-D T1w of the visit on the grid to segment on.
        settings
            Resolutions and weights.
        to_template, from_template
            Composite transforms of the visit to write (``.h5``).
        """
        matrix = self.matrix
        border = self.template.brain.border
        brain = Brain(
            matrix @ self.template.brain.to_person,
            nib.Nifti1Image(border.dataobj, matrix @ border.affine),
        )
        warp = write_ways(self._warp(), to_template, from_template)
        return with_tissues(image, brain, warp, from_template, settings=settings)

    def structures(self, mask: np.ndarray, affine: np.ndarray) -> SegmentedStructures:
        """Structures of a visit: the template's, moved to it.

        Parameters
        ----------
        mask, affine
            (X, Y, Z) bool, the brain of the visit, and the 4x4 of its grid.
        """
        box = bounding_box(mask)
        here = affine.copy()
        here[:3, 3] = nib.affines.apply_affine(affine, [part.start for part in box])
        inside = mask[box]
        start = np.linalg.inv(self.matrix) @ here
        linear = grid_places(inside.shape, start)  # type: ignore[arg-type]
        places = linear
        for _ in range(2):
            places = linear - self._moves_at(places)
        voxel = _applied(np.linalg.inv(self.template.labels.affine), places)
        moved = map_coordinates(np.asanyarray(self.template.labels.dataobj), voxel, order=0)
        labels = np.zeros(mask.shape, np.int16)
        labels[box] = np.where(inside, np.where(moved > 0, moved, CSF_LABEL), 0)
        volumes = {
            name: volume * self.template.growth[self.number].get(name, 1.0)
            for name, volume in self.template.found.volumes_mm3.items()
        }
        return SegmentedStructures(labels, volumes, self.template.found.appearance)

    def _moves_at(self, places: np.ndarray) -> np.ndarray:
        """(3, X, Y, Z) mm: displacement of a visit at places of the template."""
        voxel = _applied(np.linalg.inv(self.template.displacements.affine), places)
        return np.stack(
            [
                map_coordinates(part, voxel, order=1, mode="nearest")
                for part in self.template.displacements.values[self.number]
            ]
        )

    def _warp(self) -> Warp:
        """The way from the study's template to a visit, by way of this one."""
        first = self.template.warp.warp
        shape = first.displacement.shape[1:]
        places = grid_places(shape, first.affine) + first.displacement
        moves = self._moves_at(_applied(first.to_moving, places))
        back = np.linalg.inv(first.to_moving)[:3, :3].astype(np.float32)
        displacement = first.displacement + np.tensordot(back, moves, axes=1)
        return Warp(displacement, first.affine, self.matrix @ first.to_moving)


def person_template(
    images: Sequence[nib.Nifti1Image],
    maps: Sequence[np.ndarray],
    place: Place,
    *,
    stripped: bool,
    settings: AnatPreprocessSettings,
) -> PersonTemplate:
    """Make the template of visits that show the same head.

    Parameters
    ----------
    images
        3-D T1w of each visit, coil brightness divided out, white matter at 1.
    maps
        4x4 of each, mm of the template to mm of the visit
        (:func:`commissure.images.midway.midway_maps`).
    place
        Where the template is; what counts is the brain.
    stripped
        Whether the images come without skull.
    settings
        What the study chose.
    """
    moves = midway_warps(images, maps, place, rounds=BRAIN_ROUNDS)
    image = _common(images, maps, moves, place, settings.segmentation_resolution_mm)
    with tempfile.TemporaryDirectory() as folder:
        ways = Path(folder, "to.h5"), Path(folder, "from.h5")
        head = segmented(
            image, stripped=stripped, settings=settings, to_template=ways[0], from_template=ways[1]
        )
        light = resample_to(head.brightness, image.shape, image.affine, outside="edge")
        even = nib.Nifti1Image(np.asanyarray(image.dataobj) / light, image.affine)
        found = segment_structures(even, head.mask, head.tissues.posterior, ways[1])
    labels = nib.Nifti1Image(found.labels, image.affine)
    border = signed_distance(head.mask, zooms_mm(image.affine))
    brain = Brain(head.brain.to_person, nib.Nifti1Image(border, image.affine))
    around = _around_structures(labels)
    deep = midway_warps(images, maps, around, rounds=DEEP_ROUNDS, start=moves)
    growth = _growth(maps, deep, labels)
    return PersonTemplate(tuple(maps), moves, head.warp, brain, labels, found, growth)


def _common(
    images: Sequence[nib.Nifti1Image],
    maps: Sequence[np.ndarray],
    moves: Displacements,
    place: Place,
    finest_mm: float,
) -> nib.Nifti1Image:
    """What the visits show in common: their median, in voxels as large as theirs."""
    sizes = [abs(np.linalg.det(image.affine[:3, :3])) ** (1 / 3) for image in images]
    voxel_mm = max(finest_mm, float(np.mean(sizes)))
    shape, affine = place.grid(voxel_mm)
    box = bounding_box(place.mask(voxel_mm), pad=2)
    corner = affine.copy()
    corner[:3, 3] = nib.affines.apply_affine(affine, [part.start for part in box])
    inner = tuple(part.stop - part.start for part in box), corner
    values, covers = [], []
    for image, matrix, field in zip(images, maps, moves.values, strict=True):
        moved = sampled(image, matrix, field, moves.affine, (shape, affine))
        # A cubic spline costs ten times as much, and only the brain needs it.
        fine = sampled(image, matrix, field, moves.affine, inner, order=3)  # type: ignore[arg-type]
        moved[box] = np.clip(fine, 0, None)
        whole = nib.Nifti1Image(
            np.ones(image.shape, np.float32), np.linalg.inv(matrix) @ image.affine
        )
        covers.append(resample_to(whole, shape, affine) > 0.99)
        values.append(moved * covers[-1])
    count = np.sum(covers, axis=0)
    mean = np.sum(values, axis=0) / np.maximum(count, 1)
    known = [np.where(cover, part, mean) for cover, part in zip(covers, values, strict=True)]
    return nib.Nifti1Image(np.median(known, axis=0).astype(np.float32), affine)


def _around_structures(labels: nib.Nifti1Image) -> Place:
    """The structures and what is near them."""
    wanted = np.isin(np.asanyarray(labels.dataobj), list(_wanted_numbers().values()))
    zooms = zooms_mm(labels.affine)
    margin = [int(np.ceil(DEEP_MARGIN_MM / mm)) for mm in zooms]
    box = bounding_box(wanted, pad=margin)
    corners = np.array([[part.start - 0.5, part.stop - 0.5] for part in box]).T
    low, high = nib.affines.apply_affine(labels.affine, corners)
    away = signed_distance(wanted, zooms)
    return Place(low, high, nib.Nifti1Image(DEEP_MARGIN_MM - away, labels.affine))


def _growth(
    maps: Sequence[np.ndarray], moves: Displacements, labels: nib.Nifti1Image
) -> tuple[dict[str, float], ...]:
    """Volume of each structure in each visit over that in the template."""
    shape, affine = moves.values.shape[2:], moves.affine
    here = resample_to(labels, shape, affine, order=0)
    size = zooms_mm(affine)[0]
    numbers = {name: n for name, n in _wanted_numbers().items() if (here == n).any()}
    growth = []
    for matrix, field in zip(maps, moves.values, strict=True):
        volume = jacobian_determinants(field / np.float32(size))
        scale = float(np.linalg.det(matrix[:3, :3]))
        growth.append(
            {name: scale * float(volume[here == n].mean()) for name, n in numbers.items()}
        )
    return tuple(growth)


def _wanted_numbers() -> dict[str, int]:
    table = structures().labels
    return {
        str(name): int(number)
        for name, number in zip(table["name"], table["index"], strict=True)
        if stem(name) in WANTED
    }


def _applied(matrix: np.ndarray, places: np.ndarray) -> np.ndarray:
    """4x4 applied to (3, X, Y, Z) points."""
    m = matrix.astype(np.float32)
    return np.tensordot(m[:3, :3], places, axes=1) + m[:3, 3][:, None, None, None]
