"""The border of the brain, looked for in the image on both sides of where it is expected.

Two steps. A random walk says for every voxel near the expected border how likely it is to be
reached from within: bright tissue conducts, the dark rim of fluid and bone does not, and the place
expected holds where the image says nothing. Then a smooth surface is laid where the walk changes
sides and the intensity falls, so that sulci are bridged and what is soft is still a border.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates
from scipy.sparse.linalg import cg
from scipy.spatial import cKDTree

#: Half width of the band around the expected border in which the walk decides (mm).
BAND_MM = 20.0

#: How far the expected border may be off: width of the logistic curve across it (mm).
EXPECTED_MM = 6.0

#: Weights, relative to two bright neighbours: of the expectation; of a voxel that is darker than
#: fluid or much brighter than white matter, which speak for outside; of fluid, which speaks for
#: inside up to so many mm beyond the expected border.
EXPECTATION, DARK, BRIGHT, FLUID, WET_MM = 0.01, 0.05, 0.1, 0.004, 6.0

#: Fluid speaks for inside by so much more where it is told from bone surely. How much fainter than
#: fluid bone is there, and where it is not told at all: shares of fluid's intensity. Where bone is
#: looked for, outside of the expected border (mm), and how dark the darkest of it is (percentile).
FLUID_TOLD, TOLD, UNTOLD, BONE_MM, BONE_PERCENT = 0.006, 0.75, 0.4, (2.0, 12.0), 10.0

#: Intensities: below the first, over white matter, tissue conducts less; below the second, over the
#: person's fluid, lies bone; above the third, over white matter, fat.
TISSUE, BONE, FAT = 0.6, 0.7, 1.35

#: So deep below the expected border, the darkest voxels are fluid (mm).
CORE_MM = -12.0

#: Loss of conductance towards dark voxels, and across differences of intensity.
DARKNESS, CONTRAST = 6.0, 4.0

#: How far the surface is looked for, and the step (mm).
REACH_MM, STEP_MM = 12.0, 1.0

#: What places the surface: bone inside of it, the fall of intensity, the square of its shift
#: (1/mm^2). These and the weights above were chosen on eight real heads and two simulated ones
#: against the masks of deepbet 1.0.2, and on one whose brain was shrunk in its skull by 2 and 4 mm.
BONE_INSIDE, FALL, SHIFT = 0.5, 1.0, 0.004

#: Neighbours by which the surface is smooth, within about so many mm; rounds of smoothing.
NEIGHBOURS, NEIGHBOUR_MM, ROUNDS = 12, 4.0, 10


def signed_distance(mask: np.ndarray, zooms: tuple[float, float, float]) -> np.ndarray:
    """Distance of each voxel to the border of a mask in mm, negative inside; float32."""
    outside = distance_transform_edt(~mask, sampling=zooms)
    inside = distance_transform_edt(mask, sampling=zooms)
    half = min(zooms) / 2
    return np.where(mask, half - inside, outside - half).astype(np.float32)


def brain_border(
    bright: np.ndarray,
    expected: np.ndarray,
    zooms: tuple[float, float, float],
) -> np.ndarray:
    """Find the border of the brain in an image.

    Parameters
    ----------
    bright
        (X, Y, Z) T1w without shading, white matter at 1.
    expected
        (X, Y, Z) distance to the expected border in mm, negative inside.
    zooms
        Voxel size in mm.

    Returns
    -------
    numpy.ndarray
        (X, Y, Z) float32: about the distance to the border, negative inside.

    Notes
    -----
    Grady L, Random walks for image segmentation, IEEE TPAMI 28:1768-1783, 2006. The surface's
    place is the best along each normal, made to agree with its neighbours step by step.
    """
    fluid = fluid_brightness(bright, expected)
    told = fluid_told(bright, expected)
    inside = inside_probability(bright, expected, fluid, FLUID + FLUID_TOLD * told)
    return _surface(bright, inside, expected, zooms, fluid)


def fluid_brightness(bright: np.ndarray, expected: np.ndarray) -> float:
    """How bright fluid is: the darkest in the depth of the brain."""
    return float(np.percentile(bright[expected < CORE_MM], 2))


def fluid_told(bright: np.ndarray, expected: np.ndarray) -> float:
    """How surely fluid is told from bone in an image, 0 to 1.

    Only where it is does a rim of fluid say that the skull is wider than the brain.

    Parameters
    ----------
    bright, expected
        As for :func:`brain_border`.
    """
    around = bright[(expected > BONE_MM[0]) & (expected < BONE_MM[1])]
    if not around.size:
        return 0.0
    fainter = 1 - float(np.percentile(around, BONE_PERCENT)) / fluid_brightness(bright, expected)
    return float(np.clip((fainter - UNTOLD) / (TOLD - UNTOLD), 0, 1))


def inside_probability(
    bright: np.ndarray, expected: np.ndarray, fluid: float, wetness: float
) -> np.ndarray:
    """Probability that a random walk from each voxel ends inside the brain, (X, Y, Z) float32.

    ``wetness`` is the weight by which fluid speaks for inside.
    """
    band = np.abs(expected) < BAND_MM
    count = int(band.sum())
    index = np.full(band.shape, -1)
    index[band] = np.arange(count)
    within = expected < 0
    total, known = np.zeros(count), np.zeros(count)
    links = []
    for lower, upper in _pairs(band.ndim):
        darker = np.minimum(bright[lower], bright[upper])
        weight = np.exp(
            -DARKNESS * np.clip(1 - darker / TISSUE, 0, 1)
            - CONTRAST * np.abs(bright[lower] - bright[upper])
        )
        one, two = index[lower], index[upper]
        both = (one >= 0) & (two >= 0)
        links.append((one[both], two[both], weight[both]))
        for near, far, side in ((one, two, within[upper]), (two, one, within[lower])):
            edge = (near >= 0) & (far < 0)
            total += np.bincount(near[edge], weight[edge], count)
            known += np.bincount(near[edge], weight[edge] * side[edge], count)
    one, two, weight = (np.concatenate(part) for part in zip(*links, strict=True))
    total += np.bincount(one, weight, count) + np.bincount(two, weight, count)
    values = bright[band]
    share = 1 / (1 + np.exp(np.clip(expected[band] / EXPECTED_MM, -30, 30)))
    dark = DARK * bone_share(values, fluid)
    fat = BRIGHT * np.clip((values - FAT) / 0.2, 0, 1)
    wet = wetness * fluid_share(values, fluid) * (expected[band] < WET_MM)
    total += EXPECTATION + dark + fat + wet
    known += EXPECTATION * share + wet
    system = sparse.csr_matrix(
        (np.concatenate([-weight, -weight, total]),
         (np.concatenate([one, two, np.arange(count)]),
          np.concatenate([two, one, np.arange(count)]))),
        (count, count),
    )  # fmt: skip
    solved, _ = cg(system, known, x0=share, rtol=1e-3, maxiter=400, M=sparse.diags(1 / total))
    probability = within.astype(np.float32)
    probability[band] = solved
    return probability


def bone_share(values: np.ndarray, fluid: float) -> np.ndarray:
    """How far intensities lie below those of fluid, 0 to 1."""
    return np.clip(1.4 - 1.4 * values / (BONE * fluid), 0, 1)


def fluid_share(values: np.ndarray, fluid: float) -> np.ndarray:
    """How much intensities are those of fluid, neither of bone nor of tissue, 0 to 1."""
    low, high = BONE * fluid, max(1.4 * fluid, 0.4)
    return np.clip((values - low) / (0.15 * fluid), 0, 1) * np.clip((high - values) / 0.1, 0, 1)


def _pairs(ndim: int) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Slices of the lower and the upper voxel of all face neighbours, axis by axis."""
    pairs = []
    for axis in range(ndim):
        lower, upper = [slice(None)] * ndim, [slice(None)] * ndim
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        pairs.append((tuple(lower), tuple(upper)))
    return pairs


