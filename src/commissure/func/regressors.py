"""Which confounds are taken out of a run, and which volumes count: fMRIPrep's columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.func.settings import Strategy

#: fMRIPrep's names of the six movement parameters: mm, then radians.
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")

#: The mean signals of tissues.
SIGNALS = ("csf", "white_matter", "global_signal")

_EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")


def good_volumes(confounds: pd.DataFrame, *, fd_threshold_mm: float) -> np.ndarray:
    """Volumes to keep: little displacement, and steady magnetisation where that is recorded.

    Parameters
    ----------
    confounds
        Table with ``framewise_displacement``; columns ``non_steady_state_outlier*`` mark volumes
        at the start that are left out.
    fd_threshold_mm
        Larger displacements are censored.

    Returns
    -------
    numpy.ndarray
        Boolean, shape (T,). The first volume, which has no displacement, is kept.
    """
    displacement = confounds["framewise_displacement"].to_numpy(float)
    good = ~(displacement > fd_threshold_mm)
    for name in confounds.columns:
        if name.startswith("non_steady_state_outlier"):
            good &= confounds[name].to_numpy(float) == 0
    return good


def regressors(
    confounds: pd.DataFrame, metadata: dict, *, strategy: Strategy, components: int, who: str
) -> pd.DataFrame:
    """Choose the columns of a strategy.

    Parameters
    ----------
    confounds, metadata
        The confounds table and its JSON, as fMRIPrep and the built-in engine write them.
    strategy
        ``24P+aCompCor`` (six movement parameters, their derivatives and the squares of both; CSF
        and white-matter components), ``12P+aCompCor`` (without squares), or ``36P`` (nine signals,
        expanded likewise). Cosines are left out: the band-pass filter does their work.
    components
        Components per tissue.
    who
        Person and visit, for the error message.

    Returns
    -------
    pandas.DataFrame
        One column per regressor; the undefined first row of a derivative is 0.

    Raises
    ------
    DatasetError
        A column of the strategy is missing.
    """
    motion_only = _EXPANSIONS[:2] if strategy == "12P+aCompCor" else _EXPANSIONS
    names = [f"{name}{expansion}" for name in MOTION for expansion in motion_only]
    if strategy == "36P":
        names += [f"{name}{expansion}" for name in SIGNALS for expansion in _EXPANSIONS]
    else:
        names += compcor_columns(confounds, metadata, components=components, who=who)
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


def movement_penalties(names: Sequence[str], *, known_to_mm: float, radius_mm: float) -> np.ndarray:
    """Ridge penalties that shrink movement of no more than the realignment's own error.

    When a head lies still, its estimated movement is error of the realignment, and the brain's own
    signal causes that error (Freire L & Mangin JF, NeuroImage 14:709-722, 2001). However small,
    such a regressor takes connectivity out. A regressor of length L (root of the summed squares in
    the band) is therefore taken out by the share L² / (L² + known_to_mm²): little of it in a head
    that lies still, and the more of it the more a head moves.

    Parameters
    ----------
    names
        Columns of :func:`regressors`.
    known_to_mm
        Length in mm at which half is taken out; 0 shrinks nothing.
    radius_mm
        Turns rotations into mm.

    Returns
    -------
    numpy.ndarray
        Shape (p,), in the squared units of each column; 0 for what is not movement.
    """
    penalties = np.zeros(len(names))
    for index, name in enumerate(names):
        if name.startswith(MOTION):
            known_to = known_to_mm
            if name.startswith("rot"):
                known_to /= radius_mm ** (2 if name.endswith("_power2") else 1)
            penalties[index] = known_to**2
    return penalties
