"""Simulated diffusion series: tensors oriented by anatomy, measured with noise and movement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from commissure.images.load import zooms_mm
from commissure.images.rigid import rigid_matrix
from commissure.phantom.acquisition import (
    FineHead,
    box_places,
    drawn_motion,
    fine_head,
    voxel_boxes,
    voxel_means,
)
from commissure.phantom.anatomy import Anatomy
from commissure.phantom.distortion import (
    DWI_READOUT_S,
    Displacement,
    before_eddies,
    displacement,
    eddy_fields,
    off_resonance,
)
from commissure.phantom.fibres import (
    CROSSED_ABOVE_MM,
    CROSSING_SHARE,
    CROSSINGS,
    fibre_courses,
    tract_numbers,
    tracts_at,
)
from commissure.phantom.person import Person, Protocol

#: Signal without weighting (T2-weighted echo-planar); white matter is 600.
INTENSITY = {"gm": 800.0, "wm": 600.0, "csf": 1900.0, "outside": 250.0}

#: Diffusivity of what is not white matter, mm²/s.
ISOTROPIC = {"gm": 0.8e-3, "csf": 3.0e-3, "outside": 1.0e-3}

#: Mean diffusivity of a tract at the population's FA, mm²/s. A person's FA differs from it by
#: radial diffusivity alone.
WM_MD = 0.75e-3

#: FA of the population: published means (npj Schizophrenia table in Kelly 2018's supplement for
#: GCC, BCC, SCC, ALIC, CGC, UNC and the whole), else typical of 3 T and 2 mm.
REFERENCE_FA = {
    "GCC": 0.636, "BCC": 0.591, "SCC": 0.694, "FX": 0.38, "ACR": 0.43, "ALIC": 0.527, "CGC": 0.519,
    "CGH": 0.39, "CST": 0.58, "EC": 0.39, "FXST": 0.45, "IFO": 0.47, "PCR": 0.45, "PLIC": 0.64,
    "PTR": 0.52, "RLIC": 0.51, "SCR": 0.45, "SFO": 0.43, "SLF": 0.45, "SS": 0.50, "TAP": 0.45,
    "UNC": 0.492, "WM": 0.386,
}  # fmt: skip

#: FA varies within a tract by this share, with the place; its mean stays.
WITHIN_TRACT = 0.06

#: Movement between diffusion volumes, over that between BOLD volumes: they are further apart.
MOTION_FACTOR = 1.5
SPIKE_RATE = 0.05
SINCE_T1W_MM, SINCE_T1W_DEG = 1.0, 0.7

#: Share of the slices (b > 0) that lose part of their signal because the head moved meanwhile.
DROPOUT_RATE = 0.006


@dataclass(frozen=True)
class Dropout:
    """One slice that lost signal: its volume, its index along the third axis, the factor left."""

    volume: int
    slice: int
    factor: float


@dataclass(frozen=True)
class DwiSeries:
    """One simulated diffusion series.

    Attributes
    ----------
    data
        (X, Y, Z, N) float32.
    affine
        4x4.
    bvals
        (N,) s/mm².
    bvecs
        (3, N) in FSL's convention for this affine: along the voxel axes, the first component
        negated where the affine has a positive determinant. What the scanner played out: the head
        turned under it.
    metadata
        For the JSON sidecar, BIDS names.
    motion
        (N, 6), convention as in :class:`commissure.phantom.bold.BoldSeries`.
    truth
        ``fa`` and ``md`` (mm²/s) of the white-matter compartment by tract and for ``WM``: means
        over voxels of the finer grid that are at least half white matter, weighted by it.
    dropouts
        Every slice that lost signal.
    since_t1w
        (6,) how the head had moved since the T1w when the series began, about the scanner's origin.
    eddy_mm
        (N, 4) displacement along the phase encoding by eddy currents, coefficients of 1, x, y, z
        (scanner mm from the centre of the grid); ``None`` without any.
    reversed_b0s
        (X, Y, Z, n) unweighted volumes with the opposite phase encoding, or ``None``.
    """

    data: np.ndarray
    affine: np.ndarray
    bvals: np.ndarray
    bvecs: np.ndarray
    metadata: Mapping[str, object]
    motion: np.ndarray
    truth: Mapping[tuple[str, str], float]
    dropouts: tuple[Dropout, ...] = ()
    since_t1w: np.ndarray = field(default_factory=lambda: np.zeros(6))
    eddy_mm: np.ndarray | None = None
    reversed_b0s: np.ndarray | None = None


@dataclass(frozen=True)
class Tensors:
    """The white-matter compartment on the finer grid of a head.

    Attributes
    ----------
    where
        Three arrays of M indices: fine voxels with white matter.
    directions
        (M, 3) unit vectors in the scanner (RAS+), of the head in the first volume.
    axial, radial
        (M,) diffusivities in mm²/s.
    truth
        As in :class:`DwiSeries`.
    second
        (M, 3) unit vectors of a crossing bundle with the same diffusivities, or ``None``.
    share
        (M,) the crossing bundle's share of the signal.
    """

    where: tuple[np.ndarray, ...]
    directions: np.ndarray
    axial: np.ndarray
    radial: np.ndarray
    truth: Mapping[tuple[str, str], float]
    second: np.ndarray | None = None
    share: np.ndarray | None = None


def simulate_dwi(
    anatomy: Anatomy, person: Person, protocol: Protocol, rng: np.random.Generator
) -> DwiSeries:
    """Simulate a diffusion series of one or more shells.

    Parameters
    ----------
    anatomy
        The true head.
    person
        ``fa`` by tract and for ``WM``, and ``motion_scale_mm``.
    protocol
        Voxel size, shells, signal-to-noise ratio, and what distorts the images.
    rng
        Draws movement, dropouts and noise.
    """
    pose = rng.normal(0, 1, 6) * ([SINCE_T1W_MM] * 3 + [np.deg2rad(SINCE_T1W_DEG)] * 3)
    head = fine_head(anatomy, protocol.dwi_mm, pose=pose)
    tensors = tensor_field(head, person, crossing=protocol.dwi_crossing)
    bvals, directions = gradient_table(
        protocol.dwi_directions,
        protocol.dwi_b0s,
        protocol.dwi_b_value,
        more=protocol.dwi_more_shells,
    )
    motion = drawn_motion(
        len(bvals), MOTION_FACTOR * person.motion_scale_mm, rng, spike_rate=SPIKE_RATE
    )
    eddies = None
    if protocol.dwi_eddy_mm:
        eddies = eddy_fields(bvals, directions, protocol.dwi_eddy_mm)
    shift = None
    if protocol.field_hz:
        shift = DWI_READOUT_S * voxel_means(off_resonance(head.template_mm, protocol.field_hz))
    # The phase runs from front to back, j-: a higher frequency shifts the signal backwards.
    displaced = None if shift is None else displacement(-shift)
    data = clean_series(
        head, tensors, bvals, directions, motion, displaced=displaced, eddies=eddies
    )
    dropouts = tuple(
        Dropout(int(volume), int(z), float(rng.uniform(0.3, 0.7)))
        for volume, z in np.argwhere(rng.random((len(bvals), head.shape[2])) < DROPOUT_RATE)
        if bvals[volume] > 0
    )
    for dropout in dropouts:
        data[:, :, dropout.slice, dropout.volume] *= dropout.factor
    sd = INTENSITY["wm"] / (protocol.dwi_snr * person.scanner.snr_factor)
    noisy = rician(data, sd, rng)
    backwards = None
    if protocol.dwi_reversed_b0s:
        n = protocol.dwi_reversed_b0s
        other = None if shift is None else displacement(shift)
        still = np.tile(motion[-1], (n, 1))
        clean = clean_series(head, tensors, np.zeros(n), np.zeros((n, 3)), still, displaced=other)
        backwards = rician(clean, sd, rng)
    return DwiSeries(
        data=noisy,
        affine=head.affine,
        bvals=bvals,
        bvecs=fsl_bvecs(directions, head.affine),
        metadata=_sidecar(person, protocol),
        motion=motion,
        truth=tensors.truth,
        dropouts=dropouts,
        since_t1w=pose,
        eddy_mm=eddies,
        reversed_b0s=backwards,
    )


def tensor_field(head: FineHead, person: Person, *, crossing: bool = False) -> Tensors:
    """White matter of one person: direction by anatomy, FA as his markers say.

    With ``crossing`` a second bundle runs across those of
    :data:`commissure.phantom.fibres.CROSSINGS` at right angles, and FA is that of both
    together: of the mean of the two tensors, which is what the signal's first decay shows.
    """
    wm = head.maps["wm"]
    where = np.nonzero(wm > 0.02)
    places = head.template_mm[where]
    names = tract_numbers()[1]
    tract_of = tracts_at(places)
    weight = _weight(wm[where], tract_of)

    pattern = 1 + WITHIN_TRACT * np.sin(places @ np.array([0.11, 0.07, -0.09]) + 0.5)
    fa = np.zeros(len(weight), np.float32)
    axial = np.zeros(len(weight), np.float32)
    course = fibre_courses(places)
    share = np.zeros(len(weight), np.float32)
    across = np.zeros((len(weight), 3), np.float32)
    for number, name in enumerate(names):
        mine = tract_of == number
        if mine.any():
            if crossing and _both_sides(name) in CROSSINGS:
                share[mine] = CROSSING_SHARE
                out, front, up = CROSSINGS[_both_sides(name)]
                across[mine] = (out * (1 if name.endswith("-R") else -1), front, up)
            reference = REFERENCE_FA[_both_sides(name)]
            axial[mine] = _axial(reference)
            fa[mine] = _with_mean(
                pattern[mine], weight[mine], _wanted_fa(person, name, default=reference)
            )
    rest = tract_of < 0
    axial[rest] = _axial(REFERENCE_FA["WM"])
    if crossing:
        high = rest & (places[:, 2] > CROSSED_ABOVE_MM)
        share[high], across[high] = CROSSING_SHARE, CROSSINGS[""]
    whole = _wanted_fa(person, "WM", default=REFERENCE_FA["WM"])
    in_tracts = float((fa * weight).sum())
    left = float(weight[rest].sum())
    fa_rest = (whole * float(weight.sum()) - in_tracts) / left if left else whole
    fa[rest] = _with_mean(pattern[rest], weight[rest], float(np.clip(fa_rest, 0.12, 0.6)))

    radial = radial_diffusivity(fibre_anisotropy(fa, share), axial)
    md = (axial + 2 * radial) / 3
    truth: dict[tuple[str, str], float] = {}
    groups = {name: tract_of == number for number, name in enumerate(names)}
    for name, mine in (groups | {"WM": np.ones(len(weight), bool)}).items():
        if weight[mine].sum() > 0:
            truth["fa", name] = float(np.average(fa[mine], weights=weight[mine]))
            truth["md", name] = float(np.average(md[mine], weights=weight[mine]))
    directions = _in_scanner(course, head, where)
    if not crossing:
        return Tensors(where, directions, axial, radial, truth)
    second = _in_scanner(np.where(share[:, None] > 0, across, course), head, where)
    second = second - (second * directions).sum(axis=1, keepdims=True) * directions
    length = np.linalg.norm(second, axis=1, keepdims=True)
    # Where both run the same way nothing is across: any direction at right angles will do.
    other = np.cross(directions, np.roll(directions, 1, axis=1))
    second = np.where(length > 0.05, second, other)
    second = second / np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-6)
    return Tensors(where, directions, axial, radial, truth, second.astype(np.float32), share)


def fibre_anisotropy(fa: np.ndarray, share: np.ndarray) -> np.ndarray:
    """FA that each of two crossing bundles has, given that of both together.

    Parameters
    ----------
    fa
        FA of the mean of two tensors of one shape that cross at right angles.
    share
        Of the crossing bundle, like ``fa``; 0 is one bundle alone.
    """
    alone = np.linspace(0, 0.98, 200)
    radial = radial_diffusivity(alone, np.ones_like(alone))
    result = np.array(fa, copy=True)
    for part in np.unique(share[share > 0]):
        first, second = (1 - part) + part * radial, part + (1 - part) * radial
        values = np.stack([first, second, radial])
        spread = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        together = np.sqrt(1.5 * spread / (values**2).sum(axis=0))
        mine = share == part
        result[mine] = np.interp(fa[mine], together, alone)
    return result


def radial_diffusivity(fa: np.ndarray, axial: np.ndarray) -> np.ndarray:
    """Radial diffusivity of an axially symmetric tensor from its FA and axial diffusivity.

    The root of (1 - 2 FA²) R² - 2 A R + (1 - FA²) A² = 0 that lies below A, written so that
    FA² = 1/2 is no exception.
    """
    square = np.square(fa)
    return axial * (1 - square) / (1 + np.sqrt(1 - (1 - 2 * square) * (1 - square)))


def clean_series(
    head: FineHead,
    tensors: Tensors,
    bvals: np.ndarray,
    directions: np.ndarray,
    motion: np.ndarray,
    *,
    displaced: Displacement | None = None,
    eddies: np.ndarray | None = None,
) -> np.ndarray:
    """Signal without noise, (X, Y, Z, N) float32.

    Compartments decay on the finer grid and are then averaged over acquired voxels. A head that
    has turned by R sees the gradient R' g, and is sampled where it has gone. ``displaced`` and
    ``eddies`` (N, 4) shift the images along the second axis; both stay in the scanner when the head
    moves.
    """
    from scipy.ndimage import binary_dilation, map_coordinates

    something = voxel_means(head.substance) > 0.02
    reach = 0.0
    if eddies is not None:
        corner_mm = np.abs(head.centre_mm - head.affine[:3, 3])
        reach += float((np.abs(eddies) @ [1, *corner_mm]).max() / zooms_mm(head.affine)[1])
    if displaced is not None:
        reach += float(np.abs(displaced.back).max())
    if reach:
        something = binary_dilation(something, iterations=int(np.ceil(reach)))
    voxels = np.argwhere(something)
    seen, rows = tuple(voxels.T), voxels.T.astype(np.float32)
    sensitivity = head.coil_sensitivity(voxels)
    data = np.zeros((len(bvals), *head.shape), np.float32)
    wm = INTENSITY["wm"] * head.maps["wm"][tensors.where]
    isotropic: dict[float, np.ndarray] = {}
    for n, b in enumerate(bvals):
        b = float(b)
        if b not in isotropic:
            parts = (
                INTENSITY[name] * np.exp(-b * diffusivity) * head.maps[name]
                for name, diffusivity in ISOTROPIC.items()
            )
            isotropic[b] = sum(parts).astype(np.float32)
        turned = rigid_matrix(motion[n], head.centre_mm)[:3, :3].T @ directions[n]
        turned = turned.astype(np.float32)
        decay = _decay(b, tensors, tensors.directions @ turned)
        if tensors.second is not None and tensors.share is not None:
            across = _decay(b, tensors, tensors.second @ turned)
            decay = decay + tensors.share * (across - decay)
        image = isotropic[b].copy()
        image[tensors.where] += wm * decay
        origins, factor = rows, sensitivity
        thinner: float | np.ndarray
        if eddies is not None:
            origins, thinner = before_eddies(origins, eddies[n], head.affine, head.centre_mm)
            factor = factor * thinner
        if displaced is not None:
            origins, thinner = displaced.origins(origins)
            factor = factor * thinner
        places = box_places(head, origins, motion[n])
        sampled = map_coordinates(voxel_boxes(image), places, order=1, output=np.float32)
        data[n][seen] = sampled * factor
    return np.moveaxis(data, 0, -1)


def _decay(b: float, tensors: Tensors, cosine: np.ndarray) -> np.ndarray:
    """What the weighting leaves of a bundle's signal."""
    along = tensors.radial + (tensors.axial - tensors.radial) * np.square(cosine)
    return np.exp(-b * along)


