"""What stands beside a preprocessed series: confounds, and how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from commissure.dwi.builtin.realign import Realignment
from commissure.dwi.builtin.runs import Run
from commissure.dwi.builtin.steps import Steps
from commissure.dwi.derivatives import POSE_COLUMNS
from commissure.dwi.settings import DwiPreprocessSettings
from commissure.images.anat_files import AnatFiles
from commissure.images.rigid import framewise_displacement
from commissure.images.susceptibility import Shift
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


@dataclass(frozen=True)
class Correction:
    """A run of which noise, ringing and bias were taken away.

    Attributes
    ----------
    run
        What is left.
    noise
        Median standard deviation of the noise in the brain; None where it was not measured.
    unrung
        Whether Gibbs ringing was removed.
    unbiased
        Whether the Rician bias of strongly weighted volumes was removed.
    """

    run: Run
    noise: float | None
    unrung: bool
    unbiased: bool


def confounds_table(motion: Realignment, starts: np.ndarray) -> pd.DataFrame:
    """Poses, framewise displacement and dropouts, one row per volume.

    Parameters
    ----------
    motion
        Poses and dropouts.
    starts
        First volume of each run, before which the head is not known.
    """
    table = pd.DataFrame(motion.poses, columns=list(POSE_COLUMNS))
    displacement = framewise_displacement(motion.poses)
    displacement[starts] = 0
    table["framewise_displacement"] = displacement
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
    steps: Steps,
    anat: AnatFiles | None,
    runs: Sequence[Run],
    motion: Realignment,
    corrections: Sequence[Correction],
    eddy: bool,
    shift: Shift | None,
    shift_source: str,
    brain: np.ndarray,
    to_series: np.ndarray,
    notes: list[str],
) -> dict[str, Any]:
    """Content of the sidecar of the series.

    Parameters
    ----------
    scan, settings, steps, anat
        As given to :func:`commissure.dwi.builtin.preprocess.preprocess`.
    runs
        What the series is made of.
    motion
        Poses and dropouts.
    corrections
        What was taken away from each run, the first one first.
    eddy
        Whether eddy currents were corrected.
    shift, shift_source
        Susceptibility distortion that was undone, None for none; the image that it is from.
    brain
        3-D mask on the acquired grid, within which the shift is described.
    to_series
        4x4, from the world of the T1w image to that of the series.
    notes
        Sentences for the reader.
    """
    first = corrections[0]
    return {
        "Sources": [
            *(run.name for run in runs),
            *([anat.preproc.name, anat.mask.name] if anat else []),
        ],
        "RunVolumes": [len(run.gradients.b) for run in runs],
        "SpatialReference": anat.preproc.name if anat else "own",
        "SkullStripped": False,
        **steps.said(),
        "Denoising": "none" if first.noise is None else steps.denoising or settings.denoise,
        "DenoisingStepVoxels": settings.denoise_step_voxels
        if first.noise is not None and not steps.denoising
        else None,
        "GibbsRingingRemoved": all(correction.unrung for correction in corrections),
        "RicianBiasRemoved": any(correction.unbiased for correction in corrections),
        "BiasFieldCorrected": settings.bias_field,
        "Realigned": settings.realign,
        "Interpolation": "cubic spline, once",
        "GradientsTurned": True,
        "EddyCurrentsCorrected": eddy,
        "SusceptibilityCorrected": shift is not None,
        "SusceptibilityShiftMm": None if shift is None else _largest_mm(shift, brain),
        "SusceptibilitySource": shift_source or None,
        "NoiseStandardDeviation": first.noise,
        "NeighbouringCorrelationRaw": float(np.mean([run.correlation for run in runs])),
        "IdenticalVolumes": sum(run.repeated for run in runs),
        "BrainAtEdge": brain_at_edge(brain),
        "Slices": int(motion.dropouts.shape[1]),
        "OutlierSlices": [[int(i), int(k)] for i, k in np.argwhere(motion.dropouts)],
        "OutlierSlicesReplaced": settings.replace_outliers,
        "AcquiredAffine": runs[0].affine.tolist(),
        "RotationCentreMm": motion.centre.tolist(),
        "MatrixT1wToDwi": to_series.tolist() if anat else None,
        "Notes": notes,
    }


def brain_at_edge(brain: np.ndarray) -> float:
    """Largest section of a brain mask on a face of its image, against the largest within.

    The brain stem leaves the image of every head; where more does, a part of the brain is missing.
    """
    shares = []
    for axis in range(3):
        areas = brain.sum(axis=tuple({0, 1, 2} - {axis}))
        shares.append(max(areas[0], areas[-1]) / max(areas.max(), 1))
    return round(float(max(shares)), 3)


def _largest_mm(shift: Shift, brain: np.ndarray) -> float:
    """99th percentile of the shift in the brain."""
    return round(float(np.percentile(np.abs(shift.mm[brain]), 99)), 2)
