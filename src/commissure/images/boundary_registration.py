"""Boundary-based registration of an echo-planar image to the T1w image of the same head.

Notes
-----
Greve DN & Fischl B, Accurate and robust brain image alignment using boundary-based registration,
NeuroImage 48:63-72, 2009.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from commissure.images.boundary import (
    Border,
    BoundaryContrast,
    SignalSampler,
    boundary_contrast,
    contrast_percent,
)
from commissure.images.rigid import rigid_matrix, searched_rigid

#: Steepness of the cost, per percent of contrast. With 0.5, as it was published, most points of
#: images of usual contrast say no more than their sign: on three real runs each quarter of a border
#: then led up to 0.9 mm away from where the whole did, with 0.1 up to 0.4 mm.
SLOPE = 0.1

#: Share of points with the right sign below which an image does not show a border. Measured on real
#: runs: 0.73 to 0.86 where they lie right; 0.53 to 0.62 at the best place beside a mirrored T1w
#: image or that of somebody else.
RIGHT_SIGN_MIN = 0.67

#: Least share of points with the right sign more than at the mirrored border. Measured on real
#: runs: 0.14 to 0.26; mirrored -0.26 to 0.01; beside the T1w image of somebody else -0.02 to 0.07.
#: In simulated people 0.07 to 0.08, and 0.00 to 0.01 with another T1w image: their folds are those
#: of a symmetrical template, which its mirror image shares.
GAIN_MIN = 0.04

#: Rotations about the axis between the ears by which the head may lie otherwise in both images
#: (degrees): of all rotations people differ most in this one.
_NODS_DEG = (-20.0, -10.0, 0.0, 10.0, 20.0)


@dataclass(frozen=True)
class Stage:
    """One stage of the search.

    Attributes
    ----------
    smooth_mm
        Gaussian that the image is blurred with (SD): it widens what is within reach.
    points
        How many of the border's points are looked at.
    step_mm
        First step of the search along each parameter.
    """

    smooth_mm: float
    points: int
    step_mm: float


#: After the coarse search a place is followed where it agrees with the border at least this share
#: as well as the best.
_PROMISING = 0.5

COARSE, FINE = Stage(3.0, 3_000, 8.0), Stage(0.0, 12_000, 1.0)


@dataclass(frozen=True)
class Placement:
    """Where a border was found in an image.

    Attributes
    ----------
    matrix
        4x4, from the world of the border to that of the image.
    agreement
        Mean over the border's points of tanh(slope * contrast), -1 to 1; a point that does not
        count gives 0.
    start
        Name of the start that it was found from.
    """

    matrix: np.ndarray
    agreement: float
    start: str = ""


@dataclass(frozen=True)
class Fit:
    """How well an image lies beside a border.

    Attributes
    ----------
    contrast
        As it lies.
    offset_mm
        Farthest that a point of the border lies from where the contrast near by is greatest.
    mirrored
        Contrast of the border with its sides exchanged, at the place where it fits best: what a
        head of that size and shape has by chance.
    """

    contrast: BoundaryContrast
    offset_mm: float
    mirrored: BoundaryContrast

    @property
    def gain(self) -> float:
        """Share of points with the right sign, less that of the mirrored border."""
        by_chance = self.mirrored.right_sign if self.mirrored.seen > 0 else 0.5
        return self.contrast.right_sign - by_chance


def centred_starts(border: Border, centre_mm: np.ndarray) -> list[np.ndarray]:
    """Maps that lay the border's centre at a place, with the head nodded by -20 to 20 degrees."""
    middle = border.places.mean(axis=0)
    shift = np.eye(4)
    shift[:3, 3] = centre_mm - middle
    nods = (np.array([0, 0, 0, np.radians(degrees), 0, 0]) for degrees in _NODS_DEG)
    return [shift @ rigid_matrix(nod, middle) for nod in nods]


