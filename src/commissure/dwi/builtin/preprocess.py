"""The built-in engine: a raw diffusion series, denoised, aligned, undistorted, beside the T1w."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from commissure.dwi.builtin.denoise import mppca
from commissure.dwi.builtin.realign import Realignment, realign
from commissure.dwi.builtin.susceptibility import Shift, opposed_shift, phase_axis
from commissure.dwi.builtin.to_t1w import aligned_grid, b0_brain_mask, matrix_to_t1w
from commissure.dwi.gradients import read_gradients, write_gradients
from commissure.dwi.quality import neighbouring_correlation
from commissure.dwi.settings import DwiSettings
from commissure.files import write_json, write_table
from commissure.images.anat_files import AnatFiles
from commissure.images.grid import resample_to
from commissure.images.load import load_image, save_image, zooms_mm
from commissure.images.rigid import RigidTarget, framewise_displacement, resample_pose
from commissure.names import Scan, read_sidecars

if TYPE_CHECKING:
    import pandas as pd

#: Width of a denoising patch in voxels.
_PATCH = 5


def preprocess(scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: DwiSettings) -> None:
    """Denoise, realign and undistort one diffusion series and write its derivatives.

    Parameters
    ----------
    scan
        The raw series with its ``bval`` and ``bvec``; ``epi`` and ``epi_json`` where
        there are unweighted images of the opposite phase encoding.
    folder
        Where to write (a person's ``dwi/``).
    anat
        Derivatives of the same person's T1w image. With them the series is written in T1w space
        (at its own resolution); without them, or where they are incomplete, in its own.
    settings
        Settings of the room.

    Raises
    ------
    DatasetError
        The image, or its gradient table, is missing, damaged, or contradicts the other.
    QualityError
        The directions span no tensor, or the image shows no brain.
    """
    image = load_image(scan.path, who=scan.who, ndim=4)
    affine, series = image.affine, np.asanyarray(image.dataobj)
    gradients = read_gradients(
        scan.associated,
        affine,
        volumes=series.shape[3],
        who=scan.who,
        b0_max_b_s_mm2=settings.b0_max_b_s_mm2,
    )
    notes = list(gradients.notes)
    anat = anat if anat is not None and anat.complete() else None
    unweighted = gradients.b0(settings.b0_max_b_s_mm2)
    rough = b0_brain_mask(series[..., unweighted].mean(axis=3), affine, who=scan.who)
    raw_correlation = neighbouring_correlation(
        series, gradients, rough, b0_max_b_s_mm2=settings.b0_max_b_s_mm2
    )
    series, noise = _denoised(series, rough, settings, notes)
    if settings.gibbs:
        series = _without_ringing(series)
    metadata = scan.metadata() if scan.sidecars else {}
    encoded = phase_axis(metadata.get("PhaseEncodingDirection", metadata.get("PhaseEncodingAxis")))
    if settings.realign and settings.eddy and encoded is None:
        notes.append("Eddy currents are not corrected: the sidecar names no phase encoding.")
    eddy = settings.realign and settings.eddy and encoded is not None
    motion = realign(
        series,
        affine,
        gradients,
        rough,
        b0_max_b_s_mm2=settings.b0_max_b_s_mm2,
        outlier_z=settings.outlier_z,
        replace_outliers=settings.replace_outliers,
        move=settings.realign,
        phase=affine[:3, encoded[0]] / zooms_mm(affine)[encoded[0]] if eddy and encoded else None,
    )
    del series
    b0 = _mean_b0(motion, affine, unweighted)
    mask = b0_brain_mask(b0, affine, who=scan.who)
    shift = None
    if settings.susceptibility:
        shift = _shift(scan, metadata, b0, mask, affine, notes)
    if shift is not None:
        b0 = _sampled(b0, affine, np.eye(4), *shift.seen_from(_world(b0.shape, affine)))
        b0 = np.clip(b0, 0, None)
        mask = b0_brain_mask(b0, affine, who=scan.who)

    acquired = mask
    shape: tuple[int, int, int] = b0.shape
    grid, journey, space = affine, np.eye(4), ""
    if anat is not None:
        space = "T1w"
        t1w, t1w_mask = (load_image(p, who=scan.who, ndim=3) for p in (anat.preproc, anat.mask))
        journey = matrix_to_t1w(
            b0, mask, affine, t1w, t1w_mask, resolution_mm=settings.registration_resolution_mm
        )
        size = settings.output_resolution_mm or float(np.prod(zooms_mm(affine))) ** (1 / 3)
        shape, grid = aligned_grid(t1w_mask, size)
        seen = _in_view(motion, affine, journey, shape, grid)
        mask = (resample_to(t1w_mask, shape, grid) > 0.5) & seen
    moved = _in_one_step(motion, affine, journey, shape, grid, shift)
    turned = gradients.turned((motion.head @ journey)[:, :3, :3])

    def name(suffix: str, extension: str, **entities: str) -> Path:
        return folder / scan.derivative(suffix, extension, space=space, **entities)

    save_image(moved, grid, name("dwi", ".nii.gz", desc="preproc"))
    write_gradients(
        turned, grid, name("dwi", ".bval", desc="preproc"), name("dwi", ".bvec", desc="preproc")
    )
    save_image(mask, grid, name("mask", ".nii.gz", desc="brain"))
    write_json(
        {
            "RawSources": [scan.path.name],
            "Type": "Brain",
            "SpatialReference": anat.preproc.name if anat else "own",
        },
        name("mask", ".json", desc="brain"),
    )
    write_table(
        _confounds(motion), folder / scan.derivative("timeseries", ".tsv", desc="confounds")
    )
    write_json(_CONFOUNDS, folder / scan.derivative("timeseries", ".json", desc="confounds"))
    inside = noise[rough & (noise > 0)] if noise is not None else np.zeros(0)
    write_json(
        {
            "Sources": [scan.path.name, *([anat.preproc.name, anat.mask.name] if anat else [])],
            "SpatialReference": anat.preproc.name if anat else "own",
            "SkullStripped": False,
            "Denoising": settings.denoise if noise is not None else "none",
            "DenoisingStepVoxels": settings.denoise_step_voxels if noise is not None else None,
            "GibbsRingingRemoved": settings.gibbs,
            "Realigned": settings.realign,
            "Interpolation": "cubic spline, once",
            "GradientsTurned": True,
            "EddyCurrentsCorrected": eddy,
            "SusceptibilityCorrected": shift is not None,
            "SusceptibilityShiftMm": None
            if shift is None
            else round(float(np.percentile(np.abs(shift.mm[acquired]), 99)), 2),
            "NoiseStandardDeviation": float(np.median(inside)) if inside.size else None,
            "NeighbouringCorrelationRaw": raw_correlation,
            "Slices": int(motion.dropouts.shape[1]),
            "OutlierSlices": [[int(i), int(k)] for i, k in np.argwhere(motion.dropouts)],
            "OutlierSlicesReplaced": settings.replace_outliers,
            "MatrixT1wToDwi": journey.tolist() if anat else None,
            "Notes": notes,
        },
        name("dwi", ".json", desc="preproc"),
    )


def _denoised(
    series: np.ndarray, mask: np.ndarray, settings: DwiSettings, notes: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    from scipy.ndimage import binary_dilation

    if settings.denoise == "none":
        return series, None
    if min(series.shape[:3]) < _PATCH:
        notes.append(
            f"Not denoised: {min(series.shape[:3])} voxels along an axis are fewer than the "
            f"{_PATCH} of a patch."
        )
        return series, None
    # Two voxels around the brain move into it when the head does.
    around = binary_dilation(mask, iterations=2)
    return mppca(series, around, radius=_PATCH // 2, step=settings.denoise_step_voxels)


def _without_ringing(series: np.ndarray) -> np.ndarray:
    from dipy.denoise.gibbs import gibbs_removal

    # More than one process would re-execute the caller's script.
    return gibbs_removal(series.astype(np.float32), inplace=False, num_processes=1)


def _mean_b0(motion: Realignment, affine: np.ndarray, unweighted: np.ndarray) -> np.ndarray:
    shape = motion.series.shape[:3]
    volumes = [
        resample_pose(motion.series[..., i], affine, motion.matrices[i], shape, affine)
        for i in np.flatnonzero(unweighted)
    ]
    return np.clip(np.mean(volumes, axis=0), 0, None)


def _shift(
    scan: Scan,
    metadata: dict,
    b0: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    notes: list[str],
) -> Shift | None:
    """Distortion of the series, from unweighted images of the opposite phase encoding."""
    if "epi" not in scan.associated:
        return None
    path = scan.associated["epi"]
    beside = [scan.associated["epi_json"]] if "epi_json" in scan.associated else []
    its = read_sidecars(beside, who=scan.who)
    own, other = (phase_axis(sidecar.get("PhaseEncodingDirection")) for sidecar in (metadata, its))
    reason = None
    if own is None or other is None:
        reason = "a sidecar names no PhaseEncodingDirection"
    elif (own[0], -own[1]) != other:
        reason = "its phase encoding is not opposite to that of the series"
    else:
        mine, yours = (sidecar.get("TotalReadoutTime") for sidecar in (metadata, its))
        if mine and yours and abs(mine - yours) > 0.05 * mine:
            reason = f"its readout takes {yours:g} s, that of the series {mine:g} s"
    if reason or own is None:
        notes.append(f"Susceptibility is not corrected by {path.name}: {reason}.")
        return None
    return opposed_shift(
        b0, _mean_backward(path, scan.who, mask, affine), affine, mask, axis=own[0]
    )


def _mean_backward(path: Path, who: str, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Mean of the images of the opposite phase encoding, on the grid of the series."""
    image = load_image(path, who=who)
    data = np.asanyarray(image.dataobj).astype(np.float32).reshape(*image.shape[:3], -1)
    volumes = [
        resample_to(nib.Nifti1Image(volume, image.affine), mask.shape, affine, outside="edge")
        for volume in np.moveaxis(data, 3, 0)
    ]
    target = RigidTarget(volumes[0], affine, mask)
    others = [
        resample_pose(volume, affine, target.matrix(target.pose(volume)), mask.shape, affine)
        for volume in volumes[1:]
    ]
    return np.mean([volumes[0], *others], axis=0)


def _world(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Places of the voxels of a grid, ``(3, x, y, z)`` mm."""
    index = np.indices(shape, dtype=np.float32)
    return np.tensordot(affine[:3, :3], index, 1) + affine[:3, 3].reshape(3, 1, 1, 1)


def _in_one_step(
    motion: Realignment,
    affine: np.ndarray,
    journey: np.ndarray,
    shape: tuple[int, int, int],
    grid: np.ndarray,
    shift: Shift | None,
) -> np.ndarray:
    """Every volume on the grid wanted, interpolated once, signal kept: ``(x, y, z, volumes)``."""
    moved = np.empty((*shape, len(motion.poses)), np.float32)
    if shift is not None:
        # The field belongs to the head and moves with it.
        tissue = _world(shape, journey @ grid)
        places, factor = shift.seen_from(tissue)
    for i, matrix in enumerate(motion.matrices):
        volume = motion.series[..., i]
        if shift is not None:
            moved[..., i] = _sampled(volume, affine, matrix, places, factor)
        elif np.array_equal(matrix @ journey, np.eye(4)):
            moved[..., i] = volume
        else:
            moved[..., i] = resample_pose(volume, affine, matrix @ journey, shape, grid)
            moved[..., i] *= np.linalg.det(matrix[:3, :3])
    return np.clip(moved, 0, None, out=moved)


def _sampled(
    volume: np.ndarray,
    affine: np.ndarray,
    matrix: np.ndarray,
    places: np.ndarray,
    factor: np.ndarray,
) -> np.ndarray:
    from scipy.ndimage import map_coordinates

    step = np.linalg.inv(affine) @ matrix
    index = np.tensordot(step[:3, :3], places, 1) + step[:3, 3].reshape(3, 1, 1, 1)
    values = map_coordinates(
        np.asarray(volume, np.float32), index, order=3, mode="nearest", output=np.float32
    )
    return values * (factor * np.linalg.det(matrix[:3, :3])).astype(np.float32)


def _in_view(
    motion: Realignment,
    affine: np.ndarray,
    journey: np.ndarray,
    shape: tuple[int, int, int],
    grid: np.ndarray,
) -> np.ndarray:
    """Voxels of the grid that lie in the acquired volume at the middle pose."""
    extent = np.array(motion.series.shape[:3])
    step = np.linalg.inv(affine) @ journey @ grid
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    place = index @ step[:3, :3].T + step[:3, 3]
    return np.all((place > -0.5) & (place < extent - 0.5), axis=-1)


def _confounds(motion: Realignment) -> pd.DataFrame:
    import pandas as pd

    columns = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    table = pd.DataFrame(motion.poses, columns=columns)
    table["framewise_displacement"] = framewise_displacement(motion.poses)
    table["outlier_slices"] = motion.dropouts.sum(axis=1)
    return table.round(6) + 0.0


_CONFOUNDS = {
    **{
        f"trans_{axis}": {
            "Description": f"Head translation along world {axis} relative to the first b0",
            "Units": "mm",
        }
        for axis in "xyz"
    },
    **{
        f"rot_{axis}": {
            "Description": f"Head rotation about world {axis} relative to the first b0",
            "Units": "rad",
        }
        for axis in "xyz"
    },
    "framewise_displacement": {
        "Description": "Sum of absolute changes from the volume before, rotations on a sphere of "
        "50 mm (Power 2012); 0 for the first volume",
        "Units": "mm",
    },
    "outlier_slices": {"Description": "Number of slices with signal dropout", "Units": "1"},
}
