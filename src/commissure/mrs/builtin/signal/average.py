"""From shots and coils to one clean FID, in the order of the consensus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from commissure.mrs.acquisition.description import (
    acquisition_description,
    eddy_currents_corrected,
)
from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.signal.align import (
    FEWEST_FOR_SD,
    ShotAlignment,
    align_shots,
    in_band,
    rotated,
    unlike_shots,
)
from commissure.mrs.builtin.signal.axis import check_axis, line_scale
from commissure.mrs.builtin.signal.combine import coil_weights, combined_coils
from commissure.mrs.builtin.signal.correction import (
    creatine_referenced,
    eddy_corrected,
    eddy_phase,
    orientation,
    sharpness,
    water_removed,
)
from commissure.mrs.builtin.signal.reference_noise import averages_note, reference_noise
from commissure.mrs.builtin.signal.screen import screened
from commissure.mrs.quantification.water import water_signal

#: How much sharper a spectrum must be with the water's phase turned round, or left alone.
_CLEARLY_SHARPER = 1.06


#: How much more signal coils must give with the conjugate of the water's sensitivities. In a real
#: acquisition of four coils they give 1.5 times as much where it is conjugated, else 0.65.
_CLEARLY_MORE = 1.15

#: How far the carrier may lie from water before water is looked for a second time.
_OFF_CARRIER_PPM = 0.1


@dataclass(frozen=True)
class AveragedSpectrum:
    """An averaged spectrum with what was done to it.

    Attributes
    ----------
    svs, water
        One FID each; water is None where there was no reference.
    steps
        What each step did, in order; ``applied`` false with a ``reason`` where it could not.
    before, after
        Shots (shots, points) before and after alignment, for the figure; zero where a shot could
        not be used.
    kept
        Which shots of the file were averaged.
    acquisition
        What the raw file says of itself, see
        :func:`commissure.mrs.acquisition.description.acquisition_description`.
    eddy_rad
        Phase of eddy currents that was taken off the spectrum, without its straight part,
        (points,); None where none was.
    """

    svs: Svs
    water: Svs | None
    steps: list[Mapping[str, Any]]
    before: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    kept: np.ndarray = field(repr=False)
    acquisition: Mapping[str, Any] = field(default_factory=dict)
    eddy_rad: np.ndarray | None = field(default=None, repr=False)


def averaged_spectrum(
    svs: Svs, water: Svs | None, *, shot_rejection_sd: float = 2.58
) -> AveragedSpectrum:
    """Preprocess in the order of the consensus (Near J et al., NMR Biomed 34:e4257, 2021).

    Raises
    ------
    DatasetError
        No shot or no coil can be used, or lines lie elsewhere than dwell time and frequency say.
    """
    sampling: dict[str, Any] = {"dwell_s": svs.dwell_s, "frequency_mhz": svs.frequency_mhz}
    acquisition = acquisition_description(svs)
    steps = _as_stored(svs, water)
    usable = screened(svs, water)
    svs, water = usable.svs, usable.water
    steps += usable.steps

    water_turned = water is not None and _is_conjugated(svs, water)
    if water is not None and water_turned:
        water = replace(water, fids=water.fids.conj())
    shots, water_shots, step = _combined(svs.fids, water.fids if water else None)
    steps.append(step)

    facing = orientation(shots.mean(axis=0), **sampling)
    if facing.conjugated:
        shots = shots.conj()
        water_shots = None if water_shots is None else water_shots.conj()
    steps.append(
        {"step": "orientation", "applied": facing.conjugated, "evidence": facing.evidence}
        | ({"reason": "stored as the complex conjugate"} if facing.conjugated else {})
    )

    before = shots
    shots, kept, more = _aligned(shots, usable.shots, sampling, shot_rejection_sd)
    steps += more
    fid = shots[kept].mean(axis=0)

    reference = eddy_rad = None
    if water_shots is None or water is None:
        steps.append(_skipped("eddy currents", "the dataset has no water reference"))
    else:
        fid, reference, eddy_rad, step = _eddy_corrected(fid, water_shots, svs)
        steps.append({**step, "reference_suits": "conjugate"} if water_turned else step)

    fid, height = water_removed(fid, **sampling)
    steps.append({"step": "residual water", "applied": True, "removed_amplitude": height})
    lines = line_scale(fid, **sampling)
    check_axis(lines, name=svs.name, **sampling)
    steps.append(
        {"step": "places of lines", "applied": lines.clear, "scale": lines.scale,
         "match": lines.match}
    )  # fmt: skip
    fid, shift_ppm, phase_deg = creatine_referenced(fid, **sampling)
    if abs(shift_ppm) > _OFF_CARRIER_PPM:
        # The water was not where it was looked for.
        fid, height = water_removed(fid, **sampling)
        steps.append(
            {"step": "residual water", "applied": True, "removed_amplitude": height,
             "after": "reference"}
        )  # fmt: skip
        fid, more_ppm, phase_deg = creatine_referenced(fid, **sampling)
        shift_ppm += more_ppm
    steps.append(
        {
            "step": "reference and phase", "applied": True, "shift_ppm": shift_ppm,
            "phase_deg": phase_deg,
        }
    )  # fmt: skip
    return AveragedSpectrum(
        svs=svs.with_fid(fid),
        water=None
        if water is None or reference is None
        else replace(water, fids=reference[None, None]),
        steps=steps,
        before=_among_all(before, usable.shots),
        after=_among_all(shots, usable.shots),
        kept=_among_all(kept, usable.shots),
        acquisition=acquisition,
        eddy_rad=eddy_rad,
    )


def _as_stored(svs: Svs, water: Svs | None) -> list[Mapping[str, Any]]:
    """What the files as they stand say of averages and scale."""
    steps: list[Mapping[str, Any]] = []
    if note := averages_note(svs):
        steps.append({"step": "averages", "applied": True, "note": note})
    if water is not None and (noise := reference_noise(svs, water)) is not None:
        steps.append(noise)
    return steps


def _eddy_corrected(
    fid: np.ndarray, water_shots: np.ndarray, svs: Svs
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Mapping[str, Any]]:
    """Spectrum and averaged water reference without the water's phase, that phase, and the step."""
    sampling: dict[str, Any] = {"dwell_s": svs.dwell_s, "frequency_mhz": svs.frequency_mhz}
    if len(water_shots) > 1:
        alignment = align_shots(water_shots, low_ppm=0.0, high_ppm=8.0, **sampling)
        water_shots = rotated(
            water_shots, alignment.shift_hz, alignment.phase_rad, dwell_s=svs.dwell_s
        )
    reference = _cut_or_padded(water_shots.mean(axis=0), svs.points)
    phase = eddy_phase(reference, dwell_s=svs.dwell_s)
    signal = water_signal(reference, **sampling)
    early = phase[: min(svs.points, round(0.1 / svs.dwell_s))]
    t = np.arange(len(early))
    straight = np.polyfit(t, early, 1)
    bent = early - np.polyval(straight, t)
    curved = phase - np.polyval(straight, np.arange(svs.points))
    said = eddy_currents_corrected(svs.metadata)
    suits = "uncorrected" if said else _reference_suits(fid, curved, sampling)
    reference = eddy_corrected(reference, phase)
    if suits == "conjugate":
        phase = -phase
    elif suits == "uncorrected":
        # The straight part is the water's frequency; the spectrum keeps its own.
        phase = np.full(svs.points, phase[0])
    fid = eddy_corrected(fid, phase)
    step = {
        "step": "eddy currents",
        "applied": True,
        "water_shots": len(water_shots),
        "largest_phase_deg": float(np.degrees(np.abs(bent).max())),
        "water_fwhm_ppm": signal.fwhm_hz / svs.frequency_mhz,
        "water_offset_ppm": signal.offset_ppm,
        **({} if said or suits == "as it is" else {"reference_suits": suits}),
        **({"note": _SAID} if said else {}),
    }
    return fid, reference, curved if suits == "as it is" else None, step


