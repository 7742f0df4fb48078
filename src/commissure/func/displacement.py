"""Framewise displacement, and what is counted where a short repetition time shows breathing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.signal import butter, sosfiltfilt

from commissure.func.strategies import MOTION

#: With a repetition time below this, breathing is sampled and not folded into other frequencies.
FAST_S = 1.0

#: Breathing of adults, Hz; the filter's order in one direction.
BREATHING_HZ = (0.2, 0.5)
FILTER_ORDER = 2

#: Displacement is taken over this time, so that a threshold means what it means at this repetition
#: time, for which the usual ones were found.
LAG_S = 2.0


def breathing_filtered_displacement(
    parameters: np.ndarray, *, tr_s: float, radius_mm: float
) -> np.ndarray:
    """Framewise displacement over about two seconds, with breathing filtered out of the movement.

    Parameters
    ----------
    parameters
        Shape (T, 6): translations in mm, rotations in radians.
    tr_s
        Repetition time, below 1 s.
    radius_mm
        Turns rotations into mm.

    Returns
    -------
    numpy.ndarray
        Shape (T,), mm; NaN in the first. Volumes within the first two seconds are held against
        the first.

    Notes
    -----
    The chest moves the field, and the field the image along the phase encoding: at a short
    repetition time most of the displacement is that. Filter (Butterworth band-stop, forth and back)
    and lag as in Power JD et al., NeuroImage 2019;201:116041; Fair DA et al., NeuroImage
    2020;208:116400 filter likewise, in a narrower band.
    """
    top_hz = min(BREATHING_HZ[1], 0.95 * 0.5 / tr_s)
    sections = butter(
        FILTER_ORDER, (BREATHING_HZ[0], top_hz), btype="bandstop", fs=1 / tr_s, output="sos"
    )
    padding = min(3 * (2 * len(sections) + 1), len(parameters) - 1)
    calm = sosfiltfilt(sections, parameters, axis=0, padlen=padding)
    lag = _lag(tr_s)
    before = np.maximum(np.arange(len(calm)) - lag, 0)
    change = np.abs(calm - calm[before])
    displacement = change[:, :3].sum(axis=1) + radius_mm * change[:, 3:].sum(axis=1)
    displacement[0] = np.nan
    return displacement


def _lag(tr_s: float) -> int:
    """How many volumes come nearest to :data:`LAG_S`."""
    return max(int(LAG_S / tr_s + 0.5), 1)


def with_displacement_that_counts(
    confounds: pd.DataFrame, *, tr_s: float, radius_mm: float, filtered: bool
) -> tuple[pd.DataFrame, str]:
    """Confounds whose ``framewise_displacement`` is the one that censoring goes by, and its name.

    Where the repetition time is below 1 s and ``filtered`` is set, it is
    :func:`breathing_filtered_displacement`, and the table's own stands in the column
    ``framewise_displacement_unfiltered``.
    """
    if not (filtered and tr_s < FAST_S and set(MOTION) <= set(confounds)):
        return confounds, "from volume to volume (Power 2012)"
    parameters = confounds[list(MOTION)].to_numpy(float)
    counted = breathing_filtered_displacement(parameters, tr_s=tr_s, radius_mm=radius_mm)
    plain = confounds["framewise_displacement"]
    lag_s = _lag(tr_s) * tr_s
    return (
        confounds.assign(framewise_displacement=counted, framewise_displacement_unfiltered=plain),
        f"over {lag_s:.3g} s, without {BREATHING_HZ[0]:g} to {BREATHING_HZ[1]:g} Hz (Power 2019)",
    )
