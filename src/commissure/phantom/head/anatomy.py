"""The true head of one person: the template, deformed, scaled, and as it lies in the scanner."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from commissure.errors import ConfigError
from commissure.images.atlas import regions
from commissure.images.template import head_brain_mask, one_person_head
from commissure.phantom.head.deformation import (
    STRUCTURES,
    fitted_deformation,
    grid_weights,
    intracranial,
    labels_at,
    random_velocity,
)
from commissure.phantom.head.tissue_maps import TISSUES, tissue_maps
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol

#: SD of how a head lies in the scanner.
ROTATION_SD_DEG = 2.0
TRANSLATION_SD_MM = 3.0

#: Scanner coordinates that the field of view spans: right-left, back-front, foot-head.
FIELD_OF_VIEW_MM = ((-94.0, 94.0), (-128.0, 94.0), (-84.0, 100.0))


@dataclass(frozen=True)
class Anatomy:
    """The true head of one person, in their T1w space.

    Attributes
    ----------
    affine
        4x4, voxel to mm (RAS+) of every map below.
    gm, wm, csf
        (X, Y, Z) float32 tissue fractions, 0 to 1.
    outside
        (X, Y, Z) float32 intensity of skull and scalp outside the brain (0 to 1 of a whole head's
        maximum; 0 within the brain).
    regions
        (X, Y, Z) int16 labels of :func:`commissure.images.atlas.regions`.
    template_mm
        (X, Y, Z, 3) float32: the template (MNI152NLin2009aSym) coordinate of every voxel in mm.
    truth
        True volumes in mm³ by ``("volume", region)``: ``GM WM CSF TIV``, every structure (all that
        carries its label), and every region and lobe of the cortex (label x grey matter),
        integrated at 1 mm whatever the T1w resolution is.
    """

    affine: np.ndarray
    gm: np.ndarray
    wm: np.ndarray
    csf: np.ndarray
    outside: np.ndarray
    regions: np.ndarray
    template_mm: np.ndarray
    truth: Mapping[tuple[str, str], float] = field(default_factory=dict)


def draw_anatomy(
    person: Person,
    protocol: Protocol,
    rng: np.random.Generator,
    *,
    lie: np.random.Generator | None = None,
) -> Anatomy:
    """Draw the head of a person on the grid of the T1w protocol.

    Parameters
    ----------
    person
        Their ``volume_factor`` markers are met within 0.2 %: a structure's volume over that in the
        template, both relative to the volume inside the skull, which ``head`` sets.
    protocol
        Gives the voxel size.
    rng
        Draws the between-subject deformation.
    lie
        Draws how the head lies in the scanner; ``None`` is ``rng`` again.

    Raises
    ------
    ConfigError
        A volume is asked for that no smooth deformation reaches, or a structure is not one of
        :data:`STRUCTURES`.
    """
    wanted, head = _wanted_volumes(person)
    deformation = fitted_deformation(wanted, random_velocity(rng), who=person.participant_id)
    volumes = deformation.volumes
    enlarge = head * intracranial(grid_weights().totals) / intracranial(volumes)
    truth = {("volume", name): float(value * enlarge) for name, value in volumes.items()}
    truth["volume", "TIV"] = float(intracranial(volumes) * enlarge)

    pose = _pose(lie or rng) @ np.diag([*(3 * (enlarge ** (1 / 3),)), 1.0])
    shape, affine = _field_of_view(protocol.anat.voxel_mm)
    template_mm = deformation.template_mm(shape, np.linalg.inv(pose) @ affine)
    maps = _blurred_maps(protocol.anat.voxel_mm)
    gm, wm, csf, outside = (_sampled(maps[name], template_mm) for name in (*TISSUES, "outside"))
    truth["tiv", "head"] = truth["volume", "TIV"]
    return Anatomy(
        affine=affine,
        gm=gm,
        wm=wm,
        csf=csf,
        outside=outside,
        regions=labels_at(regions().image, template_mm),
        template_mm=template_mm,
        truth=truth,
    )


def _wanted_volumes(person: Person) -> tuple[dict[str, float], float]:
    """Factors on the volumes by structure, and the one on the whole head."""
    wanted = {
        region: value for (name, region), value in person.markers.items() if name == "volume_factor"
    }
    head = wanted.pop("head", 1.0)
    unknown = sorted(set(wanted) - set(STRUCTURES))
    if unknown:
        raise ConfigError(
            person.participant_id,
            found=f"the volume of {', '.join(unknown)} cannot be set",
            wanted=f"one of {', '.join(STRUCTURES)}",
        )
    return wanted, head


def _pose(rng: np.random.Generator) -> np.ndarray:
    """Rigid 4x4: how the head lies in the scanner."""
    angles = np.deg2rad(rng.normal(0, ROTATION_SD_DEG, 3))
    pose = np.eye(4)
    pose[:3, :3] = nib.eulerangles.euler2mat(*angles)
    pose[:3, 3] = rng.normal(0, TRANSLATION_SD_MM, 3)
    return pose


def _field_of_view(voxel_mm: float) -> tuple[tuple[int, int, int], np.ndarray]:
    spans = [high - low for low, high in FIELD_OF_VIEW_MM]
    x, y, z = (int(np.ceil(span / voxel_mm)) for span in spans)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = [low + voxel_mm / 2 for low, _ in FIELD_OF_VIEW_MM]
    return (x, y, z), affine


@lru_cache(maxsize=2)
def _blurred_maps(voxel_mm: float) -> dict[str, nib.Nifti1Image]:
    """Tissues and what lies outside the brain, averaged over what a voxel of the protocol sees."""
    fwhm = math.sqrt(max(voxel_mm**2 - 1, 0))
    keep = 2 if voxel_mm >= 2 else 1
    maps = {}
    for name, image in tissue_maps().items():
        data = gaussian_filter(np.asanyarray(image.dataobj), fwhm / 2.3548)
        affine = image.affine @ np.diag([keep, keep, keep, 1])
        maps[name] = nib.Nifti1Image(np.ascontiguousarray(data[::keep, ::keep, ::keep]), affine)
    head = one_person_head()
    brain = np.asanyarray(head_brain_mask().dataobj)
    cover = np.clip(2 * gaussian_filter(brain, 1.0), 0, 1)
    maps["outside"] = nib.Nifti1Image(np.asanyarray(head.dataobj) * (1 - cover), head.affine)
    return maps


def _sampled(image: nib.Nifti1Image, mm: np.ndarray) -> np.ndarray:
    """Values of an image at coordinates (X, Y, Z, 3) in mm, linear, 0 outside of it."""
    step = np.linalg.inv(image.affine).astype(np.float32)
    places = step[:3, :3] @ mm.reshape(-1, 3).T + step[:3, 3:]
    data = np.asanyarray(image.dataobj)
    return map_coordinates(data, places, order=1, mode="constant").reshape(mm.shape[:3])
