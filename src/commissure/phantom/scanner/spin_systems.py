"""Spin systems of the simulated metabolites.

Shifts and couplings: Govindaraju V, Young K, Maudsley AA, Proton NMR chemical shifts and coupling
constants for brain metabolites, NMR Biomed 13:129-153, 2000, with the corrigendum of 2015 (GABA,
GPC, PCh, PE, Tau). NAAG's couplings: Krawczyk H, Gradowska W, J Pharm Biomed Anal 31:455-463, 2003;
Asc: Terpstra M, Gruetter R, Magn Reson Med 51:225-229, 2004. Exchangeable protons are left out.

What fits spectra has another table: neither may lean on the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    first_ppm: float,
    second_ppm: float,
    geminal: tuple[float, float],
    *vicinal: float,
    **more: tuple,
) -> SpinGroup:
    j13, j14, j23, j24 = vicinal
    pairs = {(1, 2): geminal[0], (1, 3): j13, (1, 4): j14, (2, 3): j23, (2, 4): j24}
    return _coupled(
        (first_ppm, first_ppm, second_ppm, second_ppm), pairs | {(3, 4): geminal[1]}, **more
    )


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
