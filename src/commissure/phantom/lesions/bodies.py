"""Where lesions are planted: a liver of one ellipsoid, and the head of the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from commissure.phantom.head.anatomy import draw_anatomy
from commissure.phantom.lesions.ellipsoids import Ellipsoid, painted
from commissure.phantom.person import Person
from commissure.phantom.protocol import chosen_protocol
from commissure.phantom.scanner.t1w import WHITE_MATTER, noise_free

#: CT numbers of the liver after contrast, its lesions, fat around it, and air.
LIVER_HU, LESION_HU, FAT_HU, AIR_HU = 110.0, 55.0, -90.0, -1000.0

#: Standard deviation of the noise of a CT image (HU), and of a T1w image over white matter.
CT_NOISE_HU, T1W_NOISE = 12.0, 0.03

#: Signal of an enhancing lesion over white matter.
ENHANCING = 1.5


@dataclass(frozen=True)
class Body:
    """An organ in its image, without lesions.

    Attributes
    ----------
    kind
        ``liver`` (CT) or ``head`` (T1w after contrast).
    image
        (X, Y, Z) float32, without noise.
    organ
        (X, Y, Z) bool: where lesions may lie.
    affine
        4x4, voxel to mm.
    lesion
        Value of a lesion in the image.
    noise
        Standard deviation of the image's noise.
    """

    kind: Literal["liver", "head"]
    image: np.ndarray
    organ: np.ndarray
    affine: np.ndarray
    lesion: float
    noise: float

    @cached_property
    def depth_mm(self) -> np.ndarray:
        """(X, Y, Z): distance to the outside of the organ, 0 there."""
        size = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return distance_transform_edt(self.organ, sampling=size)


def liver(voxel_mm: Sequence[float] = (1.25, 1.25, 2.5)) -> Body:
    """A liver of 170 x 120 x 140 mm in fat, in a field of view of 200 x 160 x 160 mm."""
    span = np.array([200.0, 160.0, 160.0])
    size = np.asarray(voxel_mm, float)
    x, y, z = (int(n) for n in np.round(span / size))
    affine = np.diag([*size, 1.0])
    affine[:3, 3] = -span / 2 + size / 2
    shape = (x, y, z)
    organ = np.zeros(shape, bool)
    body = np.zeros(shape, bool)
    for mask, semi in ((organ, (85, 60, 70)), (body, (98, 78, 120))):
        box, inside = painted(
            Ellipsoid(np.zeros(3), np.array(semi, float), np.eye(3)), shape, affine
        )
        mask[box] = inside
    image = np.where(organ, LIVER_HU, np.where(body, FAT_HU, AIR_HU)).astype(np.float32)
    return Body("liver", image, organ, affine, LESION_HU, CT_NOISE_HU)


def head(seed: int, *, voxel_mm: float = 2.0) -> Body:
    """A head of the simulator, its image as after contrast; lesions lie in its brain.

    Parameters
    ----------
    seed
        Draws the head.
    voxel_mm
        Edge of its voxels.
    """
    protocol = chosen_protocol("demo", {"anat": {"voxel_mm": voxel_mm}})
    person = Person("sub-01", "control", "A", 50.0, "F", frozenset({"anat"}), {}, 0.0, seed)
    anatomy = draw_anatomy(person, protocol, np.random.default_rng(seed))
    image = noise_free(anatomy) * np.float32(WHITE_MATTER)
    brain = gaussian_filter((anatomy.gm + anatomy.wm).astype(np.float32), 1.0) > 0.9
    return Body(
        "head", image, brain, anatomy.affine, ENHANCING * WHITE_MATTER, T1W_NOISE * WHITE_MATTER
    )
