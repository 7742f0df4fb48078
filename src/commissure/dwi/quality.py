"""How good a diffusion series is, before anything is believed of it."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np

from commissure.checks import Check, at_least, at_most, between
from commissure.dwi.derivatives import PreprocessedSeries
from commissure.dwi.gradients import Gradients, distinct_directions
from commissure.dwi.settings import DwiMeasureSettings
from commissure.dwi.tensor import TensorMaps
from commissure.images.load import voxel_volume_mm3, zooms_mm

#: Volumes that a brain may have; beyond them the mask is wrong.
BRAIN_LITRES = (0.8, 2.2)

#: Median diffusivity that white matter may have in a living head.
WHITE_MATTER_MD_MM2_S = (0.5e-3, 1.2e-3)

#: Correlation of FA with the white matter's share over the brain, below which they do not overlie.
FA_WHITE_MATTER_R_MIN = 0.4


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
    dropouts = series.dropouts
    if dropouts is not None:
        slices = series.sidecar["Slices"] * int(weighted.sum())
        percent = 100 * len(dropouts) / slices
        checks.append(
            at_most("outlier_slices_percent", percent, settings.max_outlier_slices_percent)
        )
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


#: The ways in which axes of b-vectors are usually confused: order and one sign (a tensor does not
#: see the sign of all three).
_TABLES = tuple(
    np.eye(3)[list(order)] * np.array(sign)
    for order, sign in product(
        permutations(range(3)), ((1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1))
    )
)


def fibre_coherence(
    first_eigenvectors: np.ndarray,
    fa: np.ndarray,
    affine: np.ndarray,
    *,
    fa_min: float = 0.3,
    steps: int = 20,
    turn_max_deg: float = 45.0,
    max_starts: int = 4_000,
) -> list[tuple[str, float]]:
    """Test whether the b-vectors' axes are right by how far fibres can be followed.

    A tensor fitted with exchanged or negated axes is the true one exchanged and negated, so all 24
    tables are tried on one fit. With each, walks start in both directions and follow the direction
    of the voxel they are in until anisotropy ends or the direction turns sharply. With wrong axes
    they soon leave their bundle. (Neighbours alone tell little: orientations are smooth with any
    table.)

    Parameters
    ----------
    first_eigenvectors
        ``(x, y, z, 3)``, in the world (RAS+).
    fa
        3-D fractional anisotropy, 0 outside the mask.
    affine
        4x4, voxel to mm; its axes are those in which b-vectors are written.
    fa_min
        Walks end where anisotropy is not above this.
    steps
        Length of a walk, in edges of the smallest side of a voxel.
    turn_max_deg
        Walks end where they would turn by more than this.
    max_starts
        Walks start in about this many voxels, picked evenly.

    Returns
    -------
    list of (str, float)
        Tables and their coherence (share of the steps tried that could be taken; steps out of the
        field of view do not count), best first. A table is named by what its rows are, as
        ``+x +y +z`` for the b-vectors as they came.

    Notes
    -----
    After Jeurissen B et al., Automated correction of improperly rotated diffusion gradient
    orientations in diffusion weighted MRI, Med Image Anal 18:953-962, 2014, who compare the length
    of streamlines.
    """
    size = np.array(zooms_mm(affine))
    fibre = fa > fa_min
    local = first_eigenvectors @ (affine[:3, :3] / size)
    starts = np.argwhere(fibre)
    starts = starts[:: max(1, len(starts) // max_starts)]
    stride = size.min() / size
    results = []
    for table in _TABLES:
        taken = tried = 0
        for sign in (1, -1):
            steps_taken, steps_tried = _walk(
                starts,
                sign,
                table,
                local,
                fibre,
                stride,
                steps=steps,
                cosine_min=np.cos(np.radians(turn_max_deg)),
            )
            taken, tried = taken + steps_taken, tried + steps_tried
        name = " ".join(
            f"{'+' if row.sum() > 0 else '-'}{'xyz'[int(np.abs(row).argmax())]}" for row in table
        )
        results.append((name, taken / max(tried, 1)))
    return sorted(results, key=lambda item: -item[1])


def _walk(
    starts: np.ndarray,
    sign: int,
    table: np.ndarray,
    local: np.ndarray,
    fibre: np.ndarray,
    stride: np.ndarray,
    *,
    steps: int,
    cosine_min: float,
) -> tuple[int, int]:
    """Steps that could be taken along the fibres from all starts, and steps that were tried."""
    taken = tried = 0
    place = starts.astype(float)
    direction = sign * local[tuple(starts.T)] @ table.T
    for _ in range(steps):
        place = place + stride * direction
        voxel = np.rint(place).astype(int)
        in_view = np.all((voxel >= 0) & (voxel < fibre.shape), axis=1)
        place, direction, index = place[in_view], direction[in_view], tuple(voxel[in_view].T)
        next_direction = local[index] @ table.T
        cosine = np.sum(next_direction * direction, axis=1)
        goes = fibre[index] & (np.abs(cosine) >= cosine_min)
        tried, taken = tried + goes.size, taken + int(goes.sum())
        place = place[goes]
        direction = (np.sign(cosine)[:, None] * next_direction)[goes]
    return taken, tried


#: With confused axes the fibres of a measured head (1.75 mm; averaged to 3 and 4 mm) lose 0.07 to
#: 0.10 of their coherence, and the right table leads all others by as much.
_COHERENCE_LOST_MAX, _COHERENCE_LEAD_MIN = 0.02, 0.04


def axes_check(tables: list[tuple[str, float]]) -> Check:
    """Judge the b-vectors' axes: failed only where one other table clearly wins.

    Parameters
    ----------
    tables
        From :func:`fibre_coherence`.

    Returns
    -------
    Check
        Without a verdict where other tables are better but none leads the rest: fibres that are too
        short or too few to follow do not accuse the b-vectors.
    """
    (best, coherence), (_, second) = tables[:2]
    as_read = dict(tables)["+x +y +z"]
    lost = coherence - as_read
    note = f"Fibres go on best ({coherence:.3f}) with the b-vector axes {best}; as read, "
    note += f"{as_read:.3f}."
    passed: bool | None = lost <= _COHERENCE_LOST_MAX
    if not passed and coherence - second < _COHERENCE_LEAD_MIN:
        passed = None
        note += " Others are as good: undecided."
    limit = f"<= {_COHERENCE_LOST_MAX:g}"
    # Without a verdict no limit is shown: the value would look as if it broke it.
    return Check("bvec_coherence_lost", lost, "" if passed is None else limit, passed, note)
