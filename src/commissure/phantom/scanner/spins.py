"""Spin physics of the simulated spectra: coupled protons through a train of refocusing pulses.

Shifts and couplings: Govindaraju V, Young K, Maudsley AA, Proton NMR chemical shifts and coupling
constants for brain metabolites, NMR Biomed 13:129-153, 2000, with the corrigendum of 2015 (GABA,
GPC, PCh, PE, Tau). NAAG's couplings: Krawczyk H, Gradowska W, J Pharm Biomed Anal 31:455-463, 2003;
Asc: Terpstra M, Gruetter R, Magn Reson Med 51:225-229, 2004. Exchangeable protons are left out.

The room that fits spectra has a table and a simulation of its own: neither may lean on the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

#: Chemical shift of water at 37 °C, where the receiver is tuned.
WATER_PPM = 4.65


@dataclass(frozen=True)
class SpinGroup:
    """Protons of one molecule that couple with each other.

    Attributes
    ----------
    ppm
        Chemical shift of each proton.
    couplings_hz
        J by pair of protons (numbered from 1, as in the literature): ``{(1, 2): 7.3}``.
    copies
        How many equivalent protons an uncoupled line stands for.
    phosphorus_hz
        J of each proton with one phosphorus nucleus, which the pulses leave alone.
    """

    ppm: tuple[float, ...]
    couplings_hz: tuple[tuple[tuple[int, int], float], ...] = ()
    copies: int = 1
    phosphorus_hz: tuple[float, ...] = ()

    @property
    def protons(self) -> int:
        """Number of protons in the group."""
        return self.copies * len(self.ppm)


def _line(ppm: float, protons: int) -> SpinGroup:
    return SpinGroup((ppm,), copies=protons)


def _coupled(
    ppm: tuple[float, ...],
    couplings: Mapping[tuple[int, int], float],
    phosphorus: tuple[float, ...] = (),
) -> SpinGroup:
    return SpinGroup(ppm, tuple(couplings.items()), phosphorus_hz=phosphorus)


def _methyl(ch: float, ch3: float, j_hz: float) -> SpinGroup:
    return _coupled((ch, ch3, ch3, ch3), {(1, 2): j_hz, (1, 3): j_hz, (1, 4): j_hz})


def _abx(ppm: tuple[float, float, float], j12: float, j13: float, j23: float) -> SpinGroup:
    return _coupled(ppm, {(1, 2): j12, (1, 3): j13, (2, 3): j23})


def _glutamyl(ppm: tuple[float, ...], *j_hz: float) -> SpinGroup:
    pairs = ((1, 2), (1, 3), (2, 3), (2, 4), (2, 5), (3, 4), (3, 5), (4, 5))
    return _coupled(ppm, dict(zip(pairs, j_hz, strict=True)))


def _ethylene(
    one: float, other: float, geminal: tuple[float, float], *vicinal: float, **more: tuple
) -> SpinGroup:
    j13, j14, j23, j24 = vicinal
    pairs = {(1, 2): geminal[0], (1, 3): j13, (1, 4): j14, (2, 3): j23, (2, 4): j24}
    return _coupled((one, one, other, other), pairs | {(3, 4): geminal[1]}, **more)


#: Spin groups by metabolite.
METABOLITES: Mapping[str, tuple[SpinGroup, ...]] = {
    "Ala": (_methyl(3.7746, 1.4667, 7.234),),
    "Asc": (
        _coupled(
            (4.4965, 4.0072, 3.7469, 3.7194),
            {(1, 2): 2.055, (2, 3): 5.78, (2, 4): 7.373, (3, 4): -11.585},
        ),
    ),
    "Asp": (_abx((3.8914, 2.8011, 2.6533), 3.647, 9.107, -17.426),),
    "Cr": (_line(3.027, 3), _line(3.913, 2)),
    "PCr": (_line(3.029, 3), _line(3.930, 2)),
    "GABA": (
        _coupled(
            (3.0128, 3.0128, 1.889, 1.889, 2.284, 2.284),
            {
                (1, 2): -12.021, (1, 3): 5.372, (1, 4): 7.127, (2, 3): 10.578, (2, 4): 6.982,
                (3, 4): -13.121, (3, 5): 7.755, (3, 6): 7.432, (4, 5): 6.173, (4, 6): 7.933,
                (5, 6): -10.744,
            },
        ),
    ),
    "Gln": (
        _glutamyl(
            (3.753, 2.129, 2.109, 2.432, 2.454),
            5.847, 6.5, -14.504, 9.165, 6.347, 6.324, 9.209, -15.371,
        ),
    ),
    "Glu": (
        _glutamyl(
            (3.7433, 2.0375, 2.1200, 2.3378, 2.352),
            7.331, 4.651, -14.849, 6.413, 8.406, 8.478, 6.875, -15.915,
        ),
    ),
    "GPC": (
        _line(3.212, 9),
        _coupled(
            (3.605, 3.672, 3.903, 3.871, 3.946),
            {
                (1, 2): -14.78, (1, 3): 5.77, (2, 3): 4.53, (3, 4): 5.77, (3, 5): 4.53,
                (4, 5): -14.78,
            },
            (0.0, 0.0, 0.0, 6.03, 6.03),
        ),
        _ethylene(
            4.312, 3.659, (-9.32, -9.32), 3.1, 5.9, 5.9, 3.1, phosphorus=(6.03, 6.03, 0.0, 0.0)
        ),
    ),
    "GSH": (
        _line(3.769, 2),
        _abx((4.5608, 2.9264, 2.9747), 7.09, 4.71, -14.06),
        _glutamyl(
            (3.769, 2.159, 2.146, 2.510, 2.560),
            6.34, 6.36, -15.48, 6.7, 7.6, 7.6, 6.7, -15.92,
        ),
    ),
    "Ins": (
        _coupled(
            (3.5217, 4.0538, 3.5217, 3.6144, 3.269, 3.6144),
            {
                (1, 2): 2.889, (2, 3): 3.006, (3, 4): 9.997, (4, 5): 9.485, (5, 6): 9.482,
                (1, 6): 9.998,
            },
        ),
    ),
    "Lac": (_methyl(4.0974, 1.3142, 6.933),),
    "NAA": (_line(2.008, 3), _abx((4.3817, 2.6727, 2.4863), 3.861, 9.821, -15.592)),
    "NAAG": (
        _line(2.042, 3),
        _abx((4.607, 2.721, 2.519), 4.412, 9.515, -15.910),
        _glutamyl(
            (4.128, 2.049, 1.881, 2.180, 2.190),
            4.61, 8.42, -14.28, 10.56, 6.09, 4.9, 11.11, -15.28,
        ),
    ),
    "PCh": (
        _line(3.208, 9),
        _ethylene(
            4.2805, 3.641, (-14.89, -14.19), 2.284, 7.231, 7.326, 2.235,
            phosphorus=(6.298, 6.249, 0.0, 0.0),
        ),
    ),
    "PE": (
        _ethylene(
            3.9765, 3.216, (-14.56, -14.71), 3.182, 6.716, 7.204, 2.98,
            phosphorus=(7.288, 7.088, 0.0, 0.0),
        ),
    ),
    "sIns": (_line(3.34, 6),),
    "Tau": (_ethylene(3.4206, 3.2459, (-12.438, -12.93), 6.742, 6.464, 6.403, 6.792),),
}  # fmt: skip


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
        one = np.array([[math.cos(half), -math.sin(half)], [math.sin(half), math.cos(half)]])
        turn = np.kron(turn, one)
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
        np.array([np.kron(np.kron(np.eye(2**i), one), np.eye(2 ** (n - i - 1))) for i in range(n)])
        for one in pauli
    )
