"""Density matrices through PRESS, sLASER, STEAM and MEGA-PRESS with ideal refocusing.

Half a unit per proton is what an uncoupled spin gives after each of these sequences, water too: a
stimulated echo, which loses half of everything, is counted double.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from commissure.mrs.acquisition.sequence_name import SequenceName
from commissure.mrs.builtin.basis.spin_systems import CoupledProtons
from commissure.mrs.chemical_shift import WATER_PPM


@dataclass(frozen=True)
class PulseSequence:
    """Timing of a localisation.

    Attributes
    ----------
    name
        Which.
    te_s
        Echo time.
    first_echo_s
        PRESS and MEGA-PRESS: echo time of the first refocusing; None for half of ``te_s``.
    mixing_s
        STEAM: time between the second and third pulse.
    edit_ppm, edit_bandwidth_hz
        MEGA-PRESS: centre of the editing pulses, and the full width at half maximum of what a
        Gaussian one inverts.
    """

    name: SequenceName
    te_s: float
    first_echo_s: float | None = None
    mixing_s: float = 0.0
    edit_ppm: float | None = None
    edit_bandwidth_hz: float = 60.0

    def __str__(self) -> str:
        """In words, for sidecars."""
        words = f"{self.name}, ideal pulses, TE {self.te_s * 1e3:.4g} ms"
        if self.first_echo_s is not None:
            words += f", first echo {self.first_echo_s * 1e3:.4g} ms"
        if self.name == "steam":
            words += f", TM {self.mixing_s * 1e3:.4g} ms"
        if self.edit_ppm is not None:
            words += f", editing at {self.edit_ppm:g} ppm, {self.edit_bandwidth_hz:g} Hz wide"
        return words


@lru_cache(maxsize=16)
def _operators(spins: int) -> np.ndarray:
    """Ix, Iy, Iz of each spin in the product basis, (3, spins, 2**spins, 2**spins)."""
    pauli = 0.5 * np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    operators = np.empty((3, spins, 2**spins, 2**spins), complex)
    for axis, spin in itertools.product(range(3), range(spins)):
        before, after = np.eye(2**spin), np.eye(2 ** (spins - spin - 1))
        operators[axis, spin] = np.kron(np.kron(before, pauli[axis]), after)
    return operators


def _rotation(generator: np.ndarray, angle: float) -> np.ndarray:
    value, vector = np.linalg.eigh(generator)
    return vector @ (np.exp(-1j * angle * value)[:, None] * vector.conj().T)


class _Spins:
    """A coupled group on its way through a sequence, from in-phase transverse magnetisation."""

    def __init__(self, offsets_hz: np.ndarray, couplings: tuple[tuple[int, int, float], ...]):
        self.axes = _operators(len(offsets_hz))
        self.offsets_hz = offsets_hz
        hamiltonian = 2 * np.pi * np.einsum("s,sij->ij", offsets_hz, self.axes[2])
        for i, k, j_hz in couplings:
            for axis in self.axes:
                hamiltonian += 2 * np.pi * j_hz * (axis[i] @ axis[k])
        self.energy, self.states = np.linalg.eigh(hamiltonian)
        level = np.diag(self.axes[2].sum(axis=0)).real
        self.order = np.rint(level[:, None] - level[None, :]).astype(int)
        self.rho = self.axes[0].sum(axis=0)

    def wait(self, delay_s: float) -> None:
        """Evolve freely."""
        phase = np.exp(-1j * self.energy * delay_s)
        self.turn(self.states @ (phase[:, None] * self.states.conj().T))

    def turn(self, rotation: np.ndarray) -> None:
        """Apply a pulse."""
        self.rho = rotation @ self.rho @ rotation.conj().T

    def pulse(self, angle: float) -> None:
        """A hard pulse about y."""
        self.turn(_rotation(self.axes[1].sum(axis=0), angle))

    def keep(self, order: int) -> None:
        """What gradients leave: one order of coherence."""
        self.rho = self.rho * (self.order == order)

    def edit(self, angles: np.ndarray) -> None:
        """An editing pulse of these angles between crushers that cancel for spins it spares."""
        rotation = _rotation(np.einsum("s,sij->ij", angles, self.axes[1]), 1.0)
        before, parts = self.rho, []
        for order in (1, -1):
            self.rho = before * (self.order == order)
            self.turn(rotation)
            self.keep(order)
            parts.append(self.rho)
        self.rho = parts[0] + parts[1]

    def lines(self) -> tuple[np.ndarray, np.ndarray]:
        """Frequencies (Hz) and complex amplitudes that are detected."""
        rho = self.states.conj().T @ self.rho @ self.states
        detect = self.axes[0].sum(axis=0) + 1j * self.axes[1].sum(axis=0)
        detect = self.states.conj().T @ detect @ self.states
        # Trace with the detector, element by element, in the eigenbasis: one line per transition.
        amplitude = 2 * rho.T * detect / len(self.energy)
        frequency = (self.energy[:, None] - self.energy[None, :]) / (2 * np.pi)
        kept = np.abs(amplitude) > 1e-9
        return frequency[kept], amplitude[kept]


def _run(spins: _Spins, sequence: PulseSequence, frequency_mhz: float) -> float:
    """Take spins through a sequence; what the signal is to be multiplied with comes back."""
    te = sequence.te_s
    if sequence.name == "slaser":
        for delay in (te / 8, te / 4, te / 4, te / 4):
            spins.wait(delay)
            spins.pulse(np.pi)
        spins.wait(te / 8)
        return 1.0
    if sequence.name == "steam":
        spins.wait(te / 2)
        spins.keep(1)
        spins.pulse(-np.pi / 2)
        spins.keep(0)
        spins.wait(sequence.mixing_s)
        spins.pulse(np.pi / 2)
        spins.keep(-1)
        spins.wait(te / 2)
        return 2.0
    first = te / 2 if sequence.first_echo_s is None else sequence.first_echo_s
    # Pulses by time: refocusing half a TE apart, editing half a TE apart, each after one of them.
    events: list[tuple[float, bool]] = [(first / 2, False), ((first + te) / 2, False)]
    if sequence.edit_ppm is not None:
        early = (first + te) / 4
        events += [(early, True), (early + te / 2, True)]
        off = spins.offsets_hz - (sequence.edit_ppm - WATER_PPM) * frequency_mhz
        angles = editing_angle(off, bandwidth_hz=sequence.edit_bandwidth_hz)
    time_s = 0.0
    for event_s, editing in sorted(events):
        spins.wait(event_s - time_s)
        if editing:
            spins.edit(angles)
        else:
            spins.pulse(np.pi)
        time_s = event_s
    spins.wait(te - time_s)
    return 1.0


@lru_cache(maxsize=1)
def _gaussian_profile() -> tuple[np.ndarray, np.ndarray]:
    """Angle of a Gaussian 180 degree pulse over offset in units of its inversion's width."""
    steps = 128
    t = (np.arange(steps) + 0.5) / steps - 0.5
    shape = np.exp(-0.5 * (t / 0.165) ** 2)
    shape *= np.pi / shape.sum()
    offset = np.linspace(0, 12, 1201)
    alpha, beta = np.ones(len(offset), complex), np.zeros(len(offset), complex)
    for b1 in shape:
        dz = 2 * np.pi * offset / steps
        size = np.hypot(b1, dz)
        c, s = np.cos(size / 2), np.sin(size / 2) / np.maximum(size, 1e-12)
        a, b = c - 1j * dz * s, -1j * b1 * s
        alpha, beta = a * alpha - b.conj() * beta, b * alpha + a.conj() * beta
    along = np.clip(np.abs(alpha) ** 2 - np.abs(beta) ** 2, -1, 1)
    half = float(np.interp(0.0, along, offset))
    return offset / (2 * half), np.arccos(along)


