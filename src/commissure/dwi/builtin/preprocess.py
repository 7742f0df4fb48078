"""The built-in engine: a raw diffusion series, denoised, aligned, undistorted, beside the T1w."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation

from commissure.dwi.builtin.denoise import NARROWEST, mppca
from commissure.dwi.builtin.gibbs import not_fit_for_unringing, without_ringing
from commissure.dwi.builtin.realign import Realignment, realign
from commissure.dwi.builtin.resampling import (
    TargetGrid,
    inside_field_of_view,
    resampled_series,
    sampled_at,
    world_places,
)
from commissure.dwi.builtin.sidecars import (
    CONFOUNDS_SIDECAR,
    confounds_table,
    mask_sidecar,
    series_sidecar,
)
from commissure.dwi.builtin.susceptibility import Shift, phase_axis, shift_from_opposed_images
from commissure.dwi.builtin.to_t1w import aligned_grid, b0_brain_mask, matrix_to_t1w
from commissure.dwi.derivatives import DwiFiles
from commissure.dwi.gradients import Gradients, read_gradients, write_gradients
from commissure.dwi.quality import neighbouring_correlation
from commissure.dwi.settings import DwiPreprocessSettings
from commissure.files import write_json, write_table
from commissure.images.anat_files import AnatFiles
from commissure.images.grid import resample_to
from commissure.images.header import header_notes
from commissure.images.load import identical_volumes, load_image, save_image, zooms_mm
from commissure.images.rigid import resample_pose
from commissure.names import Scan


@dataclass(frozen=True)
class _Raw:
    """What is known of the raw series.

    Attributes
    ----------
    affine
        4x4, voxel to mm.
    gradients
        One row per volume.
    unweighted
        ``(volumes,)`` of bool.
    brain
        3-D rough mask, from the b0 as acquired.
    correlation
        Neighbouring correlation.
    repeated
        Volumes that repeat the one before, voxel by voxel.
    notes
        What the header tells the reader.
    """

    affine: np.ndarray
    gradients: Gradients
    unweighted: np.ndarray
    brain: np.ndarray
    correlation: float
    repeated: int
    notes: list[str]


@dataclass(frozen=True)
class _UndistortedB0:
    """The mean unweighted volume and its brain mask on the acquired grid, and what was undone."""

    image: np.ndarray
    brain: np.ndarray
    shift: Shift | None


def preprocess(
    scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: DwiPreprocessSettings
) -> DwiFiles:
    """Denoise, realign and undistort one diffusion series and write its derivatives.

    Parameters
    ----------
    scan
        The raw series with its associated files ``bval`` and ``bvec``; ``epi`` and ``epi_json``
        where there are unweighted images of the opposite phase encoding.
    folder
        Where to write (a person's ``dwi/``).
    anat
        Derivatives of the same person's T1w image. With them the series is written in T1w space
        (at its own resolution); without them, or where they are incomplete, in its own.
    settings
        Settings of the step.

    Returns
    -------
    DwiFiles
        The files that were written.

    Raises
    ------
    DatasetError
        The image, or its gradient table, is missing, damaged, or contradicts the other.
    QualityError
        The directions span no tensor, or the image shows no brain.
    """
    series, raw = _read(scan, settings)
    notes = [*raw.notes, *raw.gradients.notes]
    anat = anat if anat is not None and anat.complete() else None
    series, noise = _denoised(series, raw.brain, settings, notes)
    metadata = scan.metadata() if scan.sidecars else {}
    unrung = settings.gibbs and _may_be_unrung(metadata, notes)
    if unrung:
        series = without_ringing(series, raw.brain)
    phase = _eddy_phase(metadata, raw.affine, settings, notes)
    motion = realign(
        series,
        raw.affine,
        raw.gradients,
        raw.brain,
        b0_max_b_s_mm2=settings.b0_max_b_s_mm2,
        outlier_z=settings.outlier_z,
        replace_outliers=settings.replace_outliers,
        move=settings.realign,
        phase=phase,
    )
    del series
    b0 = _undistorted_b0(scan, metadata, motion, raw, settings, notes)
    grid, mask = _target(scan, b0, motion, raw.affine, anat, settings)
    files = DwiFiles.of(scan, folder, space="T1w" if anat else "")
    _write_images(files, motion, raw, grid, mask, b0.shift)
    write_json(mask_sidecar(scan, anat), files.mask_sidecar)
    write_table(confounds_table(motion), files.confounds)
    write_json(CONFOUNDS_SIDECAR, files.confounds_sidecar)
    sidecar = series_sidecar(
        scan,
        settings,
        anat=anat,
        affine=raw.affine,
        motion=motion,
        unrung=unrung,
        eddy=phase is not None,
        shift=b0.shift,
        brain=b0.brain,
        noise=None if noise is None else noise[raw.brain & (noise > 0)],
        raw_correlation=raw.correlation,
        repeated=raw.repeated,
        to_series=grid.to_series,
        notes=notes,
    )
    write_json(sidecar, files.sidecar)
    return files


def _read(scan: Scan, settings: DwiPreprocessSettings) -> tuple[np.ndarray, _Raw]:
    """The raw series, and what is known of it."""
    image = load_image(scan.path, who=scan.who, ndim=4)
    series = np.asanyarray(image.dataobj)
    b0_max = settings.b0_max_b_s_mm2
    gradients = read_gradients(
        scan.associated,
        image.affine,
        volumes=series.shape[3],
        who=scan.who,
        b0_max_b_s_mm2=b0_max,
    )
    series = np.delete(series, gradients.without_direction, axis=3)
    unweighted = gradients.b0(b0_max)
    brain = b0_brain_mask(series[..., unweighted].mean(axis=3), image.affine, who=scan.who)
    correlation = neighbouring_correlation(series, gradients, brain, b0_max_b_s_mm2=b0_max)
    return series, _Raw(
        image.affine,
        gradients,
        unweighted,
        brain,
        correlation,
        identical_volumes(series),
        header_notes(image),
    )


def _write_images(
    files: DwiFiles,
    motion: Realignment,
    raw: _Raw,
    grid: TargetGrid,
    mask: np.ndarray,
    shift: Shift | None,
) -> None:
    """Write series, gradient table and mask on the grid wanted."""
    save_image(resampled_series(motion, raw.affine, grid, shift), grid.affine, files.series)
    turned = raw.gradients.turned((motion.head @ grid.to_series)[:, :3, :3])
    write_gradients(turned, grid.affine, files.bval, files.bvec)
    save_image(mask, grid.affine, files.mask)


def _denoised(
    series: np.ndarray, mask: np.ndarray, settings: DwiPreprocessSettings, notes: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    if settings.denoise == "none":
        return series, None
    if min(series.shape[:3]) < NARROWEST:
        notes.append(
            f"Not denoised: {min(series.shape[:3])} voxels along an axis are fewer than the "
            f"{NARROWEST} of a patch."
        )
        return series, None
    # Two voxels around the brain move into it when the head does.
    around = binary_dilation(mask, iterations=2)
    return mppca(series, around, step=settings.denoise_step_voxels)


def _may_be_unrung(metadata: dict[str, Any], notes: list[str]) -> bool:
    reason = not_fit_for_unringing(metadata)
    if reason:
        notes.append(f"Gibbs ringing is not removed: {reason}.")
    return not reason


def _eddy_phase(
    metadata: dict[str, Any],
    affine: np.ndarray,
    settings: DwiPreprocessSettings,
    notes: list[str],
) -> np.ndarray | None:
    """Unit vector of the phase encoding, along which eddy currents displace; None to leave them."""
    if not (settings.realign and settings.eddy):
        return None
    encoded = phase_axis(metadata.get("PhaseEncodingDirection", metadata.get("PhaseEncodingAxis")))
    if encoded is None:
        named = metadata.get("PhaseEncodingDirection")
        cause = "names no phase encoding"
        if named is not None:
            cause = f"has PhaseEncodingDirection {named!r:.40}, not i, j or k, with or without -"
        notes.append(f"Eddy currents are not corrected: the sidecar {cause}.")
        return None
    return affine[:3, encoded[0]] / zooms_mm(affine)[encoded[0]]


def _undistorted_b0(
    scan: Scan,
    metadata: dict[str, Any],
    motion: Realignment,
    raw: _Raw,
    settings: DwiPreprocessSettings,
    notes: list[str],
) -> _UndistortedB0:
    affine = raw.affine
    b0 = _mean_b0(motion, affine, raw.unweighted)
    brain = b0_brain_mask(b0, affine, who=scan.who)
    if not settings.susceptibility:
        return _UndistortedB0(b0, brain, None)
    shift = shift_from_opposed_images(scan, metadata, b0, brain, affine, notes)
    if shift is None:
        return _UndistortedB0(b0, brain, None)
    tissue = world_places(b0.shape, affine)
    b0 = np.clip(sampled_at(b0, affine, np.eye(4), *shift.seen_from(tissue)), 0, None)
    return _UndistortedB0(b0, b0_brain_mask(b0, affine, who=scan.who), shift)


def _mean_b0(motion: Realignment, affine: np.ndarray, unweighted: np.ndarray) -> np.ndarray:
    shape = motion.series.shape[:3]
    volumes = [
        resample_pose(motion.series[..., i], affine, motion.matrices[i], shape, affine)
        for i in np.flatnonzero(unweighted)
    ]
    return np.clip(np.mean(volumes, axis=0), 0, None)


def _target(
    scan: Scan,
    b0: _UndistortedB0,
    motion: Realignment,
    affine: np.ndarray,
    anat: AnatFiles | None,
    settings: DwiPreprocessSettings,
) -> tuple[TargetGrid, np.ndarray]:
    """The grid that the series is written on, and the brain mask there."""
    if anat is None:
        return TargetGrid(b0.image.shape, affine, np.eye(4)), b0.brain
    t1w, t1w_mask = (load_image(path, who=scan.who, ndim=3) for path in (anat.preproc, anat.mask))
    to_series = matrix_to_t1w(
        b0.image,
        b0.brain,
        affine,
        t1w,
        t1w_mask,
        resolution_mm=settings.registration_resolution_mm,
    )
    size = settings.output_resolution_mm or float(np.prod(zooms_mm(affine))) ** (1 / 3)
    grid = TargetGrid(*aligned_grid(t1w_mask, size), to_series)
    in_view = inside_field_of_view(motion.series.shape[:3], affine, grid)
    return grid, (resample_to(t1w_mask, grid.shape, grid.affine) > 0.5) & in_view
