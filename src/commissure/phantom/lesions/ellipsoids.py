"""Ellipsoids: where they are, and what their diameters are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

#: Directions in half a turn in which the width of a section is looked at.
_DIRECTIONS = 360

#: Distance of the sections that are looked at, in mm.
_SECTION_MM = 0.25


@dataclass(frozen=True)
class Ellipsoid:
    """One ellipsoid.

    Attributes
    ----------
    centre
        (3,) mm.
    semi_axes
        (3,) mm.
    rotation
        (3, 3): its axes as columns.
    """

    centre: np.ndarray
    semi_axes: np.ndarray
    rotation: np.ndarray

    @property
    def form(self) -> np.ndarray:
        """(3, 3) matrix A with x A x = 1 on the surface, x from the centre."""
        return self.rotation @ np.diag(1 / self.semi_axes**2) @ self.rotation.T

    @property
    def reach(self) -> np.ndarray:
        """(3,) mm: half its extent along the axes of the world."""
        return np.sqrt(np.diag(np.linalg.inv(self.form)))

    @property
    def volume_ml(self) -> float:
        """Its volume."""
        return float(4 / 3 * np.pi * np.prod(self.semi_axes) / 1000)


def painted(
    ellipsoid: Ellipsoid, shape: tuple[int, int, int], affine: np.ndarray
) -> tuple[tuple[slice, slice, slice], np.ndarray]:
    """Voxels whose centre lies inside, as a box of the grid and the mask in it."""
    inverse = np.linalg.inv(affine)
    signs = np.array(np.meshgrid(*[(-1, 1)] * 3, indexing="ij")).reshape(3, -1).T
    corners = ellipsoid.centre + signs * ellipsoid.reach
    index = corners @ inverse[:3, :3].T + inverse[:3, 3]
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, shape)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, shape)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)),
                                indexing="ij"), axis=-1)  # fmt: skip
    away = grid @ affine[:3, :3].T + affine[:3, 3] - ellipsoid.centre
    return (x, y, z), np.einsum("...i,ij,...j->...", away, ellipsoid.form, away) <= 1


def axial_diameters(parts: Sequence[Ellipsoid], *, gap_mm: float = 0.0) -> tuple[float, float]:
    """Longest axial diameter of a body of ellipsoids, and its width across that.

    In each section what touches is measured as a whole, by its convex hull: of one ellipsoid these
    are the axes of its largest axial section. A gap up to ``gap_mm`` is not seen.
    """
    # The largest section of one ellipsoid is that through its centre.
    levels = np.array([part.centre[2] for part in parts])
    if len(parts) > 1:
        low = min(float(part.centre[2] - part.reach[2]) for part in parts)
        high = max(float(part.centre[2] + part.reach[2]) for part in parts)
        levels = np.append(levels, np.arange(low + _SECTION_MM / 2, high, _SECTION_MM))
    best, across = 0.0, 0.0
    for level in levels:
        sections = [_section(part, float(level)) for part in parts]
        for touching in _groups([s for s in sections if s is not None], gap_mm):
            widths = _widths(touching)
            widest = int(widths.argmax())
            if widths[widest] > best:
                best = float(widths[widest])
                across = float(widths[(widest + _DIRECTIONS // 2) % _DIRECTIONS])
    return best, across


#: Centre of an ellipse, and its inverse form: the square of its half width along a direction.
_Section = tuple[np.ndarray, np.ndarray]


def _widths(sections: Sequence[_Section]) -> np.ndarray:
    """Width of ellipses together along each direction of half a turn."""
    angles = np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)])
    ahead = np.full(_DIRECTIONS, -np.inf)
    behind = np.full(_DIRECTIONS, -np.inf)
    for centre, inverse in sections:
        half = np.sqrt(np.einsum("id,ij,jd->d", directions, inverse, directions))
        middle = centre @ directions
        ahead = np.maximum(ahead, middle + half)
        behind = np.maximum(behind, half - middle)
    return ahead + behind


def _groups(sections: list[_Section], gap_mm: float) -> list[list[_Section]]:
    """Ellipses that touch, together."""
    groups: list[list[_Section]] = []
    for section in sections:
        touching = [g for g in groups if any(_touch(section, other, gap_mm) for other in g)]
        groups = [g for g in groups if not any(g is other for other in touching)]
        groups.append([section, *(other for g in touching for other in g)])
    return groups


def _touch(first: _Section, second: _Section, gap_mm: float) -> bool:
    """Whether the edge of one ellipse comes as near to the other as the gap, or lies in it."""
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    edges = [centre + circle @ np.linalg.cholesky(inverse).T for centre, inverse in (first, second)]
    for edge, (centre, inverse) in zip(edges, (second, first), strict=True):
        away = np.vstack([edge, edge.mean(axis=0)]) - centre
        if (np.einsum("ni,ij,nj->n", away, np.linalg.inv(inverse), away) <= 1).any():
            return True
    return float(cdist(*edges).min()) <= gap_mm


def _section(part: Ellipsoid, level: float) -> _Section | None:
    """Centre and inverse form of an axial section (an ellipse); None where there is none."""
    form = part.form
    away = level - float(part.centre[2])
    plane, mixed = form[:2, :2], form[:2, 2]
    shift = -np.linalg.solve(plane, mixed) * away
    left = 1 - away**2 * (form[2, 2] - mixed @ np.linalg.solve(plane, mixed))
    if left <= 0:
        return None
    return part.centre[:2] + shift, np.linalg.inv(plane) * left
