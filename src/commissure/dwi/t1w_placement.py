"""Laying a diffusion series beside the T1w image of the same head, and judging how it lies there.

Anisotropy is high where the T1w image has white matter, whatever either image's brightness. So the
rigid map is looked for that makes FA and the white matter's probability correlate most, inside the
T1w image's brain alone: outlines, where distortion and a poor mask of the b0 are at their worst,
decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates
from scipy.optimize import minimize

from commissure.dwi.tensor import TensorMaps
from commissure.images.grid import coarser
from commissure.images.load import zooms_mm
from commissure.images.rigid import ARM_MM, searched_rigid

#: Spacing of the points that are compared, coarse and fine.
_SPACINGS_MM = (6.0, 3.0)

#: Gaussian that FA is blurred with for the coarse points (SD): it widens what is within reach.
_BLUR_MM = 4.0

#: First step of the search along each parameter, in mm; of rotations at ``ARM_MM``.
_STEPS_MM = (8.0, 2.0)

#: Least share of what both brains could have in common; a map that leaves the brain is none.
_COMMON_MIN = 0.6

#: Where there is less signal than this share of the brain's median, or more diffusion, FA is noise.
_SIGNAL_MIN, _MD_MAX_MM2_S = 0.3, 1.5e-3

#: Gaussian within which maps are compared where only what is a person's own shall count (SD).
_LOCAL_MM = 6.0


@dataclass(frozen=True)
class WhiteMatterPoints:
    """White matter of a T1w image on a grid of points.

    Attributes
    ----------
    share
        3-D, share of white matter.
    brain
        3-D of bool, on the same grid.
    affine
        4x4, voxel to mm.
    """

    share: np.ndarray
    brain: np.ndarray
    affine: np.ndarray

    @classmethod
    def of(
        cls, white_matter: nib.Nifti1Image, mask: nib.Nifti1Image, spacing_mm: float
    ) -> WhiteMatterPoints:
        """Average a probability map and a brain mask, both on one grid, to a spacing."""
        share, brain = (_no_finer(image, spacing_mm) for image in (white_matter, mask))
        return cls(np.asanyarray(share.dataobj), np.asanyarray(brain.dataobj) > 0.5, share.affine)

    def mirrored(self) -> WhiteMatterPoints:
        """The same brain with its sides exchanged, where it was."""
        middle = self.affine[:3, :3] @ ((np.array(self.share.shape) - 1) / 2) + self.affine[:3, 3]
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        flip[0, 3] = 2 * middle[0]
        return replace(self, affine=flip @ self.affine)

    def places(self) -> np.ndarray:
        """``(n, 3)`` mm: where the points of the brain are."""
        return np.argwhere(self.brain) @ self.affine[:3, :3].T + self.affine[:3, 3]


@dataclass(frozen=True)
class Placement:
    """How a T1w image and a map of FA lie to each other.

    Attributes
    ----------
    matrix
        4x4, from the world of the T1w image to that of the map.
    correlation
        Of FA with the share of white matter in the T1w image's brain.
    """

    matrix: np.ndarray
    correlation: float


@dataclass(frozen=True)
class AnisotropyMap:
    """A map of fractional anisotropy.

    Attributes
    ----------
    fa
        3-D, zero outside the brain.
    affine
        4x4, voxel to mm.
    brain
        3-D of bool.
    """

    fa: np.ndarray
    affine: np.ndarray
    brain: np.ndarray

    @classmethod
    def of(cls, maps: TensorMaps, mask: np.ndarray, affine: np.ndarray) -> AnisotropyMap:
        """FA of a tensor inside a brain mask; zero where noise or fluid makes it."""
        inside = np.asarray(mask) > 0
        bright = maps.s0 > _SIGNAL_MIN * np.median(maps.s0[inside])
        tissue = inside & bright & (maps.md < _MD_MAX_MM2_S)
        return cls(np.where(tissue, maps.fa, 0).astype(np.float32), affine, inside)

    def blurred(self, sd_mm: float) -> AnisotropyMap:
        """The map blurred by a Gaussian of this standard deviation."""
        return replace(self, fa=gaussian_filter(self.fa, sd_mm / np.array(zooms_mm(self.affine))))


def find_placement(
    anisotropy: AnisotropyMap, white_matter: nib.Nifti1Image, mask: nib.Nifti1Image
) -> Placement:
    """Find the rigid map between a T1w image and FA of the same head.

    Parameters
    ----------
    anisotropy
        Of the series, in its own world.
    white_matter, mask
        Probability map of the T1w image, and its brain mask on the same grid.

    Returns
    -------
    Placement
        The best of several starts: where the headers put the images, where the centres of both
        brains meet, and where their highest points do (a slab has another centre than a brain).
        What the headers say stays where nothing correlates more.

    Notes
    -----
    That a boundary of white matter lays echo-planar images beside a T1w image better than mutual
    information does: Greve DN & Fischl B, NeuroImage 48:63-72, 2009.
    """
    coarse, fine = (WhiteMatterPoints.of(white_matter, mask, mm) for mm in _SPACINGS_MM)
    by_header = _Search(anisotropy, fine).placement(np.eye(4))
    blurred = _Search(anisotropy.blurred(_BLUR_MM), coarse)
    rough = [blurred.best(start, _STEPS_MM[0]) for start in _starts(anisotropy, coarse)]
    search = _Search(anisotropy, fine)
    start = max(rough, key=lambda placement: placement.correlation).matrix
    return max(
        search.best(start, _STEPS_MM[1]), by_header, key=lambda placement: placement.correlation
    )


def refined_placement(
    anisotropy: AnisotropyMap,
    white_matter: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    *,
    start: np.ndarray,
) -> Placement:
    """Find the affine map near a rigid one, for the white matter of another head or a template.

    Parameters
    ----------
    anisotropy, white_matter, mask
        As in :func:`find_placement`.
    start
        4x4, from the world of ``white_matter`` to that of the map.
    """
    points = WhiteMatterPoints.of(white_matter, mask, _SPACINGS_MM[1])
    return _Search(anisotropy, points).best_affine(start)


@dataclass(frozen=True)
class Fit:
    """How well a series lies beside the T1w image that it was brought to.

    Attributes
    ----------
    correlation
        Of FA with the share of white matter, as the images lie.
    offset_mm
        How far, at the rim of the head, the place is at which they correlate most.
    likeness
        Correlation of what is left of both when each point's surroundings are subtracted: gyri,
        which nobody shares with anybody else.
    mirrored_likeness
        The same for the T1w image's mirror image, at the place where it fits best.
    """

    correlation: float
    offset_mm: float
    likeness: float
    mirrored_likeness: float


def judge_placement(
    anisotropy: AnisotropyMap, white_matter: nib.Nifti1Image, mask: nib.Nifti1Image
) -> Fit:
    """Judge how a series lies beside a T1w image in whose space it is.

    Parameters
    ----------
    anisotropy
        In the space of the T1w image.
    white_matter, mask
        As in :func:`find_placement`.

    Notes
    -----
    The mirror image is what chance would give: a head of the same size, shape and contrast whose
    gyri are elsewhere.
    """
    points = WhiteMatterPoints.of(white_matter, mask, _SPACINGS_MM[1])
    search = _Search(anisotropy, points)
    here = search.placement(np.eye(4))
    best = search.best(np.eye(4), _STEPS_MM[1])
    mirrored = points.mirrored()
    reflected = _Search(anisotropy, mirrored).best(np.eye(4), _STEPS_MM[0])
    return Fit(
        here.correlation,
        _rim_distance_mm(best.matrix, points.places().mean(axis=0)),
        _likeness(anisotropy, points, np.eye(4)),
        _likeness(anisotropy, mirrored, reflected.matrix),
    )


class _Search:
    """The correlation as a function of the map, and its greatest value near a start."""

    def __init__(self, anisotropy: AnisotropyMap, points: WhiteMatterPoints) -> None:
        self._anisotropy = anisotropy
        self._places = points.places()
        self._share = points.share[points.brain]
        self._centre = self._places.mean(axis=0)
        litres = anisotropy.brain.sum() * np.prod(zooms_mm(anisotropy.affine))
        of_brain = litres / (len(self._places) * np.prod(zooms_mm(points.affine)))
        self._common_min = _COMMON_MIN * min(1.0, max(float(of_brain), 0.01))

    def placement(self, matrix: np.ndarray) -> Placement:
        """What the correlation is with a map."""
        return Placement(matrix, self._correlation(matrix))

    def best(self, start: np.ndarray, step_mm: float) -> Placement:
        """The best map near a start (Powell's method)."""
        matrix, loss = searched_rigid(
            lambda matrix: -self._correlation(matrix),
            start,
            self._centre,
            step_mm=step_mm,
        )
        return Placement(matrix, -loss)

    def best_affine(self, start: np.ndarray) -> Placement:
        """The best affine map near a start."""

        def move(parameters: np.ndarray) -> np.ndarray:
            matrix = np.eye(4)
            matrix[:3, :3] += parameters[3:].reshape(3, 3) / ARM_MM
            matrix[:3, 3] = parameters[:3] + self._centre - matrix[:3, :3] @ self._centre
            return matrix

        result = minimize(
            lambda parameters: -self._correlation(start @ move(parameters)),
            np.zeros(12),
            method="Powell",
            options={"direc": np.eye(12) * _STEPS_MM[1], "xtol": 0.02, "ftol": 1e-4},
        )
        return Placement(start @ move(result.x), -float(result.fun))

    def _correlation(self, matrix: np.ndarray) -> float:
        to_voxel = np.linalg.inv(self._anisotropy.affine) @ matrix
        voxel = to_voxel[:3, :3] @ self._places.T + to_voxel[:3, 3:]
        extent = np.array(self._anisotropy.fa.shape)[:, None]
        seen = np.all((voxel > -0.5) & (voxel < extent - 0.5), axis=0)
        common = float(seen.mean())
        if common < 0.1 * self._common_min:
            return 0.0
        fa = map_coordinates(self._anisotropy.fa, voxel[:, seen], order=1, mode="nearest")
        return correlation(fa, self._share[seen]) * min(1.0, common / self._common_min)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's r of two arrays of one shape; 0 where one of them does not vary."""
    one, other = (np.asarray(values, float) - np.mean(values) for values in (one, other))
    scale = np.sqrt(np.sum(one * one) * np.sum(other * other))
    return float(np.sum(one * other) / scale) if scale > 0 else 0.0


def _starts(anisotropy: AnisotropyMap, points: WhiteMatterPoints) -> list[np.ndarray]:
    """Maps to start from: the headers' own, centre to centre, and highest point to highest."""
    voxels = np.argwhere(anisotropy.brain)
    if not len(voxels):
        return [np.eye(4)]
    theirs = voxels @ anisotropy.affine[:3, :3].T + anisotropy.affine[:3, 3]
    ours = points.places()
    by_centre, by_height = np.eye(4), np.eye(4)
    by_centre[:3, 3] = theirs.mean(axis=0) - ours.mean(axis=0)
    by_height[:3, 3] = by_centre[:3, 3]
    by_height[2, 3] = np.percentile(theirs[:, 2], 99.5) - np.percentile(ours[:, 2], 99.5)
    return [np.eye(4), by_centre, by_height]


def _likeness(anisotropy: AnisotropyMap, points: WhiteMatterPoints, matrix: np.ndarray) -> float:
    """Correlation of FA and white matter, each less its surroundings."""
    step = np.linalg.inv(anisotropy.affine) @ matrix @ points.affine
    shape = points.share.shape
    fa, seen = (
        affine_transform(image, step[:3, :3], step[:3, 3], output_shape=shape, order=order)
        for image, order in ((anisotropy.fa, 1), (np.ones(anisotropy.fa.shape, np.float32), 0))
    )
    inside = points.brain & (seen > 0)
    sd = _LOCAL_MM / np.array(zooms_mm(points.affine))
    weight = np.maximum(gaussian_filter(inside.astype(np.float32), sd), 1e-3)
    left = [
        (image - gaussian_filter(np.where(inside, image, 0), sd) / weight)[inside]
        for image in (fa, points.share)
    ]
    return correlation(*left)


def _rim_distance_mm(matrix: np.ndarray, centre: np.ndarray, radius_mm: float = 80.0) -> float:
    """Farthest that a map moves a point of six at the rim of a head."""
    rim = centre + radius_mm * np.vstack([np.eye(3), -np.eye(3)])
    return float(np.linalg.norm(rim @ matrix[:3, :3].T + matrix[:3, 3] - rim, axis=1).max())


def _no_finer(image: nib.Nifti1Image, spacing_mm: float) -> nib.Nifti1Image:
    data = np.asanyarray(image.dataobj).astype(np.float32)
    image = nib.Nifti1Image(data, image.affine)
    return coarser(image, spacing_mm) if min(zooms_mm(image.affine)) < spacing_mm else image
