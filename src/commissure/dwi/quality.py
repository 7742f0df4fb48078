"""How good a diffusion series is, before anything is believed of it."""

from __future__ import annotations

import numpy as np

from commissure.checks import Check, at_least, at_most, between
from commissure.dwi.bvec_axes import axes_check, fibre_coherence
from commissure.dwi.derivatives import PreprocessedSeries
from commissure.dwi.gradients import Gradients, distinct_directions, quadratic, shells
from commissure.dwi.settings import DwiMeasureSettings
from commissure.dwi.t1w_placement import AnisotropyMap, judge_placement
from commissure.dwi.tensor import TensorMaps
from commissure.images.anat_files import AnatFiles
from commissure.images.load import load_image, voxel_volume_mm3

#: Volumes that a brain may have; beyond them the mask is wrong.
BRAIN_LITRES = (0.8, 2.2)

#: Section of the brain on a face of the image, against the largest within, beyond which a part of
#: it was not acquired.
BRAIN_AT_EDGE_MAX = 0.5

#: Fewest volumes of a shell whose contrast is measured.
_SHELL_VOLUMES_MIN = 10

#: Median diffusivity that white matter may have in a living head.
WHITE_MATTER_MD_MM2_S = (0.5e-3, 1.2e-3)

#: How far the T1w image may lie from where FA fits its white matter best. Measured series that were
#: laid there lie within 0.7 to 1.5 mm, without correction of their distortion 2.4.
T1W_OFFSET_MAX_MM = 3.0

#: How much more alike the gyri in FA and in the person's T1w image are than in its mirror image:
#: 0.20 to 0.40 in measured and simulated heads, at most 0.06 with the T1w image of somebody else,
#: below 0 with a mirrored one.
T1W_LIKENESS_MIN = 0.1

#: Percent of corrected voxels that may have an FA above 0.95.
_SUBTRACTED_FA_ONE_MAX = 0.2

#: Correlation of FA with the white matter's share over the brain, below which they do not overlie:
#: 0.59 and 0.62 on measured heads where they do, 0.47 with 5 mm between them, 0.40 and 0.44 with 8.
FA_WHITE_MATTER_R_MIN = 0.5


def series_checks(series: PreprocessedSeries, settings: DwiMeasureSettings) -> list[Check]:
    """Judge a preprocessed series before a tensor is fitted."""
    b0_max = settings.b0_max_b_s_mm2
    weighted = ~series.gradients.b0(b0_max)
    directions = distinct_directions(series.gradients.directions[weighted])
    correlation = neighbouring_correlation(
        series.data, series.gradients, series.mask, b0_max_b_s_mm2=b0_max
    )
    r_min = settings.min_neighbouring_correlation
    checks = [at_least("directions", directions, settings.min_directions)]
    raw = series.sidecar.get("NeighbouringCorrelationRaw")
    if raw is not None:
        checks.append(at_least("neighbouring_correlation_raw", raw, r_min))
    checks.append(at_least("neighbouring_correlation", correlation, r_min))
    motion = series.mean_displacement
    if motion is not None:
        checks.append(at_most("mean_displacement_mm", motion, settings.max_mean_displacement_mm))
        largest = float(np.nanmax(np.asarray(series.displacement)))
        checks.append(Check("largest_displacement_mm", largest))
    dropouts = series.dropouts
    if dropouts is not None:
        slices = series.sidecar["Slices"] * int(weighted.sum())
        percent = 100 * len(dropouts) / slices
        checks.append(
            at_most("outlier_slices_percent", percent, settings.max_outlier_slices_percent)
        )
    repeated = series.sidecar.get("IdenticalVolumes")
    if repeated is not None:
        checks.append(at_most("identical_volumes", repeated, 0))
    edge = series.sidecar.get("BrainAtEdge")
    if edge is not None:
        note = "" if edge <= BRAIN_AT_EDGE_MAX else "A part of the brain lies outside of the image."
        checks.append(at_most("brain_at_edge", edge, BRAIN_AT_EDGE_MAX, note))
    litres = float(series.mask.sum() * voxel_volume_mm3(series.affine) / 1e6)
    checks.append(between("brain_litres", litres, *BRAIN_LITRES))
    return checks


def tensor_checks(
    maps: TensorMaps,
    white_matter: np.ndarray,
    mask: np.ndarray,
    core: np.ndarray,
    affine: np.ndarray,
) -> list[Check]:
    """Judge a fitted tensor by what is known of white matter.

    Parameters
    ----------
    maps
        The tensor.
    white_matter
        3-D, share of each voxel that is white matter.
    mask
        3-D brain mask, of bool.
    core
        3-D of bool: voxels that are mostly white matter.
    affine
        4x4, voxel to mm.
    """
    checks = [axes_check(fibre_coherence(maps.direction, maps.fa, affine))]
    share = white_matter[mask]
    if share.std() > 0:
        agreement = float(np.corrcoef(maps.fa[mask], share)[0, 1])
        checks.append(at_least("fa_white_matter_correlation", agreement, FA_WHITE_MATTER_R_MIN))
    if core.any():
        md = float(np.median(maps.md[core]))
        checks.append(between("white_matter_md_mm2_s", md, *WHITE_MATTER_MD_MM2_S))
        signal = np.maximum(maps.s0[core], 1e-6)
        residual = float(100 * np.median(maps.residual[core] / signal))
        checks.append(Check("tensor_residual_percent", residual))
    return checks