def rician(data: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of the signal with independent noise of this SD in both channels."""
    real = rng.standard_normal(data.shape, dtype=np.float32)
    real *= np.float32(sd)
    real += data
    imaginary = rng.standard_normal(data.shape, dtype=np.float32)
    imaginary *= np.float32(sd)
    return np.hypot(real, imaginary)


def gradient_table(
    directions: int, b0s: int, b_value: float, *, more: Sequence[tuple[float, int]] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """b-values (N,) and scanner directions (N, 3); unweighted volumes first and in between.

    Further shells, ``more`` as (b-value, directions), follow after the first one.

    Returns
    -------
    bvals, directions
        Directions are unit vectors, zero where b is 0.
    """
    vectors = even_directions(directions)
    table = [(0.0, np.zeros(3))]
    others = b0s - 1
    for i, vector in enumerate(vectors):
        table.append((b_value, vector))
        if others and (i + 1) * others // directions > i * others // directions:
            table.append((0.0, np.zeros(3)))
    table += [(b, vector) for b, count in more for vector in even_directions(count)]
    bvals, rows = zip(*table, strict=True)
    return np.array(bvals), np.array(rows)


@lru_cache(maxsize=8)
def even_directions(count: int) -> np.ndarray:
    """Unit vectors (count, 3) whose axes repel each other, spread over the whole sphere.

    Electrostatic repulsion of antipodal pairs (Jones DK et al., Magn Reson Med 42:515-525, 1999);
    then each axis gets the sign that keeps the sum of all vectors small (eddy currents).
    """
    rng = np.random.default_rng(count)
    vectors = rng.standard_normal((count, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for step in 0.3 / (1 + np.arange(400) / 40):
        force = np.zeros_like(vectors)
        for sign in (1, -1):
            apart = vectors[:, None] - sign * vectors[None]
            far = np.linalg.norm(apart, axis=-1, keepdims=True)
            force += (apart / np.maximum(far, 1e-3) ** 3 * (far > 1e-9)).sum(axis=1)
        force -= (force * vectors).sum(axis=1, keepdims=True) * vectors
        force /= max(1e-12, float(np.linalg.norm(force, axis=1).max()))
        vectors = vectors + step / np.sqrt(count) * force
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for _ in range(10):
        for i in range(count):
            if vectors[i] @ (vectors.sum(axis=0) - vectors[i]) > 0:
                vectors[i] *= -1
    return vectors


def fsl_bvecs(directions: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Scanner directions (N, 3) in FSL's convention for an image's affine, (3, N)."""
    axes = affine[:3, :3] / zooms_mm(affine)
    bvecs = axes.T @ directions.T
    if np.linalg.det(axes) > 0:
        bvecs[0] *= -1
    return bvecs


def _weight(wm: np.ndarray, tract_of: np.ndarray) -> np.ndarray:
    """White matter where it is the larger part; all of it in tracts too thin for such voxels."""
    mostly = wm * (wm > 0.5)
    thick = np.bincount(tract_of + 1, mostly, minlength=int(tract_of.max()) + 2) > 0
    return np.where(thick[tract_of + 1], mostly, wm)


def _wanted_fa(person: Person, name: str, *, default: float) -> float:
    return float(np.clip(person.markers.get(("fa", name), default), 0.05, 0.95))


def _both_sides(tract: str) -> str:
    return tract.removesuffix("-L").removesuffix("-R")


def _axial(fa: float) -> float:
    """Axial diffusivity of a tensor with this FA and the mean diffusivity of white matter."""
    return WM_MD * (1 + 2 * fa / np.sqrt(3 - 2 * fa**2))


def _with_mean(pattern: np.ndarray, weight: np.ndarray, mean: float) -> np.ndarray:
    total = float(weight.sum())
    return pattern * (mean / (float((pattern * weight).sum()) / total)) if total else mean * pattern


def _in_scanner(course: np.ndarray, head: FineHead, where: tuple[np.ndarray, ...]) -> np.ndarray:
    """Carry directions from the template into the head, as its deformation turns them.

    Preservation of the principal direction: the inverse Jacobian of the map into the template
    (Alexander DC et al., IEEE Trans Med Imaging 20:1131-1139, 2001).
    """
    along_axes = [np.gradient(head.template_mm, axis=axis)[where] for axis in range(3)]
    jacobian = np.stack(along_axes, axis=-1) @ np.linalg.inv(head.fine_affine[:3, :3])
    directions = np.linalg.solve(jacobian, course[..., None])[..., 0]
    return (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)


def _sidecar(person: Person, protocol: Protocol) -> dict[str, object]:
    return {
        "Manufacturer": person.scanner.manufacturer,
        "ManufacturersModelName": person.scanner.model,
        "MagneticFieldStrength": round(protocol.field_t, 3),
        "RepetitionTime": 8.0,
        "EchoTime": 0.085,
        "FlipAngle": 90,
        "PhaseEncodingDirection": "j-",
        "TotalReadoutTime": DWI_READOUT_S,
        "PulseSequenceType": "Spin echo EPI",
    }
