"""What stands beside a preprocessed series: confounds, and how it came about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from commissure.dwi.builtin.realign import Realignment
from commissure.dwi.builtin.susceptibility import Shift
from commissure.dwi.derivatives import POSE_COLUMNS
from commissure.dwi.settings import DwiPreprocessSettings
from commissure.images.anat_files import AnatFiles
from commissure.images.rigid import framewise_displacement
from commissure.names import Scan

#: Content of the sidecar of the confounds.
CONFOUNDS_SIDECAR = {
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


def confounds_table(motion: Realignment) -> pd.DataFrame:
    """Poses, framewise displacement and dropouts, one row per volume."""
    table = pd.DataFrame(motion.poses, columns=list(POSE_COLUMNS))
    table["framewise_displacement"] = framewise_displacement(motion.poses)
    table["outlier_slices"] = motion.dropouts.sum(axis=1)
    return table.round(6) + 0.0


def mask_sidecar(scan: Scan, anat: AnatFiles | None) -> dict[str, Any]:
    """Content of the sidecar of the brain mask."""
    return {
        "RawSources": [scan.path.name],
        "Type": "Brain",
        "SpatialReference": anat.preproc.name if anat else "own",
    }


def series_sidecar(
    scan: Scan,
    settings: DwiPreprocessSettings,
    *,
    anat: AnatFiles | None,
    affine: np.ndarray,
    motion: Realignment,
    unrung: bool,
    eddy: bool,
    shift: Shift | None,
    brain: np.ndarray,
    noise: np.ndarray | None,
    raw_correlation: float,
    repeated: int,
    to_series: np.ndarray,
    notes: list[str],
) -> dict[str, Any]:
    """Content of the sidecar of the series.

    Parameters
    ----------
    scan, settings, anat
        As given to :func:`commissure.dwi.builtin.preprocess.preprocess`.
    affine
        4x4, voxel to mm, of the series as acquired.
    motion
        Poses and dropouts.
    unrung
        Whether Gibbs ringing was removed.
    eddy
        Whether eddy currents were corrected.
    shift
        Susceptibility distortion that was undone, None for none.
    brain
        3-D mask on the acquired grid, within which the shift is described.
    noise
        Standard deviations of the noise inside the brain, None where it was not measured.
    raw_correlation
        Neighbouring correlation before anything was done.
    repeated
        Volumes that repeat the one before, voxel by voxel.
    to_series
        4x4, from the world of the T1w image to that of the series.
    notes
        Sentences for the reader.
    """
    return {
        "Sources": [scan.path.name, *([anat.preproc.name, anat.mask.name] if anat else [])],
        "SpatialReference": anat.preproc.name if anat else "own",
        "SkullStripped": False,
        "Denoising": settings.denoise if noise is not None else "none",
        "DenoisingStepVoxels": settings.denoise_step_voxels if noise is not None else None,
        "GibbsRingingRemoved": unrung,
        "Realigned": settings.realign,
        "Interpolation": "cubic spline, once",
        "GradientsTurned": True,
        "EddyCurrentsCorrected": eddy,
        "SusceptibilityCorrected": shift is not None,
        "SusceptibilityShiftMm": None if shift is None else _largest_mm(shift, brain),
        "NoiseStandardDeviation": _median(noise),
        "NeighbouringCorrelationRaw": raw_correlation,
        "IdenticalVolumes": repeated,
        "Slices": int(motion.dropouts.shape[1]),
        "OutlierSlices": [[int(i), int(k)] for i, k in np.argwhere(motion.dropouts)],
        "OutlierSlicesReplaced": settings.replace_outliers,
        "AcquiredAffine": affine.tolist(),
        "RotationCentreMm": motion.centre.tolist(),
        "MatrixT1wToDwi": to_series.tolist() if anat else None,
        "Notes": notes,
    }


def _median(noise: np.ndarray | None) -> float | None:
    return float(np.median(noise)) if noise is not None and noise.size else None


def _largest_mm(shift: Shift, brain: np.ndarray) -> float:
    """99th percentile of the shift in the brain."""
    return round(float(np.percentile(np.abs(shift.mm[brain]), 99)), 2)