def find_placements(
    image: nib.Nifti1Image, border: Border, starts: Mapping[str, list[np.ndarray]]
) -> list[Placement]:
    """Lay an echo-planar image beside the border of the same head (rigid, six parameters).

    Parameters
    ----------
    image
        3-D, not masked: grey matter is brighter than white matter.
    border
        Of the T1w image.
    starts
        Maps (4x4, world of the border to that of the image) to start from, by name; of several
        under one name only the most promising is followed.

    Returns
    -------
    list of Placement
        One of each name, the best first; those that the coarse search left far behind are not
        refined.
    """
    coarse, fine = _Search(image, border, COARSE), _Search(image, border, FINE)
    rough = {}
    for name, maps in starts.items():
        best = max((coarse.best(start) for start in maps), key=lambda place: place.agreement)
        matrix = max([best.matrix, *maps], key=fine.agreement)
        rough[name] = Placement(matrix, fine.agreement(matrix), name)
    most = max(place.agreement for place in rough.values())
    least = most - (1 - _PROMISING) * abs(most)
    placements = []
    for place in rough.values():
        if place.agreement >= least:
            best = fine.best(place.matrix)
            place = Placement(best.matrix, best.agreement, place.start)
        placements.append(place)
    return sorted(placements, key=lambda place: -place.agreement)


def judge_placement(image: nib.Nifti1Image, border: Border, matrix: np.ndarray) -> Fit:
    """Judge how an image lies beside a border.

    Parameters
    ----------
    image, border
        As in :func:`find_placements`.
    matrix
        4x4, from the world of the border to that of the image.
    """
    mirrored = border.mirrored()
    reflected = find_placements(image, mirrored, {"mirrored": [matrix]})[0]
    return Fit(
        boundary_contrast(image, border, matrix),
        boundary_offset_mm(image, border, matrix),
        boundary_contrast(image, mirrored, reflected.matrix),
    )


def boundary_offset_mm(image: nib.Nifti1Image, border: Border, matrix: np.ndarray) -> float:
    """How far at most a border lies from where an image shows it best near by.

    Parameters
    ----------
    image, border, matrix
        As in :func:`judge_placement`.
    """
    return largest_distance_mm(_Search(image, border, FINE).best(matrix).matrix, matrix, border)


def agreement_near(
    image: nib.Nifti1Image, border: Border, part: Border, matrix: np.ndarray
) -> float:
    """How well part of a border agrees with an image where the whole fits best near a map.

    Parameters
    ----------
    image, border, matrix
        As in :func:`judge_placement`.
    part
        The part that is judged.

    Returns
    -------
    float
        As :attr:`Placement.agreement`.
    """
    best = _Search(image, border, FINE).best(matrix).matrix
    return _Search(image, part, FINE).agreement(best)


def largest_distance_mm(first: np.ndarray, second: np.ndarray, border: Border) -> float:
    """Farthest that two maps take a point of a border apart."""
    apart = border.moved(first).places - border.moved(second).places
    return float(np.linalg.norm(apart, axis=1).max())


class _Search:
    """Agreement of an image with a border as a function of the map, and its greatest near by."""

    def __init__(self, image: nib.Nifti1Image, border: Border, stage: Stage) -> None:
        self._sampler = SignalSampler(image, stage.smooth_mm)
        self._border = border.thinned(stage.points)
        self._centre = self._border.places.mean(axis=0)
        self._step_mm = stage.step_mm

    def agreement(self, matrix: np.ndarray) -> float:
        """Mean of tanh over the points; what leaves the image or has no signal gives nothing."""
        white, grey, counts = self._sampler.pairs(self._border, matrix)
        gains = np.tanh(SLOPE * contrast_percent(white[counts], grey[counts]))
        return float(gains.sum()) / len(self._border)

    def best(self, start: np.ndarray) -> Placement:
        """The best map near a start."""
        matrix, loss = searched_rigid(
            lambda matrix: -self.agreement(matrix), start, self._centre, step_mm=self._step_mm
        )
        return Placement(matrix, -loss)
