"""How good a BOLD run is: signal-to-noise, overlap of masks, and the checks with their limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from commissure.checks import Check, at_least, at_most
from commissure.func.regressors import steady_volumes
from commissure.func.settings import FuncMeasureSettings
from commissure.func.upright import turned_over
from commissure.images.grid import resample_to
from commissure.images.load import zooms_mm
from commissure.images.template import template

#: See :func:`commissure.func.upright.turned_over`.
TURNED_OVER_GAIN_MAX = 0.05

#: How much of the brain's top is looked at, and what share of it must be in view. Three real runs
#: and six simulated ones have 0.94 to 1; without their upper 10 and 15 mm 0.63 to 0.87 and 0.35 to
#: 0.67.
VERTEX_MM = 25.0
VERTEX_COVERAGE_MIN = 0.75

#: Framewise displacement of which the quality record tells how often it was exceeded (Power 2014).
VISIBLE_FD_MM = 0.2


def temporal_snr(series: np.ndarray) -> np.ndarray:
    """Mean over standard deviation after a linear trend is taken out.

    Parameters
    ----------
    series
        Shape (V, T).

    Returns
    -------
    numpy.ndarray
        Shape (V,); NaN where a voxel does not vary.
    """
    volumes = series.shape[1]
    ramp = np.linspace(-1.0, 1.0, volumes)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(volumes), ramp]))
    means = series.mean(axis=1, dtype=float)
    rest = series - (series @ basis) @ basis.T
    spread = np.sqrt((rest**2).sum(axis=1, dtype=float) / max(volumes - 2, 1))
    varies = spread > 1e-6 * np.abs(means)
    return np.divide(means, spread, out=np.full(len(series), np.nan), where=varies)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Overlap of two masks: twice the intersection over the sum of both."""
    first, second = np.asarray(first) > 0, np.asarray(second) > 0
    both = int(first.sum() + second.sum())
    return 2 * float((first & second).sum()) / both if both else float("nan")


def template_mask_on(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """The template's brain mask on another grid in template space (boolean)."""
    mask = template("mask", resolution_mm=max(zooms_mm(affine)))
    if mask.shape == tuple(shape) and np.allclose(mask.affine, affine, atol=1e-3):
        return np.asanyarray(mask.dataobj) > 0.5
    return resample_to(mask, (shape[0], shape[1], shape[2]), affine) > 0.5


def vertex_coverage(brain: nib.Nifti1Image) -> float:
    """Share of the template's uppermost :data:`VERTEX_MM` of brain that a brain mask covers."""
    expected = template_mask_on(brain.shape, brain.affine)
    height = np.tensordot(brain.affine[2, :3], np.indices(brain.shape), axes=1) + brain.affine[2, 3]
    expected &= height > height[expected].max() - VERTEX_MM
    return float((np.asanyarray(brain.dataobj) > 0)[expected].mean())


def series_checks(boldref: nib.Nifti1Image, sidecar: Mapping[str, Any]) -> list[Check]:
    """Whether the head lies as it should, volumes repeat, and field maps of the run served.

    Parameters
    ----------
    boldref
        3-D mean volume in template space.
    sidecar
        JSON of the series; the built-in engine counts identical volumes there, and names field
        maps that are meant for the run and were refused.
    """
    gain, turn = turned_over(boldref)
    note = f"explained variance that the mean volume gains by being turned over ({turn})"
    checks = [at_most("turned_over_gain", gain, TURNED_OVER_GAIN_MAX, note)]
    repeated = sidecar.get("IdenticalVolumes")
    if repeated is not None:
        note = "volumes that repeat the one before, voxel by voxel: noise makes this impossible"
        checks.append(at_most("identical_volumes", repeated, 0, note))
    refused = sidecar.get("FieldMapsRefused")
    if refused:
        note = f"field maps that are meant for the run and did not serve: {', '.join(refused)}"
        checks.append(at_most("field_maps_refused", len(refused), 0, note))
    return checks


def run_checks(
    confounds: pd.DataFrame,
    good: np.ndarray,
    coverage: np.ndarray,
    brain: nib.Nifti1Image,
    *,
    tsnr: float,
    settings: FuncMeasureSettings,
) -> list[Check]:
    """Hold a run against the limits of the settings, but for its length.

    Parameters
    ----------
    confounds
        Table with ``framewise_displacement`` and ``std_dvars``.
    good
        Boolean, shape (T,): volumes that are not censored.
    coverage
        Share of every parcel that is usable.
    brain
        Brain mask of the series, in template space.
    tsnr
        Median temporal signal-to-noise ratio.
    settings
        Where the limits stand.
    """
    displacement = confounds["framewise_displacement"].to_numpy(float)[1:]
    unfiltered = confounds.get("framewise_displacement_unfiltered")
    mean_fd, censored = float(displacement.mean()), float(1 - good.mean())
    covered = float((coverage >= settings.min_parcel_coverage).mean())
    overlap = dice(np.asanyarray(brain.dataobj), template_mask_on(brain.shape[:3], brain.affine))
    checks = [
        at_most("mean_fd_mm", mean_fd, settings.max_mean_fd_mm),
        at_most("censored_fraction", censored, settings.max_censored_fraction),
        Check(
            f"fraction_fd_above_{VISIBLE_FD_MM}_mm", float((displacement > VISIBLE_FD_MM).mean())
        ),
        Check("max_fd_mm", float(displacement.max())),
        Check("non_steady_volumes", float((~steady_volumes(confounds)).sum())),
        at_least("covered_parcels", covered, settings.min_covered_parcels),
        at_least("mask_dice_template", overlap, settings.min_mask_dice),
        at_least(
            "vertex_coverage",
            vertex_coverage(brain),
            VERTEX_COVERAGE_MIN,
            f"share of the template's uppermost {VERTEX_MM:g} mm of brain that is in view",
        ),
        Check("tsnr", tsnr),
    ]
    if unfiltered is not None:
        note = "from volume to volume, with breathing: for comparison"
        value = float(unfiltered.to_numpy(float)[1:].mean())
        checks.insert(1, Check("mean_fd_unfiltered_mm", value, note=note))
    standardised = confounds.get("std_dvars")
    if standardised is not None and np.isfinite(standardised).any():
        value = float(np.nanmedian(standardised.to_numpy(float)))
        checks.append(at_most("median_std_dvars", value, settings.max_median_std_dvars))
    return checks
