"""A diffeomorphism of the template that gives chosen structures the volumes wanted.

The deformation is the exponential of a stationary velocity field (scaling and squaring), so it
keeps the topology however large it is. The field is the sum of a smooth random part, which makes
people differ everywhere, and one part per structure whose divergence lies on that structure. The
amplitudes of the latter are found by Broyden's method on the integral of the Jacobian determinant,
that is, on the true volume itself.

References
----------
Arsigny V et al., A log-Euclidean framework for statistics on diffeomorphisms, MICCAI 2006.
Ashburner J, A fast diffeomorphic image registration algorithm, NeuroImage 38:95-113, 2007.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np
from scipy.ndimage import affine_transform

from commissure.errors import ConfigError
from commissure.images.atlas import cortex_around, regions, structures
from commissure.phantom.head.tissue_maps import TISSUES, tissue_maps

#: The structures whose volume a person's markers may set.
STRUCTURES = (
    "Hippocampus_L", "Hippocampus_R", "SFG_L", "SFG_R", "LateralVentricle_L", "LateralVentricle_R",
)  # fmt: skip

#: The velocity grid: it surrounds the template's brain; beyond it the outermost values go on.
GRID_MM = 4.0
GRID_SHAPE = (43, 55, 46)
GRID_ORIGIN_MM = (-84.0, -124.0, -88.0)

#: Between-subject deformation: spacing of its control points and SD of each component.
CONTROL_SPACING_MM = 25.0
DEFORMATION_SD_MM = 2.5

#: A structure's divergence is smoothed by the first width and paid back over the second.
STRUCTURE_SIGMA_MM = 4.0
SURROUND_SIGMA_MM = 12.0

VOLUME_TOLERANCE = 2e-3


@dataclass(frozen=True)
class Deformation:
    """A diffeomorphism of template space, on the velocity grid.

    Attributes
    ----------
    displacement
        (3, I, J, K) mm: template to person.
    inverse
        (3, I, J, K) mm: person to template.
    volumes
        mm³ of every tissue and structure after the deformation.
    """

    displacement: np.ndarray
    inverse: np.ndarray
    volumes: dict[str, float]

    def template_mm(self, shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
        """Template coordinate (X, Y, Z, 3), mm, of the voxels of a grid in the person's space."""
        place = np.linalg.inv(grid_affine()) @ affine
        axes = np.indices(shape, dtype=np.float32, sparse=True)
        result = np.empty((*shape, 3), np.float32)
        for c in range(3):
            result[..., c] = affine[c, 3] + sum(affine[c, k] * axes[k] for k in range(3))
            result[..., c] += affine_transform(
                self.inverse[c], place[:3, :3], place[:3, 3], shape, order=1, mode="nearest"
            )
        return result


def fitted_deformation(
    factors: Mapping[str, float], background: np.ndarray, *, who: str = "phantom"
) -> Deformation:
    """Add to a velocity field what gives structures their volumes.

    Parameters
    ----------
    factors
        Volume after over volume before, both as shares of the intracranial volume, by structure.
    background
        (3, I, J, K) velocity in mm that everything else follows.
    who
        Person, for the error message.

    Returns
    -------
    Deformation
        Its volumes keep ``factors`` within :data:`VOLUME_TOLERANCE`.

    Raises
    ------
    ConfigError
        Broyden's method does not arrive, or the grid folds: the factors are too far from 1.
    """
    names = list(factors)
    goal = np.log([factors[name] for name in names])
    weights, fields = grid_weights(), _structure_velocities()
    chosen = [STRUCTURES.index(name) for name in names]
    response = _growth_per_amplitude()[np.ix_(chosen, chosen)]
    velocity, step = background, np.zeros(len(names))
    before = None
    for _ in range(12):
        displacement = exponential(velocity)
        jacobian = jacobian_determinant(displacement)
        volumes = weights.volumes(jacobian)
        grown = np.array([volumes[name] / weights.totals[name] for name in names])
        missed = goal - np.log(grown * intracranial(weights.totals) / intracranial(volumes))
        if np.abs(missed).max(initial=0) < VOLUME_TOLERANCE:
            break
        if before is not None:
            # Broyden's rank-one correction: the response to the step that was really seen.
            seen = before - missed
            response = response + np.outer(seen - response @ step, step) / (step @ step)
        step, before = np.linalg.solve(response, missed), missed
        for amount, name in zip(step, names, strict=True):
            velocity = velocity + np.float32(amount) * fields[name]
    if np.abs(missed).max(initial=0) >= VOLUME_TOLERANCE or jacobian.min() <= 0:
        raise ConfigError(
            who,
            found="no smooth deformation without folds gives the volumes "
            + ", ".join(f"{name} x {factor:.2f}" for name, factor in factors.items()),
            wanted="factors between about 0.4 and 3",
            mend="Ask for smaller effects",
        )
    return Deformation(displacement, _inverse(velocity, displacement), volumes)


def exponential(velocity: np.ndarray, *, squarings: int = 4) -> np.ndarray:
    """Displacement (3, I, J, K), mm, of the flow of a stationary velocity field after unit time."""
    flow = velocity / np.float32(2**squarings)
    for _ in range(squarings):
        flow = flow + _at_displaced(flow, flow)
    return flow


