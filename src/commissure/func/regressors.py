"""Which confounds are taken out of a run, and which volumes count: fMRIPrep's columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.func.strategies import AUTO, MOTION, STRATEGIES, Strategy


def steady_volumes(confounds: pd.DataFrame) -> np.ndarray:
    """Volumes of steady magnetisation, boolean, shape (T,): no ``non_steady_state_outlier*``."""
    steady = np.ones(len(confounds), bool)
    for name in confounds.columns:
        if name.startswith("non_steady_state_outlier"):
            steady &= confounds[name].to_numpy(float) == 0
    return steady


def good_volumes(confounds: pd.DataFrame, *, fd_threshold_mm: float | None) -> np.ndarray:
    """Volumes to keep: little displacement, and steady magnetisation where that is recorded.

    Parameters
    ----------
    confounds
        Table with ``framewise_displacement``; columns ``non_steady_state_outlier*`` mark volumes
        at the start that are left out.
    fd_threshold_mm
        Larger displacements are censored; None censors none.

    Returns
    -------
    numpy.ndarray
        Boolean, shape (T,). The first volume, which has no displacement, is kept.
    """
    good = steady_volumes(confounds)
    if fd_threshold_mm is not None:
        good &= ~(confounds["framewise_displacement"].to_numpy(float) > fd_threshold_mm)
    return good


def chosen_strategy(
    name: str, in_band: Sequence[int], *, components: int, min_degrees_of_freedom: float
) -> str:
    """Name of the strategy that ``auto`` means for an acquisition; any other name is itself.

    The choice rests on the acquisition alone and not on how much was censored, or people who move
    more would be denoised otherwise than those who lie still.

    Parameters
    ----------
    name
        ``auto``, or a name of :data:`commissure.func.strategies.STRATEGIES`.
    in_band
        Independent samples in the band of all volumes of each run that is fitted along, none
        censored.
    components
        CompCor components per tissue.
    min_degrees_of_freedom
        More than this must be left for the first.
    """
    if name != "auto":
        return name
    first, second = AUTO
    # Movement has one weight over all runs; components are each run's own.
    left = [samples - 2 * components for samples in in_band]
    enough = sum(left) - STRATEGIES[first].movement > min_degrees_of_freedom
    return first if enough and min(left) > 0 else second


def regressors(
    confounds: pd.DataFrame, metadata: dict, *, strategy: str, components: int, who: str
) -> pd.DataFrame:
    """Choose the columns of a strategy.

    Parameters
    ----------
    confounds, metadata
        The confounds table and its JSON, as fMRIPrep and the built-in engine write them.
    strategy
        Name of a row of :data:`commissure.func.strategies.STRATEGIES`. Cosines are left out: the
        band-pass filter does their work.
    components
        Components per tissue.
    who
        Person and visit, for the error message.

    Returns
    -------
    pandas.DataFrame
        One column per regressor; the undefined first row of a derivative is 0. Components that
        tedana rejected are among them, where the run has any.

    Raises
    ------
    DatasetError
        A column of the strategy is missing.
    """
    wanted: Strategy = STRATEGIES[strategy]
    names = wanted.columns()
    if wanted.compcor:
        names += compcor_columns(confounds, metadata, components=components, who=who)
    names += [name for name in map(str, confounds) if name.startswith("tedana_rejected_")]
    missing = [name for name in names if name not in confounds]
    if missing:
        raise DatasetError(
            who,
            found=f"the confounds table lacks {missing[:6]}",
            wanted=f"the columns of func.strategy {strategy}",
            mend="Choose another func.strategy, or derive the confounds again",
        )
    chosen = confounds[names].astype(float)
    return chosen.fillna(0.0)


def compcor_columns(
    confounds: pd.DataFrame, metadata: dict, *, components: int, who: str
) -> list[str]:
    """Names of the first CSF and white-matter components, by what the JSON says of them.

    fMRIPrep has called them ``a_comp_cor`` with the field ``Mask``, and ``c_comp_cor`` and
    ``w_comp_cor``; the field decides. Fewer than asked for are taken as they are.

    Raises
    ------
    DatasetError
        The JSON names no component of CSF or white matter.
    """
    chosen = []
    for tissue in ("CSF", "WM"):
        named = [
            (name, entry)
            for name, entry in metadata.items()
            if isinstance(entry, dict)
            and entry.get("Method") == "aCompCor"
            and entry.get("Mask") == tissue
            and name in confounds
        ]
        named.sort(key=lambda pair: -float(pair[1].get("SingularValue", 0.0)))
        chosen += [name for name, _ in named[:components]]
    if not chosen:
        raise DatasetError(
            who,
            found="the JSON beside the confounds table names no CompCor component of CSF or WM",
            wanted="entries with Method aCompCor and Mask CSF or WM",
            mend="Set func.strategy to 36P, or derive the confounds again",
        )
    return chosen


def movement_penalties(names: Sequence[str], *, half_mm: float, radius_mm: float) -> np.ndarray:
    """Ridge penalties that shrink movement of no more than the realignment's own error.

    When a head lies still, its estimated movement is error of the realignment, and the brain's own
    signal causes that error (Freire L & Mangin JF, NeuroImage 14:709-722, 2001). However small,
    such a regressor takes connectivity out. A regressor of root mean square m in the band is
    therefore taken out by the share m² / (m² + half²): little of it in a head that lies still, and
    the more of it the more a head moves, whatever the length of the run.

    Parameters
    ----------
    names
        Columns of :func:`regressors`.
    half_mm
        Root mean square in mm of a parameter or derivative of which half is taken out. Of a square
        it is √2 ``half_mm``², in mm²: the spread of the square of a normal movement of that size.
    radius_mm
        Turns rotations into mm.

    Returns
    -------
    numpy.ndarray
        Shape (p,), mean squares in the squared units of each column; 0 for what is not movement.
    """
    penalties = np.zeros(len(names))
    for index, name in enumerate(names):
        if name.startswith(MOTION):
            half = half_mm / (radius_mm if name.startswith("rot") else 1.0)
            penalties[index] = 2 * half**4 if name.endswith("_power2") else half**2
    return penalties