@dataclass(frozen=True)
class _Surface:
    """Points of a surface and their neighbours.

    Attributes
    ----------
    places, normals
        (N, 3) in voxels; outward, of one mm, in voxels.
    tree
        Of the places in mm.
    neighbours
        (N, N) rows of weights that sum to 1.
    """

    places: np.ndarray
    normals: np.ndarray
    tree: cKDTree
    neighbours: sparse.csr_matrix


def _surface(
    bright: np.ndarray,
    inside: np.ndarray,
    expected: np.ndarray,
    zooms: tuple[float, float, float],
    fluid: float,
) -> np.ndarray:
    """Move the expected surface along its normals to where the image has it."""
    surface = _points(expected, zooms)
    steps = np.arange(-REACH_MM, REACH_MM + STEP_MM / 2, STEP_MM)
    along = (surface.places[:, :, None] + surface.normals[:, :, None] * steps).transpose(1, 0, 2)
    walk, values = (
        map_coordinates(part, along.reshape(3, -1), order=1, mode="nearest").reshape(-1, steps.size)
        for part in (inside, bright)
    )
    outside = 0.5 - walk + BONE_INSIDE * bone_share(values, fluid)
    cost = STEP_MM * np.cumsum(outside, axis=1) + SHIFT * steps**2
    cost[:, 1:-1] -= FALL * np.clip(values[:, :-2] - values[:, 2:], 0, 0.6)
    shift = _agreed(cost, steps, surface.neighbours)
    near = np.argwhere(np.abs(expected) < REACH_MM + 2)
    away, which = surface.tree.query(near * np.array(zooms), k=6)
    weight = np.exp(away[:, :1] - away)
    weight /= weight.sum(axis=1, keepdims=True)
    moved = expected.astype(np.float32, copy=True)
    moved[tuple(near.T)] -= (weight * shift[which]).sum(axis=1)
    return moved