def jacobian_determinant(displacement: np.ndarray) -> np.ndarray:
    """Local volume change (I, J, K) of a displacement (3, I, J, K) in mm on the velocity grid."""
    grad = [np.gradient(displacement[c], GRID_MM) for c in range(3)]
    (a, b, c), (d, e, f), (g, h, i) = grad
    a, e, i = a + 1, e + 1, i + 1
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def random_velocity(rng: np.random.Generator) -> np.ndarray:
    """Between-subject velocity (3, I, J, K) in mm: cubic B-splines with normal coefficients."""
    axes = []
    for n in GRID_SHAPE:
        knots = int(np.ceil(n * GRID_MM / CONTROL_SPACING_MM)) + 3
        place = np.arange(n)[:, None] * GRID_MM / CONTROL_SPACING_MM - np.arange(knots) + 1
        axes.append(_cubic_b_spline(place))
    coefficients = rng.standard_normal((3, *(a.shape[1] for a in axes)))
    spread = math.prod(np.sqrt((a**2).sum(axis=1).mean()) for a in axes)
    result = np.einsum("cxyz,ix,jy,kz->cijk", coefficients, *axes, optimize=True)
    return (result * (DEFORMATION_SD_MM / spread)).astype(np.float32)


def grid_affine() -> np.ndarray:
    """4x4 of the velocity grid: voxel to template mm."""
    affine = np.diag([GRID_MM, GRID_MM, GRID_MM, 1.0])
    affine[:3, 3] = GRID_ORIGIN_MM
    return affine


def labels_at(image: nib.Nifti1Image, mm: np.ndarray) -> np.ndarray:
    """Labels (int16) of the voxels nearest to coordinates (..., 3) in mm, 0 outside the image.

    Rounding by hand: scipy's interpolation of order 0 does the same in several times the time.
    """
    data = np.asanyarray(image.dataobj)
    step = np.linalg.inv(image.affine)
    inside: np.ndarray | bool = True
    index: np.ndarray | int = 0
    for axis, size in enumerate(data.shape):
        place = np.rint(mm @ step[axis, :3].astype(mm.dtype) + step[axis, 3]).astype(np.int32)
        inside = inside & (place >= 0) & (place < size)
        index = index * size + place
    return np.where(inside, data.take(index, mode="clip"), 0).astype(np.int16)


