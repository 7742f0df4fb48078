"""Eddy currents, residual water, the chemical-shift reference and the phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh

from commissure.mrs.builtin.signal.align import in_band, match_to, rotated, singlet_template


def eddy_phase(water: np.ndarray, *, dwell_s: float) -> np.ndarray:
    """Phase of the water FID over time, in radians, (points,).

    Where the water has decayed to less than twenty times its noise the phase is carried on as a
    straight line: the phase of noise would only add noise to the spectrum.

    Parameters
    ----------
    water
        (points,), coils combined, shots averaged.
    """
    points = len(water)
    noise = np.std(np.diff(water[-(points // 4) :])) / 2
    weak = np.abs(water) < 20 * noise
    strong = int(weak.argmax()) if weak.any() else points
    strong = max(strong, min(points, 32))
    phase = np.unwrap(np.angle(water[:strong]))
    if strong < points:
        last = slice(max(0, strong - max(32, strong // 4)), strong)
        t = np.arange(points)
        slope, level = np.polyfit(t[last], phase[last], 1, w=np.abs(water[last]))
        phase = np.concatenate([phase, level + slope * t[strong:]])
    return phase


def eddy_corrected(fid: np.ndarray, phase_rad: np.ndarray) -> np.ndarray:
    """Take the water's phase off a FID (Klose U, Magn Reson Med 14:26-30, 1990).

    Water is on its nominal frequency and the spectrum in phase with it afterwards.
    """
    return fid * np.exp(-1j * phase_rad)


def sharpness(fid: np.ndarray, *, dwell_s: float, frequency_mhz: float) -> float:
    """How far the power between 1.8 and 3.4 ppm stands in few points; more is sharper."""
    spectrum = in_band(fid, 1.8, 3.4, dwell_s=dwell_s, frequency_mhz=frequency_mhz)
    power = np.abs(np.fft.fft(spectrum)) ** 2
    return float((power**2).sum() / max(power.sum() ** 2, np.finfo(float).tiny) * len(power))


def damped_lines(
    fid: np.ndarray, *, components: int, dwell_s: float, window: int = 1024
) -> tuple[np.ndarray, np.ndarray]:
    """Decompose a FID into damped exponentials by Hankel singular values (HSVD).

    Parameters
    ----------
    fid
        (points,). The first point is not used: digital filters and half-sample delays spoil it.
    components
        Rank of the signal space.
    window
        Points used at most.

    Returns
    -------
    poles, amplitudes
        Complex, (components,): the FID is ``sum(amplitudes * poles**n)``, ``n`` counting from 0.

    Notes
    -----
    Barkhuijsen H et al., J Magn Reson 73:553-557, 1987; the signal space comes from the
    eigenvectors of H Hᴴ, its rotational invariance gives the poles by least squares, and
    growing poles are set to undamped.
    """
    used = fid[1 : min(len(fid), window + 1)]
    rows = len(used) // 2
    hankel = np.lib.stride_tricks.sliding_window_view(used, len(used) - rows + 1)
    # Largest eigenvectors only: a full decomposition would cost ten times as much.
    gram = hankel @ hankel.conj().T
    _, signal = eigh(gram, subset_by_index=(rows - components, rows - 1))
    shift, *_ = np.linalg.lstsq(signal[:-1], signal[1:], rcond=None)
    poles = np.linalg.eigvals(shift)
    poles = poles / np.maximum(np.abs(poles), 1.0)
    n = np.arange(1, len(used) + 1)
    amplitudes, *_ = np.linalg.lstsq(poles[None, :] ** n[:, None], used, rcond=None)
    return poles, amplitudes


def water_removed(
    fid: np.ndarray,
    *,
    dwell_s: float,
    frequency_mhz: float,
    half_width_ppm: float = 0.25,
    components: int = 25,
) -> tuple[np.ndarray, float]:
    """Take damped lines within ``half_width_ppm`` of water off a FID.

    Returns
    -------
    fid, removed
        The FID and the height of what was removed at time 0, in its units.
    """
    poles, amplitudes = damped_lines(fid, components=components, dwell_s=dwell_s)
    frequency = np.angle(poles) / (2 * np.pi * dwell_s)
    near = np.abs(frequency) < half_width_ppm * frequency_mhz
    n = np.arange(len(fid))
    water = (poles[near][None, :] ** n[:, None]) @ amplitudes[near]
    return fid - water, float(np.abs(amplitudes[near].sum()))


@dataclass(frozen=True)
class Orientation:
    """Which way the frequency axis runs.

    Attributes
    ----------
    conjugated
        Whether the singlets lie on the wrong side of water.
    evidence
        Match with NAA, creatine and choline as stored over the match of the mirror image.
    """

    conjugated: bool
    evidence: float


def orientation(
    fid: np.ndarray, *, dwell_s: float, frequency_mhz: float, max_shift_ppm: float = 0.4
) -> Orientation:
    """Tell from NAA, creatine and choline whether a FID is stored as its complex conjugate."""
    sampling: dict[str, Any] = {"dwell_s": dwell_s, "frequency_mhz": frequency_mhz}
    template = singlet_template(points=len(fid), **sampling)
    template = in_band(template, 1.7, 3.5, **sampling)
    match = []
    for candidate in (fid, fid.conj()):
        band = in_band(candidate, 1.7, 3.5, **sampling)
        alignment = match_to(
            band[None], template, dwell_s=dwell_s, max_shift_hz=max_shift_ppm * frequency_mhz
        )
        match.append(float(alignment.match[0] * np.linalg.norm(band)))
    evidence = match[0] / max(match[1], np.finfo(float).tiny)
    return Orientation(conjugated=evidence < 0.67, evidence=evidence)


def creatine_referenced(
    fid: np.ndarray, *, dwell_s: float, frequency_mhz: float, max_shift_ppm: float = 0.4
) -> tuple[np.ndarray, float, float]:
    """Bring total creatine to 3.027 ppm and into phase.

    Returns
    -------
    fid, shift_ppm, phase_deg
        The FID and what was added to its chemical shifts and phase.

    Notes
    -----
    NAA, creatine and choline together find the place without doubt; creatine alone, in 2.9 to 3.1
    ppm, then sets frequency and zero-order phase (Near J et al., NMR Biomed 34:e4257, 2021).
    """
    sampling: dict[str, Any] = {"dwell_s": dwell_s, "frequency_mhz": frequency_mhz}
    template = singlet_template(points=len(fid), **sampling)
    creatine = singlet_template(points=len(fid), lines=((3.027, 1.0),), **sampling)
    shift = phase = 0.0
    for target, low, high, reach_ppm in (
        (template, 1.7, 3.5, max_shift_ppm),
        (creatine, 2.9, 3.1, 0.05),
    ):
        moved = in_band(rotated(fid, shift, phase, dwell_s=dwell_s), low, high, **sampling)
        wanted = in_band(target, low, high, **sampling)
        alignment = match_to(
            moved[None], wanted, dwell_s=dwell_s, max_shift_hz=reach_ppm * frequency_mhz
        )
        shift += float(alignment.shift_hz[0])
        phase += float(alignment.phase_rad[0])
    phase = float(np.angle(np.exp(1j * phase)))
    return rotated(fid, shift, phase, dwell_s=dwell_s), shift / frequency_mhz, np.degrees(phase)
