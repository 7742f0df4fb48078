"""How good a T1w image is before anything is made of it: MRIQC's measures, ghosts, spikes, slices.

The measures that MRIQC has bear its names and follow its definitions (Esteban O et al., PLoS ONE
2017;12:e0184661; ``mriqc.qc.anatomical``), so that values compare with published ones. Of its
masks two are made in another way, which is said at :func:`air_around`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy import fft
from scipy.ndimage import (
    binary_erosion,
    binary_fill_holes,
    binary_opening,
    distance_transform_edt,
    generate_binary_structure,
    label,
    uniform_filter,
)

from commissure.images.anat_files import TISSUES
from commissure.images.load import zooms_mm

#: Intensity of white matter in what is measured, as MRIQC scales images.
WHITE = 1000.0

#: Voxels that count as one tissue, and their size from which on no border is left out.
PURE_SHARE, UNERODED_MM = 0.85, 1.9

#: Voxels without which a tissue or the air is not described.
VOXELS_MIN = 100

#: Median absolute deviation of a normal distribution whose standard deviation is 1.
MAD_NORMAL = 0.6745

#: Noise of air is Rayleigh-distributed (Dietrich O et al., JMRI 2007;26:375-385, eq. A.12).
DIETRICH_FACTOR = float(1 / np.sqrt(2 / (4 - np.pi)))

#: Template mm of nasion and inion: air is taken above the plane through them.
NASION, INION = (0.0, 85.0, -42.0), (0.0, -115.0, -30.0)

#: Brighter than this share of the way from air to white matter, a voxel belongs to the head.
HEAD_SHARE = 0.1

#: Air whose z-score is above this is an artefact, unless it lies within a tenth of the way out.
ARTEFACT_Z, ARTEFACT_FAR = 10.0, 0.1

#: A mask may end this far from where the field of view cuts the brain (mm).
EDGE_MM = 3.0

#: A copy that is displaced by fewer voxels than this is blur.
GHOST_VOXELS_MIN = 2

#: Names of what :func:`mriqc_measures` gives.
MRIQC = ("cjv", "cnr", "snrd_total", "efc", "fber", "qi_1", "wm2max")

#: Frequencies within these many samples are compared with each other, to find a spike.
SPIKE_NEIGHBOURS = 7


@dataclass(frozen=True)
class Summary:
    """Intensities of one tissue, or of the air, as MRIQC sums them up.

    Attributes
    ----------
    median, stdv
        Of the voxels that are this tissue nearly alone.
    mad
        Median absolute deviation, scaled to the standard deviation of a normal distribution.
    n
        Number of voxels.
    """

    median: float
    mad: float
    stdv: float
    n: int


NOTHING = Summary(float("nan"), float("nan"), float("nan"), 0)


def summary(values: np.ndarray) -> Summary:
    """Sum up intensities; not numbers where there are too few of them."""
    if values.size < VOXELS_MIN:
        return NOTHING
    median = float(np.median(values))
    mad = float(np.median(np.abs(values - median)) / MAD_NORMAL)
    return Summary(median, mad, float(values.std()), int(values.size))


def tissue_summaries(
    t1w: np.ndarray, posterior: np.ndarray, voxel_mm: Sequence[float]
) -> dict[str, Summary]:
    """Intensities of GM, WM and CSF in voxels of one tissue, without its border.

    Parameters
    ----------
    t1w
        (X, Y, Z) bias-corrected.
    posterior
        (3, X, Y, Z) in the order of :data:`commissure.images.anat_files.TISSUES`.
    voxel_mm
        Edges of a voxel.
    """
    summaries: dict[str, Summary] = {}
    for name, share in zip(TISSUES, posterior, strict=True):
        core = share > PURE_SHARE
        if max(voxel_mm) < UNERODED_MM:
            inner = binary_erosion(core, generate_binary_structure(3, 2))
            core = inner if inner.sum() >= VOXELS_MIN else core
        summaries[name] = summary(t1w[core])
    return summaries


def cjv(white: Summary, grey: Summary) -> float:
    """Coefficient of joint variation (Ganzetti M et al., Front Neuroinform 2016;10:10)."""
    return _ratio(white.mad + grey.mad, abs(white.median - grey.median))


def cnr(white: Summary, grey: Summary, air: Summary) -> float:
    """Contrast to noise (Magnotta VA, Friedman L, J Digit Imaging 2006;19:140-147)."""
    noise = 0.0 if air.n == 0 else air.stdv
    spread = float(np.sqrt(noise**2 + grey.stdv**2 + white.stdv**2))
    return _ratio(abs(white.median - grey.median), spread)


def snrd(tissue: Summary, air: Summary) -> float:
    """Signal of a tissue over the noise of the air (Dietrich O et al., JMRI 2007;26:375-385)."""
    noise = air.mad if air.mad > 1 else air.stdv
    return _ratio(DIETRICH_FACTOR * tissue.median, noise)


def efc(t1w: np.ndarray) -> float:
    """Entropy focus criterion (Atkinson D et al., IEEE TMI 1997;16:903-910).

    Parameters
    ----------
    t1w
        Intensities of the voxels that were measured, not negative.
    """
    values = np.asarray(t1w, dtype=np.float64).ravel()
    share = values / np.sqrt((values**2).sum())
    most = np.sqrt(values.size) * np.log(1 / np.sqrt(values.size))
    return float((share * np.log(share + 1e-16)).sum() / most)


def fber(head: np.ndarray, outside: np.ndarray) -> float:
    """Energy of the head over that of what is around it: medians of squared intensities."""
    if min(head.size, outside.size) < VOXELS_MIN:
        return float("nan")
    return _ratio(float(np.median(head**2)), float(np.median(outside**2)))


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 1e-3 else float("nan")


@dataclass(frozen=True)
class Air:
    """What is around a head.

    Attributes
    ----------
    head
        (X, Y, Z) bool, the head with skull and scalp.
    air
        (X, Y, Z) bool, measured air above nasion and inion without artefacts.
    artefact
        (X, Y, Z) bool, voxels of that air that are far too bright.
    measured
        (X, Y, Z) bool, voxels that were not set to 0 from the edge inwards.
    """

    head: np.ndarray
    air: np.ndarray
    artefact: np.ndarray
    measured: np.ndarray


def air_around(t1w: np.ndarray, brain: np.ndarray, to_template: np.ndarray) -> Air:
    """Tell head, air and the artefacts in the air apart.

    Parameters
    ----------
    t1w
        (X, Y, Z), not negative, white matter at :data:`WHITE`.
    brain
        (X, Y, Z) bool.
    to_template
        4x4, voxel to about template mm.

    Notes
    -----
    MRIQC finds the head by gradients and the plane by a template's mask; here the head is what is
    brighter than a tenth of white matter above the air, and the plane goes through nasion and
    inion. Artefacts are found as MRIQC does: Mortamet B et al., MRM 2009;62:365-372.
    """
    empty, _ = label(t1w <= 0)
    faces = [np.take(empty, end, axis).ravel() for axis in range(3) for end in (0, -1)]
    edge = np.unique(np.concatenate(faces))
    measured = ~np.isin(empty, edge[edge > 0])
    dim = t1w[measured & ~brain & (t1w < HEAD_SHARE * WHITE)]
    level = float(np.median(dim)) if dim.size else 0.0
    bright = uniform_filter(t1w, 3) > level + HEAD_SHARE * (WHITE - level)
    parts, _ = label(binary_opening(bright, iterations=2) | brain)
    sizes = np.bincount(parts[brain], minlength=2)
    sizes[0] = 0
    head = binary_fill_holes(parts == sizes.argmax())
    distance = distance_transform_edt(~head)
    above = above_plane(t1w.shape, to_template)
    air = ~head & above & measured
    distance[~above] = 0
    positive = t1w[air & (t1w > 0)]
    artefact = np.zeros(t1w.shape, bool)
    if positive.size >= VOXELS_MIN:
        noise = summary(positive)
        artefact = air & (t1w > noise.median + ARTEFACT_Z * noise.mad)
        artefact &= distance >= ARTEFACT_FAR * distance.max()
        artefact = binary_opening(artefact, generate_binary_structure(3, 1))
    return Air(head, air & ~artefact, artefact, measured)


def above_plane(shape: tuple[int, ...], to_template: np.ndarray) -> np.ndarray:
    """(X, Y, Z) bool: above the plane through nasion and inion, which runs from side to side.

    Parameters
    ----------
    shape
        Of the grid.
    to_template
        4x4, voxel to about template mm.
    """
    along = np.subtract(NASION, INION)
    up = np.cross((1.0, 0.0, 0.0), along)
    # The height above the plane is linear in the voxel: no grid of coordinates is needed.
    weights = up @ to_template[:3, :3]
    offset = up @ (to_template[:3, 3] - np.array(NASION))
    axes = [w * np.arange(n) for w, n in zip(weights, shape, strict=True)]
    return axes[0][:, None, None] + axes[1][:, None] + axes[2] + offset > 0


@dataclass(frozen=True)
class Spectrum:
    """What the spatial frequencies of an image tell.

    Attributes
    ----------
    ghost_percent
        Share of the image that is a displaced copy of itself.
    ghost_voxels
        By how many voxels.
    spike
        Logarithm of the brightest frequency over those around it.
    """

    ghost_percent: float
    ghost_voxels: int
    spike: float


def spectrum(image: nib.Nifti1Image) -> Spectrum:
    """Look for displaced copies and single bright frequencies in an image as acquired.

    A copy that is displaced by n voxels multiplies the spectrum by a ripple; the ripple is a peak
    at n in the power cepstrum, the transform of the logarithm of the power (Bogert BP et al.,
    Proc Symp Time Series Analysis 1963:209-243). A share a of the copy gives a peak of a / (1 - a).
    """
    data = np.asarray(image.dataobj, dtype=np.float32)
    power = np.abs(fft.rfftn(data))
    power = np.log(power + 1e-6 * power.max())
    best = (0.0, 0)
    for axis, size in enumerate(data.shape):
        line = 2 * power.mean(axis=tuple({0, 1, 2} - {axis}), dtype=np.float64)
        half = line[: size // 2 + 1]
        peaks = fft.irfft(half, n=size)[GHOST_VOXELS_MIN : size // 2]
        best = max(best, (float(peaks.max()), int(peaks.argmax()) + GHOST_VOXELS_MIN))
    share = best[0] / (1 + best[0])
    around = power - uniform_filter(power, SPIKE_NEIGHBOURS, mode="wrap")
    # The lowest frequencies are the head's outline.
    inner = around[2:-1, 2:-1, 2:]
    return Spectrum(100 * share, best[1], float(inner.max()))


def repeated_slices(image: nib.Nifti1Image, brain: np.ndarray) -> int:
    """Number of slices between others of the brain that are constant or the same as the one before.

    Parameters
    ----------
    image
        3-D, as acquired.
    brain
        (X, Y, Z) bool on its grid.
    """
    data = np.asanyarray(image.dataobj)
    count = 0
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        wide = brain.sum(axis=others) >= VOXELS_MIN
        low = np.where(brain, data, np.inf).min(axis=others)
        high = np.where(brain, data, -np.inf).max(axis=others)
        constant = wide & (low == high)
        step = np.abs(np.diff(data, axis=axis)).max(axis=others)
        same = wide & np.concatenate([[False], step == 0])
        # Masks reach a slice beyond a stripped brain, where nothing is left to vary.
        inner = np.flatnonzero(wide & ~(constant | same))
        between = slice(inner[0], inner[-1]) if inner.size else slice(None)
        count += int((constant | same)[between].sum())
    return count


def edge_area_cm2(raw: nib.Nifti1Image, mask: np.ndarray) -> float:
    """Area of the brain where what was measured ends, the largest of the six sides.

    Parameters
    ----------
    raw
        3-D, as acquired.
    mask
        (X, Y, Z) bool on its grid.

    Notes
    -----
    Slices up to :data:`EDGE_MM` from the outermost count, because masks end a voxel before a cut. A
    whole brain ends in a cap, of which 15 to 30 cm² lie that near to its end. Where the field of
    view cuts it, the cut is as large as the brain is there.
    """
    data = np.asanyarray(raw.dataobj)
    measured = data > 0.01 * np.percentile(data, 98)
    size = np.array(zooms_mm(raw.affine))
    largest = 0.0
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        slices = np.flatnonzero(measured.any(axis=others))
        if not slices.size:
            continue
        area = mask.sum(axis=others) * float(np.prod(size[list(others)])) / 100
        near = max(1, round(EDGE_MM / size[axis]))
        low, high = int(slices[0]), int(slices[-1]) + 1
        largest = max(largest, *area[low : low + near + 1], *area[max(0, high - near - 1) : high])
    return float(largest)


def mriqc_measures(
    t1w: nib.Nifti1Image,
    mask: np.ndarray,
    tissues: Mapping[str, Summary],
    to_template: np.ndarray,
) -> dict[str, float | None]:
    """MRIQC's measures of a T1w image, under its names.

    Parameters
    ----------
    t1w
        3-D, bias-corrected, with what is around the brain.
    mask
        (X, Y, Z) bool.
    tissues
        From :func:`tissue_summaries` of the same image.
    to_template
        4x4, voxel to about template mm.

    Returns
    -------
    dict
        The measures :data:`MRIQC`. None where there is no air around the head to measure; not a
        number where no tissue can be told.
    """
    measures: dict[str, float | None] = dict.fromkeys(MRIQC)
    white = tissues["WM"].median
    if not white > 0:
        return {**measures, "cjv": float("nan"), "cnr": float("nan")}
    scale = WHITE / white
    data = np.clip(np.asanyarray(t1w.dataobj), 0, None) * np.float32(scale)
    scaled = {
        name: Summary(scale * t.median, scale * t.mad, scale * t.stdv, t.n)
        for name, t in tissues.items()
    }
    around = air_around(data, mask, to_template)
    noise = data[around.air]
    # Air that software has set to 0 says nothing of noise.
    there = noise.size >= VOXELS_MIN and float((noise > 0).mean()) > 0.5
    air = summary(noise) if there else NOTHING
    measures["cjv"] = cjv(scaled["WM"], scaled["GM"])
    measures["cnr"] = cnr(scaled["WM"], scaled["GM"], air)
    measures["wm2max"] = WHITE / float(np.percentile(data, 99.95))
    if there:
        measures["snrd_total"] = float(np.mean([snrd(t, air) for t in scaled.values()]))
        measures["efc"] = efc(data[around.measured])
        measures["fber"] = fber(data[around.head], data[~around.head & around.measured])
        bad = int(around.artefact.sum())
        measures["qi_1"] = bad / (int(around.air.sum()) + bad)
    return measures