def _agreed(cost: np.ndarray, steps: np.ndarray, neighbours: sparse.csr_matrix) -> np.ndarray:
    """Shift of each point: cheap, and more and more like that of its neighbours."""
    shift = steps[cost.argmin(axis=1)]
    pull = 0.02
    for _ in range(ROUNDS):
        smooth = neighbours @ shift
        for _ in range(2):
            smooth = (smooth + neighbours @ smooth) / 2
        shift = steps[(cost + pull * (steps - smooth[:, None]) ** 2).argmin(axis=1)]
        pull *= 1.25
    for _ in range(3):
        shift = (shift + neighbours @ shift) / 2
    return shift


def _points(distance: np.ndarray, zooms: tuple[float, float, float]) -> _Surface:
    """Points at which a distance map is 0, between voxels."""
    size = np.array(zooms)
    places = []
    for axis, (lower, upper) in enumerate(_pairs(3)):
        crossed = (distance[lower] < 0) != (distance[upper] < 0)
        place = np.argwhere(crossed).astype(float)
        here, there = distance[lower][crossed], distance[upper][crossed]
        place[:, axis] += here / (here - there)
        places.append(place)
    place = np.concatenate(places)[::2]
    smooth = gaussian_filter(distance, 2.0 / size)
    slopes = np.gradient(smooth, *zooms)
    normal = np.stack(
        [map_coordinates(s, place.T, order=1, mode="nearest") for s in slopes], axis=1
    )
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    tree = cKDTree(place * size)
    away, which = tree.query(place * size, k=NEIGHBOURS + 1)
    away, which = away[:, 1:], which[:, 1:]
    alike = np.clip(np.einsum("nkd,nd->nk", normal[which], normal), 0, 1)
    weight = np.exp(-((away / NEIGHBOUR_MM) ** 2)) * alike + 1e-6
    weight /= weight.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(place)), NEIGHBOURS)
    neighbours = sparse.csr_matrix((weight.ravel(), (rows, which.ravel())), (len(place),) * 2)
    return _Surface(place, normal / size, tree, neighbours)
