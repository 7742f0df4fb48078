"""The built-in engine: a raw diffusion series, denoised, aligned, undistorted, beside the T1w."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_dilation

from commissure.dwi.builtin.anisotropy import anisotropy_map
from commissure.dwi.builtin.denoise import NARROWEST
from commissure.dwi.builtin.gibbs import not_fit_for_unringing
from commissure.dwi.builtin.intensities import evened, without_rician_bias
from commissure.dwi.builtin.realign import Realignment, realign
from commissure.dwi.builtin.resampling import TargetGrid, inside_field_of_view, resampled_series
from commissure.dwi.builtin.runs import Run, joined_gradients, joined_realignments, read_runs
from commissure.dwi.builtin.sidecars import (
    CONFOUNDS_SIDECAR,
    Correction,
    confounds_table,
    mask_sidecar,
    series_sidecar,
)
from commissure.dwi.builtin.slice_outliers import excitations
from commissure.dwi.builtin.steps import BUILTIN, Steps
from commissure.dwi.builtin.to_t1w import aligned_grid
from commissure.dwi.derivatives import DwiFiles
from commissure.dwi.gradients import Gradients, write_gradients
from commissure.dwi.settings import DwiPreprocessSettings
from commissure.dwi.t1w_placement import find_placement
from commissure.files import write_json, write_table
from commissure.images.anat_files import AnatFiles
from commissure.images.coil_brightness import coil_brightness
from commissure.images.distortion import opposed_axis, shift_of_series
from commissure.images.grid import resample_to, sampled_at, world_places
from commissure.images.load import load_image, save_image, zooms_mm
from commissure.images.rigid import RigidTarget, resample_pose
from commissure.images.susceptibility import Shift, opposed_shift, phase_axis
from commissure.names import Scan

#: Gains of two runs further apart than this factor are worth a note.
_GAIN_NOTED = 1.25


@dataclass(frozen=True)
class _Group:
    """The runs with one phase encoding, realigned to their first b0.

    Attributes
    ----------
    runs
        As read, denoised.
    gradients
        Of all of them.
    motion
        Poses and dropouts.
    b0, brain
        3-D mean of the aligned unweighted volumes, and its brain mask.
    """

    runs: Sequence[Run]
    gradients: Gradients
    motion: Realignment
    b0: np.ndarray
    brain: np.ndarray


@dataclass(frozen=True)
class _Undistorted:
    """The mean unweighted volume and its brain mask on the acquired grid, and what was undone.

    Attributes
    ----------
    image, brain
        3-D.
    shift
        That of the first group; None where nothing was undone.
    source
        Image that the shift is from.
    groups
        Those that the series is made of.
    matrices
        4x4 each, from the world of the first group to that of the group.
    """

    image: np.ndarray
    brain: np.ndarray
    shift: Shift | None
    source: str
    groups: Sequence[_Group]
    matrices: Sequence[np.ndarray]


def preprocess(
    scan: Scan,
    folder: Path,
    *,
    anat: AnatFiles | None,
    settings: DwiPreprocessSettings,
    steps: Steps = BUILTIN,
) -> DwiFiles:
    """Denoise, realign and undistort one diffusion series and write its derivatives.

    Parameters
    ----------
    scan
        The raw series with its associated files ``bval`` and ``bvec``; further runs of the same
        acquisition (``run2``, ``run2_bval`` ...), images of the opposite phase encoding (``epi``)
        and field maps where there are such
        (:meth:`commissure.dataset.associations.Associations.of`).
    folder
        Where to write (a person's ``dwi/``).
    anat
        Derivatives of the same person's T1w image. With them the series is written in T1w space
        (at its own resolution); without them, or where they are incomplete, in its own.
    settings
        Settings of the step.
    steps
        The steps that another engine does with its programs.

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
    notes: list[str] = []
    anat = anat if anat is not None and anat.complete() else None
    runs = read_runs(scan, notes, b0_max_b_s_mm2=settings.b0_max_b_s_mm2, steps=steps)
    affine = runs[0].affine
    corrections = [_corrected(run, settings, notes, steps, who=scan.who) for run in runs]
    runs = _evenly_bright([correction.run for correction in corrections], notes)
    groups = _groups(scan, runs, settings, notes, steps)
    b0 = _undistorted(scan, groups, affine, settings, notes, steps)
    motion = joined_realignments([group.motion for group in b0.groups], b0.matrices)
    used = [run for group in b0.groups for run in group.runs]
    gradients = joined_gradients(used)
    grid, mask = _target(scan, b0, motion, gradients, affine, anat, settings, steps)
    files = DwiFiles.of(scan, folder, space="T1w" if anat else "")
    series = resampled_series(motion, affine, grid, b0.shift, _senses(b0.groups))
    if settings.bias_field:
        light = coil_brightness(nib.Nifti1Image(b0.image.astype(np.float32), affine), b0.brain)
        in_grid = np.linalg.inv(grid.to_series) @ affine
        series = evened(series, grid.affine, light, in_grid)
    save_image(series, grid.affine, files.series)
    del series
    turned = gradients.turned((motion.head @ grid.to_series)[:, :3, :3])
    write_gradients(turned, grid.affine, files.bval, files.bvec)
    save_image(mask, grid.affine, files.mask)
    write_json(mask_sidecar(scan, anat), files.mask_sidecar)
    starts = np.cumsum([0, *(len(run.gradients.b) for run in used[:-1])])
    write_table(confounds_table(motion, starts), files.confounds)
    write_json(CONFOUNDS_SIDECAR, files.confounds_sidecar)
    sidecar = series_sidecar(
        scan,
        settings,
        steps=steps,
        anat=anat,
        runs=used,
        motion=motion,
        corrections=corrections,
        eddy=_eddy_phase(runs[0].metadata, affine, settings, []) is not None,
        shift=b0.shift,
        shift_source=b0.source,
        brain=b0.brain,
        to_series=grid.to_series,
        notes=list(dict.fromkeys(notes)),
    )
    write_json(sidecar, files.sidecar)
    return files


def _corrected(
    run: Run, settings: DwiPreprocessSettings, notes: list[str], steps: Steps, *, who: str
) -> Correction:
    """A run without noise, ringing and Rician bias, as far as was asked for and can be."""
    series, noise = _denoised(run, settings, notes, steps, who=who)
    unrung = settings.gibbs
    if unrung and (reason := not_fit_for_unringing(run.metadata)):
        notes.append(f"Gibbs ringing is not removed from {run.name}: {reason}.")
        unrung = False
    if unrung:
        series = steps.unring(series, run.brain, who=who)
    strong = run.gradients.b >= settings.rician_from_b_s_mm2
    unbiased = noise is not None and bool(strong.any())
    if noise is not None and unbiased:
        series = without_rician_bias(series, noise, strong)
    inside = None if noise is None else noise[run.brain & (noise > 0)]
    spread = float(np.median(inside)) if inside is not None and inside.size else None
    return Correction(replace(run, series=series), spread, unrung, unbiased)


def _denoised(
    run: Run, settings: DwiPreprocessSettings, notes: list[str], steps: Steps, *, who: str
) -> tuple[np.ndarray, np.ndarray | None]:
    if settings.denoise == "none":
        return run.series, None
    narrowest = min(run.series.shape[:3])
    if narrowest < NARROWEST:
        notes.append(
            f"{run.name} is not denoised: {narrowest} voxels along an axis are fewer than the "
            f"{NARROWEST} of a patch."
        )
        return run.series, None
    # Two voxels around the brain move into it when the head does.
    around = binary_dilation(run.brain, iterations=2)
    return steps.denoise(run.series, around, step=settings.denoise_step_voxels, who=who)


def _evenly_bright(runs: Sequence[Run], notes: list[str]) -> list[Run]:
    """Runs with the gain of the first: scanners set it anew for each."""
    bright = [float(np.median(run.series[run.brain][:, run.unweighted])) for run in runs]
    evened_runs = [runs[0]]
    for run, signal in zip(runs[1:], bright[1:], strict=True):
        gain = bright[0] / signal
        if not 1 / _GAIN_NOTED < gain < _GAIN_NOTED:
            notes.append(f"The signal of {run.name} was multiplied by {gain:.3g}, its gain.")
        evened_runs.append(replace(run, series=run.series * np.float32(gain)))
    return evened_runs


def _groups(
    scan: Scan,
    runs: Sequence[Run],
    settings: DwiPreprocessSettings,
    notes: list[str],
    steps: Steps,
) -> list[_Group]:
    """Runs by the sense of their phase encoding, the first run's first, each realigned."""
    senses = list(dict.fromkeys(run.sense for run in runs))
    groups = []
    for sense in senses:
        members = [run for run in runs if run.sense == sense]
        gradients = joined_gradients(members)
        affine, brain = members[0].affine, members[0].brain
        motion = realign(
            members[0].series
            if len(members) == 1
            else np.concatenate([run.series for run in members], axis=3),
            affine,
            gradients,
            brain,
            b0_max_b_s_mm2=settings.b0_max_b_s_mm2,
            outlier_z=settings.outlier_z,
            replace_outliers=settings.replace_outliers,
            move=settings.realign,
            phase=_eddy_phase(members[0].metadata, affine, settings, notes),
            excitations=excitations(members[0].metadata, members[0].series.shape[2]),
        )
        b0 = _mean_b0(motion, affine, gradients.b0(settings.b0_max_b_s_mm2))
        outline = steps.outline_again(b0, brain, affine, who=scan.who)
        groups.append(_Group(members, gradients, motion, b0, outline))
    return groups


def _senses(groups: Sequence[_Group]) -> np.ndarray:
    """1 for volumes with the phase encoding of the first group, -1 for the others."""
    counts = [len(group.gradients.b) for group in groups]
    return np.repeat([1.0, *([-1.0] * (len(groups) - 1))], counts)


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


def _undistorted(
    scan: Scan,
    groups: Sequence[_Group],
    affine: np.ndarray,
    settings: DwiPreprocessSettings,
    notes: list[str],
    steps: Steps,
) -> _Undistorted:
    first = groups[0]
    metadata = first.runs[0].metadata
    shift, source = None, ""
    matrices = [np.eye(4)]
    if len(groups) > 1:
        second = groups[1]
        axis, reason = opposed_axis(metadata, second.runs[0].metadata)
        if axis is None:
            names = ", ".join(run.name for run in second.runs)
            notes.append(f"{names} left out: {reason}.")
            groups = groups[:1]
        elif settings.susceptibility:
            shift, matrix = opposed_shift(first.b0, second.b0, affine, first.brain, axis=axis)
            matrices, source = [np.eye(4), matrix], second.runs[0].name
        else:
            target = RigidTarget(first.b0, affine, first.brain)
            matrices = [np.eye(4), target.matrix(target.pose(second.b0, robust=True))]
    if shift is None and settings.susceptibility and len(groups) == 1:
        shift, source = shift_of_series(
            scan,
            metadata,
            first.b0,
            first.brain,
            affine,
            notes,
            b0_max_b_s_mm2=settings.b0_max_b_s_mm2,
        )
    if shift is None:
        return _Undistorted(first.b0, first.brain, None, "", groups, matrices)
    tissue = world_places(first.b0.shape, affine)
    seen = shift.seen_from(tissue)
    b0 = np.clip(sampled_at(first.b0, affine, np.eye(4), *seen), 0, None)
    carried = sampled_at(first.brain.astype(np.float32), affine, np.eye(4), *seen) > 0.5
    brain = steps.outline_again(b0, carried, affine, who=scan.who)
    return _Undistorted(b0, brain, shift, source, groups, matrices)


def _mean_b0(motion: Realignment, affine: np.ndarray, unweighted: np.ndarray) -> np.ndarray:
    shape = motion.series.shape[:3]
    volumes = [
        resample_pose(motion.series[..., i], affine, motion.matrices[i], shape, affine)
        for i in np.flatnonzero(unweighted)
    ]
    return np.clip(np.mean(volumes, axis=0), 0, None)


def _target(
    scan: Scan,
    b0: _Undistorted,
    motion: Realignment,
    gradients: Gradients,
    affine: np.ndarray,
    anat: AnatFiles | None,
    settings: DwiPreprocessSettings,
    steps: Steps,
) -> tuple[TargetGrid, np.ndarray]:
    """The grid that the series is written on, and the brain mask there."""
    if anat is None:
        return TargetGrid(b0.image.shape, affine, np.eye(4)), b0.brain
    t1w_mask, white = (load_image(path, who=scan.who, ndim=3) for path in (anat.mask, anat.wm))
    anisotropy = anisotropy_map(
        motion,
        gradients,
        b0.brain,
        affine,
        b0.shift,
        _senses(b0.groups),
        settings,
        fit=partial(steps.fit_tensor, who=scan.who),
    )
    to_series = find_placement(anisotropy, white, t1w_mask).matrix
    size = settings.output_resolution_mm or float(np.prod(zooms_mm(affine))) ** (1 / 3)
    grid = TargetGrid(*aligned_grid(t1w_mask, size), to_series)
    in_view = inside_field_of_view(motion.series.shape[:3], affine, grid)
    return grid, (resample_to(t1w_mask, grid.shape, grid.affine) > 0.5) & in_view
