"""Which way white matter runs: courses that go on from tract to tract, in template space.

Fibres are drawn as a current through white matter: a potential that satisfies Laplace's equation,
with the template's white-matter map as the conductor, has streamlines that bend with the conductor,
stay inside it and end only where a source or a sink is. Three currents stand for the three kinds of
fibres: from the brain stem to the cortex (projection), from the cortex of one hemisphere to that of
the other (commissural), from the frontal to the occipital pole (association). Each tract of the
atlas takes part in the one it belongs to, and neighbours lead over into each other. Made for tests
of software: it teaches no anatomy.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter, label, map_coordinates
from scipy.sparse import coo_array, csr_array, diags
from scipy.sparse.linalg import LinearOperator, cg, splu

from commissure.images.atlas import jhu_dti81
from commissure.images.template import template

COMMISSURAL = ("GCC", "BCC", "SCC", "TAP")
ASSOCIATION = ("SLF", "CGC", "CGH", "UNC", "EC", "FX", "FXST", "SFO", "SS")

#: Grid of the currents, the white-matter share that conducts at all, and the width (SD) over which
#: the courses of neighbouring tracts lead over into each other.
GRID_MM, LEAST_SHARE, LEAD_OVER_MM = 2.0, 0.3, 2.0

#: Tracts that another bundle crosses, and the way it goes: away from the midline, front, up. The
#: white matter of no tract ("") is crossed above this height.
CROSSINGS = {
    "ACR": (1.0, 0.0, 0.0),
    "SCR": (1.0, 0.0, 0.0),
    "PCR": (1.0, 0.0, 0.0),
    "SLF": (0.6, 0.0, 0.8),
    "": (1.0, 0.0, 0.0),
}
CROSSED_ABOVE_MM = 12.0

#: Share of the white-matter signal that the crossing bundle has.
CROSSING_SHARE = 0.3


def fibre_courses(template_mm: np.ndarray) -> np.ndarray:
    """Principal directions of white matter at places, continuous throughout.

    Parameters
    ----------
    template_mm
        (N, 3) places.

    Returns
    -------
    numpy.ndarray
        (N, 3) unit vectors (of either sign), template axes (RAS+).
    """
    dyads, affine = _mean_dyads()
    step = np.linalg.inv(affine)
    places = (template_mm @ step[:3, :3].T + step[:3, 3]).T
    values = [map_coordinates(part, places, order=1, mode="nearest") for part in dyads]
    xx, yy, zz, xy, xz, yz = values
    matrix = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]).transpose(2, 0, 1)
    return np.linalg.eigh(matrix)[1][:, :, 2].astype(np.float32)


@lru_cache(maxsize=1)
def tract_numbers() -> tuple[np.ndarray, tuple[str, ...]]:
    """Number of the tract by label of the atlas (-1: none), and the tracts' names."""
    groups = jhu_dti81().groups("tract")
    names = tuple(groups)
    numbers = np.full(int(jhu_dti81().labels["index"].max()) + 1, -1, np.int16)
    for number, name in enumerate(names):
        numbers[groups[name]] = number
    return numbers, names


def tracts_at(template_mm: np.ndarray) -> np.ndarray:
    """Number of the tract, as in :func:`tract_numbers`, at places (N, 3)."""
    atlas = jhu_dti81().image
    step = np.linalg.inv(atlas.affine)
    index = np.rint(template_mm @ step[:3, :3].T + step[:3, 3]).astype(np.intp)
    labels = np.asanyarray(atlas.dataobj)
    index = np.clip(index, 0, np.array(labels.shape) - 1)
    return tract_numbers()[0][labels[tuple(index.T)]]