def editing_angle(offset_hz: np.ndarray, *, bandwidth_hz: float) -> np.ndarray:
    """Angle by which a Gaussian editing pulse turns spins away from z, in radians.

    Parameters
    ----------
    offset_hz
        Distance of each spin from the pulse.
    bandwidth_hz
        Full width at half maximum of the inversion.
    """
    offset, angle = _gaussian_profile()
    return np.interp(np.abs(offset_hz) / bandwidth_hz, offset, angle, right=0.0)


def lines_of(
    groups: tuple[CoupledProtons, ...], sequence: PulseSequence, *, frequency_mhz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate a metabolite.

    Parameters
    ----------
    groups
        The metabolite.
    sequence
        What it goes through.
    frequency_mhz
        Spectrometer frequency of protons.

    Returns
    -------
    frequencies, amplitudes
        Lines in Hz from water and their complex amplitudes; half a unit per proton at TE 0.

    Notes
    -----
    H = sum omega_i I_iz + 2 pi sum J_ik I_i.I_k (strong coupling in full). Nuclei that the pulses
    do not touch shift the protons by their state's part of J, state by state. PRESS is
    90 - TE1/2 - 180 - TE/2 - 180 - TE2/2; sLASER has four refocusing pulses TE/4 apart; in STEAM
    gradients leave orders +1, 0 and -1 in turn; MEGA-PRESS has two frequency-selective pulses TE/2
    apart (Mescher M et al., NMR Biomed 11:266-272, 1998), whose profile is that of a Gaussian
    pulse and whose crushers spare what they do not invert.
    """
    frequencies, amplitudes = [], []
    for group in groups:
        offsets = (np.array(group.ppm) - WATER_PPM) * frequency_mhz
        levels = [np.arange(p.states) - (p.states - 1) / 2 for p in group.passive]
        for combination in itertools.product(*levels):
            moved = offsets.copy()
            for level, nucleus in zip(combination, group.passive, strict=True):
                moved += level * np.array(nucleus.j_hz)
            spins = _Spins(moved, group.j_hz)
            scale = _run(spins, sequence, frequency_mhz) * group.protons
            f, a = spins.lines()
            frequencies.append(f)
            amplitudes.append(a * scale / np.prod([len(x) for x in levels], initial=1))
    return np.concatenate(frequencies), np.concatenate(amplitudes)