#: Of a spectrum whose header says what was done to it.
_SAID = "The header says that eddy currents have been corrected: they were left alone."


def _reference_suits(fid: np.ndarray, bent: np.ndarray, sampling: Mapping[str, float]) -> str:
    """What of the water's phase makes the spectrum sharpest.

    Parameters
    ----------
    fid
        The averaged spectrum, (points,).
    bent
        Phase of the water less its straight part, in radians, (points,).

    Returns
    -------
    str
        ``as it is``; ``conjugate`` where the reference is stored as the complex conjugate of what
        the spectrum went through; ``uncorrected`` where the spectrum has been corrected before.
    """
    candidates = {"as it is": bent, "conjugate": -bent, "uncorrected": np.zeros_like(bent)}
    sharp = {
        name: sharpness(eddy_corrected(fid, phase), **sampling)
        for name, phase in candidates.items()
    }
    best = max(sharp, key=lambda name: sharp[name])
    return best if sharp[best] > _CLEARLY_SHARPER * sharp["as it is"] else "as it is"


def _skipped(step: str, reason: str) -> Mapping[str, Any]:
    return {"step": step, "applied": False, "reason": reason}


def _is_conjugated(svs: Svs, water: Svs) -> bool:
    """Whether coils add up clearly better with the conjugate of the water's sensitivities."""
    if svs.fids.shape[1] == 1:
        return False
    mean = svs.fids.mean(axis=0, keepdims=True)
    power = []
    for reference in (water.fids, water.fids.conj()):
        shot = combined_coils(mean, coil_weights(svs.fids, reference).weights)
        band = in_band(shot, 1.8, 4.2, dwell_s=svs.dwell_s, frequency_mhz=svs.frequency_mhz)
        power.append(float(np.linalg.norm(band)))
    return power[1] > _CLEARLY_MORE * power[0]


