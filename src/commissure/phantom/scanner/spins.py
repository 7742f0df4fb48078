"""Spin physics of the simulated spectra: coupled protons through a train of refocusing pulses.

What fits spectra has another simulation: neither may lean on the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from commissure.phantom.scanner.spin_systems import METABOLITES, WATER_PPM, SpinGroup


@dataclass(frozen=True)
class Pulse:
    """A pulse after the excitation.

    Attributes
    ----------
    degrees
        Flip angle; of an editing pulse, at its centre.
    centre_ppm
        Of an editing pulse, which turns protons by less the further away they resonate; ``None``
        is a refocusing pulse, which turns all alike.
    """

    degrees: float
    centre_ppm: float | None = None


#: Full width at half maximum of an editing pulse's flip angle over the chemical shift.
EDITING_WIDTH_PPM = 0.6


@dataclass(frozen=True)
class EchoTrain:
    """Excitation by a hard pulse of 90 degrees, then pulses with delays around them.

    Attributes
    ----------
    field_mhz
        Proton frequency.
    delays_s
        One more than there are pulses; their sum is the echo time. Crushers keep only the
        coherences that each refocusing pulse refocuses and that each editing pulse leaves at their
        order. The loss that an uncoupled line has is divided out, since water has it too.
    pulses
        In order.
    """

    field_mhz: float
    delays_s: tuple[float, ...]
    pulses: tuple[Pulse, ...]


@dataclass(frozen=True)
class Press:
    """A PRESS sequence with hard pulses: 90 - TE1/2 - θ - (TE1 + TE2)/2 - θ - TE2/2 - echo.

    Attributes
    ----------
    field_mhz
        Proton frequency.
    te1_s, te2_s
        The two partial echo times; their sum is the echo time.
    refocusing_deg
        Flip angle of both refocusing pulses.
    """

    field_mhz: float
    te1_s: float
    te2_s: float
    refocusing_deg: float = 180.0

    def train(self) -> EchoTrain:
        """The same as a train of pulses."""
        te1, te2 = self.te1_s, self.te2_s
        pulse = Pulse(self.refocusing_deg)
        return EchoTrain(self.field_mhz, (te1 / 2, (te1 + te2) / 2, te2 / 2), (pulse, pulse))


def slaser(
    field_mhz: float, te_s: float, *, uneven: float = 0.0, degrees: float = 180.0
) -> EchoTrain:
    """Semi-LASER: two pairs of adiabatic pulses, which refocus nearly in full.

    ``uneven`` is the share of the echo time by which the first pair comes late and the second one
    early; the echo stays where it is.
    """
    quarter = te_s / 4
    moved = uneven * te_s
    delays = (quarter / 2 + moved, quarter + moved, quarter, quarter - moved, quarter / 2 - moved)
    return EchoTrain(field_mhz, delays, (Pulse(degrees),) * 4)


#: Delays of MEGA-PRESS as shares of the echo time: 90 - 180 - edit - 180 - edit. Shifts are
#: refocused (first, fourth and fifth together are half), and the editing pulses stand half an echo
#: time apart, so that coupling to what they invert is refocused too.
MEGA_DELAYS = (0.11, 0.14, 0.36, 0.14, 0.25)

#: Where an editing pulse stands that edits nothing.
EDIT_OFF_PPM = 7.5


def mega_press(
    field_mhz: float,
    te_s: float,
    *,
    edit_ppm: float = EDIT_OFF_PPM,
    refocusing_deg: float = 180.0,
    editing_deg: float = 180.0,
) -> EchoTrain:
    """MEGA-PRESS (Mescher M et al., NMR Biomed 11:266-272, 1998).

    Editing pulses at 4.56 ppm edit glutathione, at 1.9 ppm GABA.
    """
    refocus, edit = Pulse(refocusing_deg), Pulse(editing_deg, edit_ppm)
    delays = tuple(share * te_s for share in MEGA_DELAYS)
    return EchoTrain(field_mhz, delays, (refocus, edit, refocus, edit))


Timing = Press | EchoTrain


def fid_at_zero(name: str, timing: Timing) -> complex:
    """Signal of one metabolite at the top of the echo, ½ per fully refocused proton."""
    return complex(sum(amplitudes.sum() for _, amplitudes in _molecule_lines(name, timing)))


def metabolite_fid(name: str, timing: Timing, times_s: np.ndarray) -> np.ndarray:
    """Free induction decay of one metabolite without any relaxation.

    Parameters
    ----------
    name
        One of :data:`METABOLITES`.
    timing
        The sequence.
    times_s
        Shape (T,), from the top of the echo.

    Returns
    -------
    numpy.ndarray
        Shape (T,), complex, ½ per fully refocused proton. As NIfTI-MRS wants it: a line at a
        chemical shift below water turns with positive frequency.
    """
    signal = np.zeros(len(times_s), complex)
    for hz, amplitudes in _molecule_lines(name, timing):
        signal += np.exp(-2j * np.pi * np.outer(times_s, hz)) @ amplitudes.conj()
    return signal


def _molecule_lines(name: str, timing: Timing) -> list[tuple[np.ndarray, np.ndarray]]:
    return [group_lines(group, timing) for group in METABOLITES[name]]


@lru_cache(maxsize=256)
def group_lines(group: SpinGroup, timing: Timing) -> tuple[np.ndarray, np.ndarray]:
    """Spectral lines of a spin group at the top of the echo.

    Returns
    -------
    frequencies_hz
        Distance from water, positive for higher chemical shift.
    amplitudes
        Complex, ½ per proton for an uncoupled line; coupled groups are partly out of phase.
    """
    train = timing.train() if isinstance(timing, Press) else timing
    hz = (np.array(group.ppm) - WATER_PPM) * train.field_mhz
    splits = [hz]
    if group.phosphorus_hz:
        half = np.array(group.phosphorus_hz) / 2
        splits = [hz + half, hz - half]
    parts = [_lines(tuple(shifted), group, train) for shifted in splits]
    frequencies = np.concatenate([part[0] for part in parts])
    amplitudes = np.concatenate([part[1] for part in parts]) * group.copies / len(parts)
    return frequencies, amplitudes


def _lines(
    hz: tuple[float, ...], group: SpinGroup, train: EchoTrain
) -> tuple[np.ndarray, np.ndarray]:
    n = len(hz)
    ix, iy, iz = _spin_operators(n)
    hamiltonian = 2 * np.pi * np.tensordot(hz, iz, axes=1).astype(complex)
    for (i, j), coupling in group.couplings_hz:
        for axis in (ix, iy, iz):
            hamiltonian += 2 * np.pi * coupling * (axis[i - 1] @ axis[j - 1])
    energies, vectors = np.linalg.eigh(hamiltonian)
    total_x, total_y, total_z = (axis.sum(axis=0) for axis in (ix, iy, iz))
    quantum_number = np.rint(2 * total_z.diagonal().real) / 2
    order = quantum_number[:, None] - quantum_number[None, :]

    def evolved(state: np.ndarray, seconds: float) -> np.ndarray:
        step = (vectors * np.exp(-1j * energies * seconds)) @ vectors.conj().T
        return step @ state @ step.conj().T

    flips, axes = np.linalg.eigh(total_y)
    sign, singlet = -1, 1.0
    state = evolved(total_x * (order == sign), train.delays_s[0])
    for pulse, delay in zip(train.pulses, train.delays_s[1:], strict=True):
        angle = math.radians(pulse.degrees)
        if pulse.centre_ppm is None:
            turn = (axes * np.exp(-1j * angle * flips)) @ axes.conj().T
            sign = -sign
            singlet *= math.sin(angle / 2) ** 2
        else:
            turn = _editing(group.ppm, angle, pulse.centre_ppm)
        state = evolved((turn @ state @ turn.conj().T) * (order == sign), delay)
    state = state / singlet

    detector = vectors.conj().T @ (total_x + 1j * total_y) @ vectors
    weights = detector.T * (vectors.conj().T @ state @ vectors) / 2 ** (n - 1)
    frequencies = -(energies[:, None] - energies[None, :]) / (2 * np.pi)
    seen = np.abs(weights) > 1e-7
    # Lines closer than 0.02 Hz cannot be told apart in a second of signal.
    bins, where = np.unique(np.rint(frequencies[seen] / 0.02), return_inverse=True)
    amplitudes = np.bincount(where, weights[seen].real) + 1j * np.bincount(
        where, weights[seen].imag
    )
    return bins * 0.02, amplitudes


def _editing(ppm: tuple[float, ...], angle: float, centre_ppm: float) -> np.ndarray:
    """Rotation about y by an editing pulse: less for each proton that is further away."""
    turn = np.eye(1)
    for shift in ppm:
        away = (shift - centre_ppm) / EDITING_WIDTH_PPM
        half = angle * 2 ** -(4 * away**2) / 2
        rotation = np.array([[math.cos(half), -math.sin(half)], [math.sin(half), math.cos(half)]])
        turn = np.kron(turn, rotation)
    return turn


@lru_cache(maxsize=8)
def _spin_operators(n: int) -> tuple[np.ndarray, ...]:
    """Operators x, y, z of each of n spins: three arrays (n, 2**n, 2**n)."""
    pauli = (
        np.array([[0, 1], [1, 0]]) / 2,
        np.array([[0, -1j], [1j, 0]]) / 2,
        np.array([[1, 0], [0, -1]]) / 2,
    )
    return tuple(
        np.array(
            [np.kron(np.kron(np.eye(2**i), matrix), np.eye(2 ** (n - i - 1))) for i in range(n)]
        )
        for matrix in pauli
    )
