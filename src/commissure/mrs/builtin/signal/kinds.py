"""Shots that fall into two kinds in turn: edited sub-spectra that nobody named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commissure.mrs.builtin.signal.align import in_band

#: How the two kinds may follow each other: every other shot, or two and two.
_PERIODS = (2, 4)

#: Fewest shots that can be told apart.
_FEWEST = 8

#: How much larger than noise the difference must be, and how large against the spectrum.
_OVER_NOISE, _OVER_SPECTRUM = 4.0, 0.15


@dataclass(frozen=True)
class TwoKinds:
    """Shots of two kinds.

    Attributes
    ----------
    in_turn
        How many shots of one kind follow each other.
    difference
        Norm of the difference of the kinds' means over that of the larger of them, 1.8 to 4.2 ppm.
    over_noise
        Its power over what the scatter within the kinds makes.
    """

    in_turn: int
    difference: float
    over_noise: float


def two_kinds(shots: np.ndarray, *, dwell_s: float, frequency_mhz: float) -> TwoKinds | None:
    """Whether shots alternate between two spectra, as those of MEGA-PRESS do.

    Parameters
    ----------
    shots
        Aligned with each other in frequency and phase, in their order, (shots, points).

    Returns
    -------
    TwoKinds or None
        None where they are of one kind or too few. A change once, in the middle, is not looked
        for: a movement makes it too.
    """
    if len(shots) < _FEWEST:
        return None
    band = in_band(shots, 1.8, 4.2, dwell_s=dwell_s, frequency_mhz=frequency_mhz)
    found = [_told_apart(band, period) for period in _PERIODS]
    clear = [
        kinds
        for kinds in found
        if kinds.over_noise > _OVER_NOISE and kinds.difference > _OVER_SPECTRUM
    ]
    return max(clear, key=lambda kinds: kinds.over_noise) if clear else None


def _told_apart(band: np.ndarray, period: int) -> TwoKinds:
    place = np.arange(len(band)) % period
    kinds = band[place < period // 2], band[place >= period // 2]
    scatter = []
    for kind in kinds:
        # The halves of a kind differ by noise, drift and movement alone.
        first, second = kind[: len(kind) // 2], kind[len(kind) // 2 :]
        weight = 1 / len(first) + 1 / len(second)
        scatter.append(_power(first.mean(axis=0) - second.mean(axis=0)) / weight)
    means = [kind.mean(axis=0) for kind in kinds]
    weight = 1 / len(kinds[0]) + 1 / len(kinds[1])
    difference = _power(means[0] - means[1])
    whole = max(_power(means[0]), _power(means[1]), np.finfo(float).tiny)
    noise = max(float(np.mean(scatter)), np.finfo(float).tiny)
    return TwoKinds(period // 2, float(np.sqrt(difference / whole)), difference / weight / noise)


def change_between_halves(
    shots: np.ndarray, *, dwell_s: float, frequency_mhz: float
) -> float | None:
    """How far the second half of the shots is another spectrum than the first.

    Parameters
    ----------
    shots
        Aligned with each other in frequency and phase, in their order, (shots, points).

    Returns
    -------
    float or None
        Norm of the difference of the halves' means over that of the larger of them, 1.8 to 4.2
        ppm; 0 where noise makes as much, None where the shots are too few.
    """
    if len(shots) < _FEWEST:
        return None
    band = in_band(shots, 1.8, 4.2, dwell_s=dwell_s, frequency_mhz=frequency_mhz)
    halves = band[: len(band) // 2], band[len(band) // 2 :]
    scatter = []
    for half in halves:
        # Every other shot of a half: drift and movement change both alike.
        first, second = half[::2], half[1::2]
        weight = 1 / len(first) + 1 / len(second)
        scatter.append(_power(first.mean(axis=0) - second.mean(axis=0)) / weight)
    means = [half.mean(axis=0) for half in halves]
    weight = 1 / len(halves[0]) + 1 / len(halves[1])
    difference = _power(means[0] - means[1])
    if difference / weight < _OVER_NOISE * np.mean(scatter):
        return 0.0
    whole = max(_power(means[0]), _power(means[1]), np.finfo(float).tiny)
    return float(np.sqrt(difference / whole))


def _power(values: np.ndarray) -> float:
    return float((np.abs(values) ** 2).sum())
