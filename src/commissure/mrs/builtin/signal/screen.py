"""What no step could use: shots and coils that are zero, copied, spoilt or of another scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.signal.align import in_band

#: Fewest shots of which the median tells what is usual.
_FEWEST = 3


@dataclass(frozen=True)
class _Usual:
    """What shots have in common.

    Attributes
    ----------
    low_ppm, high_ppm
        Band in which their sizes are compared.
    scale
        How often the median shot one may be, up or down.
    neighbours, around, least
        A sample is a spike where it is so many times both its neighbours, so many times the median
        of the ten on either side, and at least that share of the FID's largest.
    """

    low_ppm: float
    high_ppm: float
    scale: float
    neighbours: float
    around: float
    least: float


#: Shots that would spoil the alignment; :func:`unlike_shots` sees the others when it is done. Noise
#: alone has a spike in one of 1e18 samples.
_SPECTRUM = _Usual(0.2, 4.2, scale=10.0, neighbours=4.0, around=8.0, least=0.5)

#: Nothing else looks at the shots of a reference. They differ by some percent, and their FIDs fall
#: smoothly, far above the noise.
_WATER = _Usual(0.0, 8.0, scale=3.0, neighbours=2.0, around=2.0, least=0.2)


@dataclass(frozen=True)
class Screened:
    """A spectrum and its water reference without what no step could use.

    Attributes
    ----------
    svs, water
        With fewer shots and coils, or as they were.
    shots
        Which shots of the file are left, (shots of the file,).
    steps
        What was left out, for the record; empty where nothing was.
    """

    svs: Svs
    water: Svs | None
    shots: np.ndarray
    steps: list[Mapping[str, Any]]


def screened(svs: Svs, water: Svs | None) -> Screened:
    """Leave out coils that are zero, and shots that are zero, copied, spoilt or of another scale.

    Parameters
    ----------
    svs, water
        As read; the same coils.

    Raises
    ------
    DatasetError
        Nothing is left, of the spectrum or of its reference.
    """
    steps: list[Mapping[str, Any]] = []
    live = _live_coils(svs, water)
    if not live.all():
        steps.append(_coils_step(svs, live))
        svs = replace(svs, fids=svs.fids[:, live])
        water = None if water is None else replace(water, fids=water.fids[:, live])
    shots, left_out = _usable(svs, _SPECTRUM, copies=True)
    if not shots.all():
        steps.append(_shots_step("unusable shots", svs, left_out))
        svs = replace(svs, fids=svs.fids[shots])
    if water is not None:
        usable, left_out = _usable(water, _WATER, copies=False)
        if not usable.all():
            steps.append(_shots_step("unusable shots of the water reference", water, left_out))
            water = replace(water, fids=water.fids[usable])
    return Screened(svs, water, shots, steps)


def _live_coils(svs: Svs, water: Svs | None) -> np.ndarray:
    """Coils with signal in both files, (coils,)."""
    live = np.any(svs.fids, axis=(0, 2))
    if water is not None:
        live = live & np.any(water.fids, axis=(0, 2))
    if not live.any():
        raise DatasetError(
            svs.name,
            found="no coil has signal in both the spectrum and its water reference",
            wanted="FIDs of the same coils in both",
            mend=f"Convert both again, or remove {water.name if water else 'the file'}",
        )
    return live


def _usable(svs: Svs, usual: _Usual, *, copies: bool) -> tuple[np.ndarray, dict[str, list[int]]]:
    """Which shots can be used, (shots,), and the numbers of the others by cause."""
    causes = {"zero": ~svs.fids.any(axis=(1, 2))}
    usable = ~causes["zero"]
    causes["a copy of an earlier one"] = copied = usable & _copied(svs.fids) & copies
    usable &= ~copied
    causes["with a sample that no FID has"] = spoilt = usable & _spiked(svs.fids, usual).any(axis=1)
    usable &= ~spoilt
    causes["of another scale"] = other = _of_another_scale(svs, usable, usual)
    usable &= ~other
    if not usable.any():
        raise DatasetError(
            svs.name,
            found="every shot is "
            + " or ".join(cause for cause, shots in causes.items() if shots.any()),
            wanted="FIDs that decay from their beginning",
            mend=f"Look at the FIDs of {svs.name}, and convert it again",
        )
    return usable, {
        cause: np.flatnonzero(shots).tolist() for cause, shots in causes.items() if shots.any()
    }


def _copied(fids: np.ndarray) -> np.ndarray:
    """Which shots equal an earlier one sample by sample, (shots,): noise never repeats itself."""
    seen: set[bytes] = set()
    copied = np.zeros(len(fids), bool)
    for number, shot in enumerate(fids):
        content = shot.tobytes()
        copied[number] = content in seen
        seen.add(content)
    return copied


def _spiked(fids: np.ndarray, usual: _Usual) -> np.ndarray:
    """Which FIDs (shots, coils, points) have a spike, (shots, coils)."""
    size = np.abs(fids)
    before = np.concatenate([size[..., 1:2], size[..., :-1]], axis=-1)
    after = np.concatenate([size[..., 1:], size[..., -2:-1]], axis=-1)
    alone = size > usual.neighbours * np.maximum(before, after)
    alone &= size >= usual.least * size.max(axis=-1)[..., None]
    # Digital filters spoil the first point.
    alone[..., 0] &= size[..., 0] > _SPECTRUM.neighbours * size[..., 1]
    found = np.zeros(size.shape[:2], bool)
    for shot, coil, point in np.argwhere(alone):
        around = size[shot, coil, max(0, point - 10) : point + 11]
        found[shot, coil] |= size[shot, coil, point] > usual.around * np.median(around)
    return found


def _of_another_scale(svs: Svs, usable: np.ndarray, usual: _Usual) -> np.ndarray:
    """Usable shots whose size in a band is far from the median of theirs, (shots,)."""
    if usable.sum() < _FEWEST:
        return np.zeros(len(usable), bool)
    sampling: dict[str, Any] = {"dwell_s": svs.dwell_s, "frequency_mhz": svs.frequency_mhz}
    # The median of the shots' sizes holds for any share of odd ones below a half.
    band = in_band(svs.fids, usual.low_ppm, usual.high_ppm, **sampling)
    size = np.linalg.norm(band, axis=(1, 2))
    ratio = size / np.median(size[usable])
    return usable & ((ratio > usual.scale) | (ratio < 1 / usual.scale))


def _coils_step(svs: Svs, live: np.ndarray) -> Mapping[str, Any]:
    dead = np.flatnonzero(~live).tolist()
    return {
        "step": "unusable coils",
        "applied": True,
        "left_out": dead,
        "note": f"{len(dead)} of {len(live)} coils of {svs.name} have no signal "
        f"({_numbers(dead)}): left out.",
    }


def _shots_step(step: str, svs: Svs, left_out: Mapping[str, list[int]]) -> Mapping[str, Any]:
    told = "; ".join(
        f"{len(shots)} of {len(svs.fids)} shots of {svs.name} "
        f"{'is' if len(shots) == 1 else 'are'} {cause} ({_numbers(shots)})"
        for cause, shots in left_out.items()
    )
    return {"step": step, "applied": True, "left_out": left_out, "note": f"{told}: left out."}


def _numbers(numbers: Sequence[int]) -> str:
    """Counted from 0, as in the record; the first ten."""
    return ", ".join(map(str, numbers[:10])) + (" ..." if len(numbers) > 10 else "")