def _combined(
    fids: np.ndarray, water: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, Mapping[str, Any]]:
    if fids.shape[1] == 1:
        only = None if water is None else water[:, 0]
        return fids[:, 0], only, _skipped("coil combination", "the file holds one channel")
    weights = coil_weights(fids, water)
    step = {
        "step": "coil combination",
        "applied": True,
        "coils": fids.shape[1],
        "weights_from": weights.source,
        "largest_noise_correlation": weights.noise_correlation,
    }
    both = None if water is None else combined_coils(water, weights.weights)
    return combined_coils(fids, weights.weights), both, step


def _aligned(
    shots: np.ndarray, usable: np.ndarray, sampling: Mapping[str, float], limit_sd: float
) -> tuple[np.ndarray, np.ndarray, list[Mapping[str, Any]]]:
    """Align, leave out unlike shots, align the rest again.

    Parameters
    ----------
    shots
        Those that can be used, (shots, points).
    usable
        Which of the file's shots they are.
    """
    count, number = len(shots), np.flatnonzero(usable)
    kept = np.ones(count, bool)
    if count == 1:
        whole = len(usable) == 1
        reason = "the file holds one averaged spectrum" if whole else "one shot can be used"
        rejection = _skipped("shot rejection", reason) if whole else _rejection(kept, usable)
        return shots, kept, [_skipped("alignment", reason), rejection]
    alignment = align_shots(shots, **sampling)
    aligned = rotated(shots, alignment.shift_hz, alignment.phase_rad, dwell_s=sampling["dwell_s"])
    distance, unlike = unlike_shots(aligned, limit_sd=limit_sd, **sampling)
    if count >= FEWEST_FOR_SD or unlike.any():
        kept = ~unlike
        again = align_shots(shots[kept], **sampling)
        alignment = _merged(alignment, again, kept)
        aligned = rotated(
            shots, alignment.shift_hz, alignment.phase_rad, dwell_s=sampling["dwell_s"]
        )
        distances = distance / np.median(distance)
        rejection = _rejection(kept, usable, limit_sd=limit_sd, distance=distances)
    elif count < len(usable):
        rejection = _rejection(kept, usable)
    else:
        rejection = _skipped("shot rejection", f"{count} shots are too few to tell unlike ones")
    shift = -alignment.shift_hz[kept]
    per_shot = float(np.polyfit(number[kept], shift, 1)[0])
    step = {
        "step": "alignment",
        "applied": True,
        "shots": count,
        "drift_hz": per_shot * (len(usable) - 1),
        "shift_sd_hz": float(shift.std()),
        "phase_sd_deg": float(np.degrees(alignment.phase_rad[kept]).std()),
        "shift_hz": alignment.shift_hz,
        "phase_deg": np.degrees(alignment.phase_rad),
    }
    return aligned, kept, [step, rejection]


def _rejection(
    kept: np.ndarray,
    usable: np.ndarray,
    *,
    limit_sd: float | None = None,
    distance: np.ndarray | None = None,
) -> Mapping[str, Any]:
    """The step of leaving out shots; numbers and counts are those of the file."""
    return {
        "step": "shot rejection",
        "applied": True,
        **({} if limit_sd is None else {"limit_sd": limit_sd}),
        "kept": int(kept.sum()),
        "of": len(usable),
        "rejected": np.flatnonzero(usable)[~kept],
        **({} if distance is None else {"distance": distance}),
    }


def _among_all(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Values of the usable shots at their places among all, zero elsewhere."""
    every = np.zeros((len(usable), *values.shape[1:]), values.dtype)
    every[usable] = values
    return every


def _merged(first: ShotAlignment, again: ShotAlignment, kept: np.ndarray) -> ShotAlignment:
    """The second alignment for the shots kept, the first for the others."""
    parts = []
    for name in ("shift_hz", "phase_rad", "match"):
        values = getattr(first, name).copy()
        values[kept] = getattr(again, name)
        parts.append(values)
    return ShotAlignment(*parts)


def _cut_or_padded(fid: np.ndarray, points: int) -> np.ndarray:
    return np.pad(fid[:points], (0, max(0, points - len(fid))))
