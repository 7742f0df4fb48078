"""Spin systems of the brain's metabolites: chemical shifts in ppm and scalar couplings in Hz.

Values: Govindaraju V, Young K, Maudsley AA, Proton NMR chemical shifts and coupling constants for
brain metabolites, NMR Biomed 13:129-153, 2000, and its corrigendum, NMR Biomed 28:923-924, 2015
(GABA, GPC, PCh, Tau). Exchangeable protons (NH, OH) are left out: at body temperature and pH they
are broad or lie outside 0.2 to 4.2 ppm.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PassiveNucleus:
    """A nucleus that proton pulses do not touch: it splits lines and is refocused like a shift.

    Attributes
    ----------
    states
        2 for a spin 1/2 (31P), 3 for a spin 1 (14N).
    j_hz
        Coupling to each proton of the group.
    """

    states: int
    j_hz: tuple[float, ...]


@dataclass(frozen=True)
class CoupledProtons:
    """Protons that are coupled to each other and to nothing else.

    Attributes
    ----------
    ppm
        Chemical shift of each proton.
    j_hz
        Coupling by pair of positions in ``ppm``; an absent pair is not coupled.
    protons
        How many magnetically equivalent copies the group stands for: 3 for the methyl singlet of
        creatine, 1 for a coupled group, 0.36 for one of an anomer with that share.
    passive
        Nuclei of other kinds.
    """

    ppm: tuple[float, ...]
    j_hz: tuple[tuple[int, int, float], ...] = ()
    protons: float = 1
    passive: tuple[PassiveNucleus, ...] = ()


def _singlet(ppm: float, protons: int) -> CoupledProtons:
    return CoupledProtons((ppm,), protons=protons)


def _aspartyl(ppm: tuple[float, float, float], j_hz: tuple[float, float, float]) -> CoupledProtons:
    """An ABX group: CH and the two protons of its CH2."""
    return CoupledProtons(ppm, ((0, 1, j_hz[0]), (0, 2, j_hz[1]), (1, 2, j_hz[2])))


def _glutamyl(ppm: tuple[float, ...], j_hz: tuple[float, ...]) -> CoupledProtons:
    """CH-CH2-CH2; couplings in the order 23, 23', 33', 34, 34', 3'4, 3'4', 44'."""
    pairs = ((0, 1), (0, 2), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4))
    return CoupledProtons(ppm, tuple((i, k, j) for (i, k), j in zip(pairs, j_hz, strict=True)))


def _ethylene(
    ppm: tuple[float, float],
    j_hz: tuple[float, float, float, float, float, float],
    passive: tuple[PassiveNucleus, ...] = (),
) -> CoupledProtons:
    """CH2-CH2; couplings in the order 11', 12, 12', 1'2, 1'2', 22'."""
    pairs = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
    shifts = (ppm[0], ppm[0], ppm[1], ppm[1])
    return CoupledProtons(
        shifts, tuple((*p, j) for p, j in zip(pairs, j_hz, strict=True)), passive=passive
    )


def _pyranose(ppm: tuple[float, ...], j_hz: tuple[float, ...], share: float) -> CoupledProtons:
    """An anomer of glucose; couplings in the order 12, 23, 34, 45, 56, 56', 66'."""
    pairs = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (4, 6), (5, 6))
    couplings = tuple((i, k, j) for (i, k), j in zip(pairs, j_hz, strict=True))
    return CoupledProtons(ppm, couplings, protons=share)


def _methyl(ppm: tuple[float, float], j_hz: float, geminal_hz: float) -> CoupledProtons:
    """CH-CH3."""
    pairs = [(0, k, j_hz) for k in (1, 2, 3)] + [(1, 2, geminal_hz), (1, 3, geminal_hz)]
    return CoupledProtons((ppm[0], *(ppm[1],) * 3), (*pairs, (2, 3, geminal_hz)))