def _cubic_b_spline(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near = 2 / 3 - x**2 + x**3 / 2
    far = np.clip(2 - x, 0, None) ** 3 / 6
    return np.where(x < 1, near, far)


def _at_displaced(values: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Values (3, I, J, K) where a displacement (3, I, J, K) in mm leads from each grid point.

    Trilinear; written out because the three components share indices and weights, which takes half
    the time of three calls to scipy.
    """
    index: np.ndarray | int = 0
    shares = []
    for axis, start in enumerate(np.indices(GRID_SHAPE, dtype=np.float32, sparse=True)):
        place = displacement[axis] / np.float32(GRID_MM) + start
        place = np.clip(place, 0, np.float32(GRID_SHAPE[axis] - 1.001)).ravel()
        low = place.astype(np.int32)
        shares.append(place - low)
        index = index * GRID_SHAPE[axis] + low
    x, y, z = shares
    step_y, step_x = GRID_SHAPE[2], GRID_SHAPE[1] * GRID_SHAPE[2]
    corners = [index + i * step_x + j * step_y + k for i, j, k in np.ndindex(2, 2, 2)]
    result = np.empty_like(displacement)
    for c in range(3):
        seen = [values[c].ravel().take(corner) for corner in corners]
        lines = [near + z * (far - near) for near, far in zip(seen[::2], seen[1::2], strict=True)]
        near, far = (
            near + y * (far - near) for near, far in zip(lines[::2], lines[1::2], strict=True)
        )
        result[c] = (near + x * (far - near)).reshape(GRID_SHAPE)
    return result


def _inverse(velocity: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Inverse displacement: the opposite flow, then three fixed-point steps against grid error."""
    inverse = exponential(-velocity)
    for _ in range(3):
        inverse = -_at_displaced(displacement, inverse)
    return inverse


@dataclass(frozen=True)
class GridWeights:
    """How much of each tissue and structure belongs to each point of the velocity grid, mm³."""

    rows: dict[str, np.ndarray]
    totals: dict[str, float]

    def volumes(self, jacobian: np.ndarray) -> dict[str, float]:
        """Volumes in mm³ after a deformation, from its Jacobian determinant (I, J, K)."""
        flat = jacobian.ravel().astype(np.float64)
        return {name: float(row @ flat) for name, row in self.rows.items()}


@lru_cache(maxsize=1)
def grid_weights() -> GridWeights:
    """Adjoint of trilinear interpolation, applied to the tissues and labels before.

    A volume after a deformation is then a dot product with the Jacobian determinant. Label and
    tissue meet at 1 mm; blocks of eight voxels are then interpolated as one.
    """
    maps = tissue_maps()
    fractions = {name: np.asanyarray(image.dataobj) for name, image in maps.items()}
    affine, shape = maps["GM"].affine, maps["GM"].shape
    brain = np.flatnonzero(np.add.reduce(list(fractions.values())).ravel() > 0)
    voxel = np.unravel_index(brain, shape)
    label = np.asanyarray(structures().image.dataobj).ravel()[brain]

    blocks = tuple(n // 2 + 1 for n in shape)
    block = np.ravel_multi_index(tuple(index // 2 for index in voxel), blocks)
    occupied = np.flatnonzero(np.bincount(block))
    middle = np.stack(np.unravel_index(occupied, blocks), axis=1) * 2 + 0.5
    to_grid = np.linalg.inv(grid_affine()) @ affine
    place = nib.affines.apply_affine(to_grid, middle).T
    low = np.floor(place).astype(np.intp)
    share = place - low
    corners = []
    for corner in np.ndindex(2, 2, 2):
        index = np.ravel_multi_index(tuple(low + np.array(corner)[:, None]), GRID_SHAPE)
        weight = np.prod([share[c] if corner[c] else 1 - share[c] for c in range(3)], axis=0)
        corners.append((index, weight))

    def spread(chosen: np.ndarray, amount: np.ndarray) -> np.ndarray:
        content = np.bincount(block[chosen], amount, minlength=math.prod(blocks))[occupied]
        return np.add.reduce(
            [np.bincount(i, w * content, minlength=math.prod(GRID_SHAPE)) for i, w in corners]
        )

    inside = {name: values.ravel()[brain] for name, values in fractions.items()}
    everywhere = np.arange(len(brain))
    rows = {name: spread(everywhere, amount) for name, amount in inside.items()}
    # A structure is all that carries its label, a cortical region the grey matter near it.
    deep = np.ones(len(brain))
    cortex = np.asanyarray(cortex_around().image.dataobj).ravel()[brain]
    for atlas, column, carried, amount in (
        (structures(), "structure", label, deep),
        (cortex_around(), "structure", cortex, inside["GM"]),
        (cortex_around(), "lobe", cortex, inside["GM"]),
    ):
        for name, indices in atlas.groups(column).items():
            chosen = np.flatnonzero(np.isin(carried, indices))
            rows[name] = spread(chosen, amount[chosen])
    return GridWeights(rows, {name: float(row.sum()) for name, row in rows.items()})


def intracranial(volumes: Mapping[str, float]) -> float:
    """Total intracranial volume: all tissues together."""
    return sum(volumes[name] for name in TISSUES)


@lru_cache(maxsize=1)
def _structure_velocities() -> dict[str, np.ndarray]:
    """For each structure an irrotational velocity field whose divergence is 1 inside it.

    The divergence is a smoothed mask less a wider one of the same integral, so that the change
    stays local: what a structure gains, its surroundings lose.
    """
    atlas = regions()
    groups = atlas.groups("structure")
    label = np.asanyarray(atlas.image.dataobj)
    frequencies = np.meshgrid(
        *(2 * np.pi * np.fft.fftfreq(n, GRID_MM) for n in GRID_SHAPE[:2]),
        2 * np.pi * np.fft.rfftfreq(GRID_SHAPE[2], GRID_MM),
        indexing="ij",
    )
    squared = np.add.reduce([w**2 for w in frequencies])
    squared[0, 0, 0] = 1.0
    narrow, wide = (
        np.exp(-squared * sigma**2 / 2) for sigma in (STRUCTURE_SIGMA_MM, SURROUND_SIGMA_MM)
    )
    step = np.linalg.inv(grid_affine()) @ atlas.image.affine
    fields = {}
    for name in STRUCTURES:
        voxels = np.argwhere(np.isin(label, groups[name]))
        nearest = np.rint(nib.affines.apply_affine(step, voxels)).astype(np.intp)
        mask = np.bincount(
            np.ravel_multi_index(tuple(nearest.T), GRID_SHAPE), minlength=math.prod(GRID_SHAPE)
        ).reshape(GRID_SHAPE)
        spectrum = np.fft.rfftn(mask / GRID_MM**3) * (narrow - wide)
        # u = grad p with laplace(p) = divergence, so U = -i w P and P = -D / w².
        fields[name] = np.stack(
            [
                np.fft.irfftn(-1j * w * spectrum / squared, s=GRID_SHAPE, axes=(0, 1, 2))
                for w in frequencies
            ]
        ).astype(np.float32)
    return fields


@lru_cache(maxsize=1)
def _growth_per_amplitude() -> np.ndarray:
    """Relative growth of each structure (rows) per unit of each velocity field, to first order."""
    rows, fields = grid_weights().rows, _structure_velocities()
    divergence = {
        name: np.add.reduce([np.gradient(v[c], GRID_MM, axis=c) for c in range(3)]).ravel()
        for name, v in fields.items()
    }
    return np.array(
        [
            [rows[name] @ divergence[by] / rows[name].sum() for by in STRUCTURES]
            for name in STRUCTURES
        ]
    )