def placement_checks(maps: TensorMaps, series: PreprocessedSeries, anat: AnatFiles) -> list[Check]:
    """Judge how the series lies beside the T1w image, whichever engine laid it there.

    Parameters
    ----------
    maps
        The tensor.
    series
        The series, in the space of the T1w image.
    anat
        Derivatives of the T1w image.
    """
    white, mask = (load_image(path, who=anat.who, ndim=3) for path in (anat.wm, anat.mask))
    fit = judge_placement(AnisotropyMap.of(maps, series.mask, series.affine), white, mask)
    gain = fit.likeness - fit.mirrored_likeness
    note = (
        f"Gyri in FA and in the T1w image correlate by {fit.likeness:.2f}, with its mirror image "
        f"by {fit.mirrored_likeness:.2f}."
    )
    if gain < T1W_LIKENESS_MIN:
        note += " The T1w image may be somebody else's, mirrored, or lie elsewhere."
    return [
        at_most("t1w_offset_mm", fit.offset_mm, T1W_OFFSET_MAX_MM),
        at_least("t1w_likeness_over_mirrored", gain, T1W_LIKENESS_MIN, note),
    ]


def subtraction_check(maps: TensorMaps, corrected: np.ndarray) -> Check:
    """Judge a tensor fitted after partial volumes were subtracted: too much makes FA 1.

    Parameters
    ----------
    maps
        The tensor.
    corrected
        3-D of bool: where something was subtracted.
    """
    percent = float(100 * np.mean(maps.fa[corrected] > 0.95)) if corrected.any() else 0.0
    return at_most("subtracted_fa_above_095_percent", percent, _SUBTRACTED_FA_ONE_MAX)


def contrast_checks(series: PreprocessedSeries, core: np.ndarray) -> list[Check]:
    """Contrast to noise of each shell: how much the direction changes the signal, over its noise.

    Parameters
    ----------
    series
        The preprocessed series.
    core
        3-D of bool: white matter.

    Returns
    -------
    list of Check
        ``cnr_b1000`` ..., without a limit; none for shells of few volumes.

    Notes
    -----
    As in FSL's ``eddy_quad`` (Bastiani M et al., NeuroImage 184:801-812, 2019), where a Gaussian
    process predicts the signal; here a quadratic form of the direction fitted to its logarithm.
    """
    numbers = shells(series.gradients.b, b0_max_b_s_mm2=series.b0_max_b_s_mm2)
    checks = []
    for number in range(1, int(numbers.max(initial=0)) + 1):
        members = np.flatnonzero(numbers == number)
        if len(members) < _SHELL_VOLUMES_MIN or not core.any():
            continue
        design = quadratic(series.gradients.directions[members])
        values = np.maximum(series.data[core][:, members], 1e-6).astype(float)
        predicted = _predicted(values, design)
        freedom = len(members) / max(len(members) - np.linalg.matrix_rank(design), 1)
        noise = np.sqrt(np.mean((values - predicted) ** 2, axis=1) * freedom)
        ratio = float(np.median(predicted.std(axis=1) / np.maximum(noise, 1e-6)))
        b = round(float(np.median(series.gradients.b[members])), -2)
        checks.append(Check(f"cnr_b{b:.0f}", ratio))
    return checks


def _predicted(values: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Signals ``(voxels, volumes)`` as a form fitted to their logarithms has them, weighted."""
    logs = np.log(values)
    guess = logs @ np.linalg.pinv(design).T @ design.T
    weights = np.exp(2 * (guess - guess.max(axis=1, keepdims=True)))
    pairs = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    normal = (weights @ pairs).reshape(-1, design.shape[1], design.shape[1])
    normal += 1e-9 * np.eye(design.shape[1])
    form = np.linalg.solve(normal, ((weights * logs) @ design)[..., None])[..., 0]
    return np.exp(form @ design.T)


def b0_snr(series: PreprocessedSeries, maps: TensorMaps, core: np.ndarray) -> tuple[float, str]:
    """Signal-to-noise ratio of the unweighted signal, and where the noise was taken from.

    Parameters
    ----------
    series
        The series that the tensor was fitted to.
    maps
        The tensor.
    core
        3-D of bool: white matter; the whole brain stands in where it is empty.
    """
    region = core if core.any() else series.mask
    signal = float(np.median(maps.s0[region]))
    noise = series.sidecar.get("NoiseStandardDeviation")
    if noise:
        return signal / noise, "Noise from the denoising of the raw series."
    noise = max(float(np.median(maps.residual[region])), 1e-6)
    return (
        signal / noise,
        "Noise from the residuals of the tensor in the preprocessed series: an upper bound of SNR.",
    )


def neighbouring_correlation(
    series: np.ndarray, gradients: Gradients, mask: np.ndarray, *, b0_max_b_s_mm2: float = 50.0
) -> float:
    """Neighbouring DWI correlation: how alike volumes of neighbouring q-vectors are.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``.
    gradients
        One row per volume.
    mask
        3-D brain mask.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted; such volumes are left out.

    Returns
    -------
    float
        Mean over weighted volumes of Pearson's r, inside the mask, with the nearest other volume
        in q-space (antipodes are the same point). Below 0.4 is low (Yeh F-C et al., NeuroImage
        202:116131, 2019).
    """
    weighted = np.flatnonzero(~gradients.b0(b0_max_b_s_mm2))
    q = np.sqrt(gradients.b[weighted])[:, None] * gradients.directions[weighted]
    apart = np.minimum(
        np.linalg.norm(q[:, None] - q[None], axis=2), np.linalg.norm(q[:, None] + q[None], axis=2)
    )
    np.fill_diagonal(apart, np.inf)
    values = series[np.asarray(mask) > 0][:, weighted].astype(np.float32)
    values -= values.mean(axis=0)
    values /= np.linalg.norm(values, axis=0)
    return float(np.mean(np.sum(values * values[:, apart.argmin(axis=1)], axis=0)))