#: Spin systems by metabolite name.
SPIN_SYSTEMS: dict[str, tuple[CoupledProtons, ...]] = {
    "Ala": (_methyl((3.7746, 1.4667), 7.234, -14.366),),
    "Asc": (
        CoupledProtons(
            (4.4965, 4.0072, 3.7469, 3.7194),
            ((0, 1, 2.055), (1, 2, 5.772), (1, 3, 7.578), (2, 3, -11.585)),
        ),
    ),
    "Asp": (_aspartyl((3.8914, 2.8011, 2.6533), (3.647, 9.107, -17.426)),),
    "Cr": (_singlet(3.027, 3), _singlet(3.913, 2)),
    "PCr": (_singlet(3.029, 3), _singlet(3.930, 2)),
    "GABA": (
        CoupledProtons(
            (3.0128, 3.0128, 1.889, 1.889, 2.284, 2.284),
            (
                (0, 1, -12.021), (0, 2, 5.372), (0, 3, 7.127), (1, 2, 10.578), (1, 3, 6.982),
                (2, 3, -13.121), (2, 4, 7.755), (2, 5, 7.432), (3, 4, 6.173), (3, 5, 7.933),
                (4, 5, -10.744),
            ),
        ),
    ),
    "Gln": (
        _glutamyl(
            (3.753, 2.129, 2.109, 2.432, 2.454),
            (5.847, 6.5, -14.504, 9.165, 6.347, 6.324, 9.209, -15.371),
        ),
    ),
    "Glu": (
        _glutamyl(
            (3.7433, 2.0375, 2.1200, 2.3378, 2.352),
            (7.331, 4.651, -14.849, 6.413, 8.406, 8.478, 6.875, -15.915),
        ),
    ),
    "GPC": (
        _singlet(3.212, 9),
        CoupledProtons(
            (3.605, 3.672, 3.903, 3.871, 3.946),
            (
                (0, 1, -14.78), (0, 2, 5.77), (1, 2, 4.53), (2, 3, 5.77), (2, 4, 4.53),
                (3, 4, -14.78),
            ),
            passive=(PassiveNucleus(2, (0, 0, 0, 6.03, 6.03)),),
        ),
        _ethylene(
            (4.312, 3.659),
            (-9.32, 3.1, 5.9, 5.9, 3.1, -9.32),
            (PassiveNucleus(3, (2.67, 2.67, 0, 0)), PassiveNucleus(2, (6.03, 6.03, 0, 0))),
        ),
    ),
    "GSH": (
        _singlet(3.769, 2),
        _aspartyl((4.5608, 2.9264, 2.9747), (7.09, 4.71, -14.06)),
        _glutamyl(
            (3.769, 2.159, 2.146, 2.510, 2.560),
            (6.34, 6.36, -15.48, 6.7, 7.6, 7.6, 6.7, -15.92),
        ),
    ),
    "Ins": (
        CoupledProtons(
            (3.5217, 4.0538, 3.5217, 3.6144, 3.269, 3.6144),
            (
                (0, 1, 2.889), (0, 5, 9.998), (1, 2, 3.006), (2, 3, 9.997), (3, 4, 9.485),
                (4, 5, 9.482),
            ),
        ),
    ),
    "Lac": (_methyl((4.0974, 1.3142), 6.933, 0.0),),
    "NAA": (
        _singlet(2.008, 3),
        _aspartyl((4.3817, 2.6727, 2.4863), (3.861, 9.821, -15.592)),
    ),
    "NAAG": (
        _singlet(2.042, 3),
        _aspartyl((4.607, 2.721, 2.519), (4.412, 9.515, -15.910)),
        _glutamyl(
            (4.128, 1.881, 2.049, 2.190, 2.180),
            (4.61, 8.42, -14.28, 10.56, 6.09, 4.9, 11.11, -15.28),
        ),
    ),
    "PCh": (
        _singlet(3.208, 9),
        _ethylene(
            (4.2805, 3.641),
            (-14.89, 2.284, 7.231, 7.326, 2.235, -14.19),
            (PassiveNucleus(3, (2.68, 2.772, 0, 0)), PassiveNucleus(2, (6.298, 6.249, 0, 0))),
        ),
    ),
    "PE": (
        _ethylene(
            (3.9765, 3.216),
            (-14.56, 3.182, 6.716, 7.204, 2.98, -14.71),
            (PassiveNucleus(2, (7.288, 7.088, 0, 0)),),
        ),
    ),
    "sIns": (_singlet(3.34, 6),),
    "Tau": (_ethylene((3.4206, 3.2459), (-12.438, 6.742, 6.464, 6.403, 6.792, -12.93)),),
    "Glc": (
        _pyranose(
            (5.216, 3.519, 3.698, 3.395, 3.822, 3.826, 3.749),
            (3.8, 9.6, 9.4, 9.9, 1.5, 6.0, -12.1),
            0.36,
        ),
        _pyranose(
            (4.630, 3.230, 3.473, 3.387, 3.450, 3.882, 3.707),
            (8.0, 9.1, 9.4, 8.9, 1.6, 5.4, -12.3),
            0.64,
        ),
    ),
    "Gly": (_singlet(3.548, 2),),
}  # fmt: skip