def current(
    share: np.ndarray,
    inside: np.ndarray,
    contacts: list[tuple[np.ndarray, float, float]],
) -> np.ndarray:
    """Direction of a current through a conductor, (n, 3) along the axes of the grid.

    Parameters
    ----------
    share
        (X, Y, Z) conductivity.
    inside
        (X, Y, Z) of bool, n of them true: where anything flows. The border lets nothing through.
    contacts
        What the conductor is joined to: (n,) of bool, the conductance, and the potential there.
    """
    number = np.full(inside.shape, -1)
    number[inside] = np.arange(inside.sum())
    links = []
    for axis in range(3):
        low = tuple(slice(None, -1) if k == axis else slice(None) for k in range(3))
        high = tuple(slice(1, None) if k == axis else slice(None) for k in range(3))
        both = inside[low] & inside[high]
        below, above = share[low][both], share[high][both]
        links.append((number[low][both], number[high][both], 2 * below * above / (below + above)))
    starts, ends, conductance = (np.concatenate(part) for part in zip(*links, strict=True))
    n = int(inside.sum())
    between = coo_array((conductance, (starts, ends)), shape=(n, n)).tocsr()
    between = between + between.T
    leak, feed = np.zeros(n), np.zeros(n)
    for where, strength, potential in contacts:
        leak += strength * where
        feed += strength * potential * where
    diagonal = np.asarray(between.sum(axis=1)).ravel() + leak + 1e-9
    system = (diags(diagonal) - between).tocsr()
    # Two levels: what is smooth is solved on blocks of 4 x 4 x 4, a quarter of the steps remain.
    corner = np.ravel_multi_index(tuple(np.argwhere(inside).T // 4), inside.shape)
    block = np.unique(corner, return_inverse=True)[1]
    gathered = csr_array((np.ones(n), (block, np.arange(n))))
    coarse = splu((gathered @ system @ gathered.T).tocsc())
    joined = gathered.T.tocsr()
    near = LinearOperator(
        (n, n), matvec=lambda rest: rest / diagonal + joined @ coarse.solve(gathered @ rest)
    )
    potential, failed = cg(system, feed, rtol=1e-6, maxiter=5000, M=near)
    if failed:
        raise ArithmeticError("the current through white matter did not converge")
    flow = np.zeros((n, 3))
    for axis, (start, end, weight) in enumerate(links):
        along = weight * (potential[end] - potential[start])
        flow[start, axis] += along
        flow[end, axis] += along
    return flow / np.maximum(np.linalg.norm(flow, axis=1, keepdims=True), 1e-12)


@lru_cache(maxsize=1)
def _mean_dyads() -> tuple[np.ndarray, np.ndarray]:
    """Smoothed dyads (6, X, Y, Z) of the courses, and their grid's affine."""
    white = template("WM", resolution_mm=GRID_MM)
    share = np.asanyarray(white.dataobj).astype(float)
    parts, _ = label(share > LEAST_SHARE)
    inside = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    places = np.argwhere(inside) @ white.affine[:3, :3].T + white.affine[:3, 3]
    x, y, z = places.T
    surface = (inside & ~binary_erosion(inside))[inside]
    cortex = surface & (np.abs(x) > 9)
    stem = (np.abs(x) < 12) & (z < -50) & (y > -42)
    contacts = (
        [(stem, 10.0, 0.0), (cortex & (z > -25), 0.02, 1.0)],
        [(cortex & (x < 0), 0.02, -1.0), (cortex & (x > 0), 0.02, 1.0), (stem, 10.0, 0.0)],
        [(surface & (y > 20), 0.05, 1.0), (surface & (y < -55) & (z > -30), 0.05, -1.0)],
    )
    flows = [current(share, inside, list(joined)) for joined in contacts]
    kind = np.array([_kind(name) for name in tract_numbers()[1]] + [0])[tracts_at(places)]
    course = np.choose(kind[:, None], flows) * np.sign(np.diag(white.affine)[:3])
    x, y, z = course.T
    dyads = np.zeros((6, *share.shape), np.float32)
    for part, product in zip(dyads, (x * x, y * y, z * z, x * y, x * z, y * z), strict=True):
        part[inside] = product * share[inside]
        part[:] = gaussian_filter(part, LEAD_OVER_MM / GRID_MM)
    return dyads, white.affine


def _kind(tract: str) -> int:
    name = tract.removesuffix("_L").removesuffix("_R")
    return 1 if name in COMMISSURAL else 2 if name in ASSOCIATION else 0
