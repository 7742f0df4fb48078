"""Whether a spectrum and its water reference can stand on one scale, by the noise of both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from commissure.mrs.acquisition.description import told_averages
from commissure.mrs.acquisition.nifti_mrs import Svs

#: How far two measured levels of noise may differ: each is known to some percent.
_TOLERANCE = 1.25

#: Most shots of a reference that a scanner averages, and of a spectrum whose header names none.
_MOST_OF_REFERENCE, _MOST_OF_SPECTRUM = 64, 1024


def noise_level(fids: np.ndarray) -> np.ndarray:
    """SD of the noise per channel of each coil, (coils,), at the end of FIDs.

    Parameters
    ----------
    fids
        (shots, coils, points). Third differences of the last quarter: a decaying line has next to
        none, white noise keeps a root of 20 of its own.
    """
    tail = np.diff(fids[..., -(fids.shape[-1] // 4) :], n=3)
    power = (np.abs(tail) ** 2).mean(axis=(0, 2)) / 2
    return np.asarray(np.sqrt(power / 20))


def reference_noise(svs: Svs, water: Svs) -> Mapping[str, Any] | None:
    """The step that compares the noise of one stored FID of each file.

    Parameters
    ----------
    svs, water
        As read; the same coils.

    Returns
    -------
    dict or None
        ``noise_ratio`` is the noise of the reference over that of the spectrum, ``lowest`` and
        ``highest`` what it can be where both are single shots or means, received at one gain; None
        where a file has no noise.

    Notes
    -----
    Noise before the receiver is the same in both, so that means of n and m shots have a ratio of
    the root of n / m, and a reference has fewer shots than its spectrum. A sum of n shots has the
    noise of n means: where the ratio lies below, the spectrum is a sum and its reference a mean, or
    the reference was received at a lower gain. Where the ratio lies above, it is the other way
    round. A ratio between the limits proves nothing: a file does not say how many shots it is a
    mean of.
    """
    of_spectrum, of_water = noise_level(svs.fids), noise_level(water.fids)
    usable = (of_spectrum > 0) & (of_water > 0)
    if not usable.any():
        return None
    ratio = float(np.median(of_water[usable] / of_spectrum[usable]))
    shots, of_reference = len(svs.fids), len(water.fids)
    told = told_averages(svs.metadata)
    in_each = max(1.0, (told or _MOST_OF_SPECTRUM) / shots)
    # Single shots beside a reference that is one FID: that may be a mean.
    reference_in_each = _MOST_OF_REFERENCE if shots > 1 and of_reference == 1 else 1
    return {
        "step": "noise of the reference",
        "applied": True,
        "noise_ratio": ratio,
        "lowest": 1 / math.sqrt(reference_in_each) / _TOLERANCE,
        "highest": _TOLERANCE * math.sqrt(in_each),
        "stored_fids": [shots, of_reference],
        **({} if told is None else {"told_averages": told}),
    }


def averages_note(svs: Svs) -> str:
    """What is to be said of a header that promises more shots than the file holds, or nothing."""
    told, stored = told_averages(svs.metadata), len(svs.fids)
    if told is None or told <= stored:
        return ""
    holds = "one FID" if stored == 1 else f"{stored} FIDs"
    return (
        f"The header of {svs.name} says {told:g} averages and the file holds {holds}: whether as "
        "means or as sums it does not say. Nothing is scaled by that number."
    )
