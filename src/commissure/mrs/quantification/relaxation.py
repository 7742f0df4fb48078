"""Relaxation times, water densities and the factor from amplitude to concentration.

Three public tools give factors that differ by 16 to 28 % for one voxel, mostly through their
relaxation times: one set is used for a whole study, and its name stands in every output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Water in pure water, mmol/kg.
WATER_MMOL_PER_KG = 55510.0

#: Relative water density of GM, WM and CSF (Ernst T et al., J Magn Reson B 102:1-8, 1993, as used
#: by Gasparovic C et al., Magn Reson Med 55:1219-1226, 2006).
WATER_DENSITY = (0.78, 0.65, 0.97)


@dataclass(frozen=True)
class RelaxationTimes:
    """Relaxation times in seconds."""

    t1_s: float
    t2_s: float

    def weight(self, *, te_s: float, tr_s: float) -> float:
        """Share of the signal left after a 90 degree pulse: (1 - exp(-TR/T1)) exp(-TE/T2)."""
        return (1 - math.exp(-tr_s / self.t1_s)) * math.exp(-te_s / self.t2_s)


@dataclass(frozen=True)
class RelaxationSet:
    """Relaxation times of one published tool.

    Attributes
    ----------
    field_t
        Field strength that the times hold for.
    gm, wm, csf
        Water.
    common
        Metabolites without times of their own.
    metabolites
        Times of their own, by name.
    source
        Where they are published.
    """

    field_t: float
    gm: RelaxationTimes
    wm: RelaxationTimes
    csf: RelaxationTimes
    common: RelaxationTimes
    source: str
    metabolites: Mapping[str, RelaxationTimes] = field(default_factory=dict)

    def of(self, metabolite: str) -> RelaxationTimes:
        """Times of a metabolite."""
        return self.metabolites.get(metabolite, self.common)


def _means(table: Mapping[str, tuple[float, ...]]) -> dict[str, RelaxationTimes]:
    """Average T1 of GM and WM, and T2 of GM and WM (ms in, s out)."""
    return {
        name: RelaxationTimes((t1_gm + t1_wm) / 2000, (t2_gm + t2_wm) / 2000)
        for name, (t1_gm, t1_wm, t2_gm, t2_wm) in table.items()
    }


#: T1 GM, T1 WM (Mlynarik 2001, Puts 2013) and T2 GM, T2 WM (Wyss 2018) in ms, as Osprey pairs them.
_OSPREY_METABOLITES = _means(
    {
        "Asc": (1340, 1190, 115, 172),
        "Asp": (1340, 1190, 100.5, 148),
        "Cr": (1460, 1240, 146, 166),
        "PCr": (1460, 1240, 146, 166),
        "GABA": (1310, 1310, 88.5, 88.5),
        "GABA+": (1310, 1310, 88.5, 88.5),
        "Gln": (1340, 1190, 110.5, 168),
        "Glu": (1270, 1170, 128.5, 124),
        "GPC": (1300, 1080, 248, 218),
        "GSH": (1340, 1190, 88.5, 145),
        "Ins": (1230, 1010, 236.5, 161),
        "Lac": (1340, 1190, 104.5, 159),
        "NAA": (1470, 1350, 258, 343),
        "NAAG": (1340, 1190, 117.5, 185),
        "PCh": (1300, 1080, 247.5, 213),
        "PE": (1340, 1190, 102.5, 158),
        "sIns": (1340, 1190, 116, 170),
        "Tau": (1340, 1190, 112.5, 112.5),
    }
)

RELAXATION_SETS: dict[str, RelaxationSet] = {
    "fsl_mrs_3t": RelaxationSet(
        3.0,
        gm=RelaxationTimes(1.50, 0.088),
        wm=RelaxationTimes(0.97, 0.073),
        csf=RelaxationTimes(4.47, 2.03),
        common=RelaxationTimes(1.29, 0.194),
        source="FSL-MRS (Clarke WT et al., Magn Reson Med 85:2950-2964, 2021), 3 T defaults",
    ),
    "osprey_3t": RelaxationSet(
        3.0,
        gm=RelaxationTimes(1.331, 0.110),
        wm=RelaxationTimes(0.832, 0.0792),
        csf=RelaxationTimes(3.817, 0.503),
        common=RelaxationTimes(1.265, 0.1545),
        metabolites=_OSPREY_METABOLITES,
        source="Osprey (Oeltzschner G et al., J Neurosci Methods 343:108827, 2020): water of "
        "Wansapura 1999, Lu 2005 and Piechnik 2009, metabolites of Mlynarik 2001 and Wyss 2018",
    ),
    "spant_3t": RelaxationSet(
        3.0,
        gm=RelaxationTimes(1.331, 0.110),
        wm=RelaxationTimes(0.832, 0.0796),
        csf=RelaxationTimes(3.817, 0.503),
        common=RelaxationTimes(1.317, 0.207),
        source="spant (Wilson M, J Open Source Softw 6:3646, 2021), 3 T defaults",
    ),
    "fsl_mrs_7t": RelaxationSet(
        7.0,
        gm=RelaxationTimes(2.05, 0.050),
        wm=RelaxationTimes(1.21, 0.055),
        csf=RelaxationTimes(4.43, 1.05),
        common=RelaxationTimes(1.43, 0.131),
        source="FSL-MRS (Clarke WT et al., Magn Reson Med 85:2950-2964, 2021), 7 T defaults",
    ),
}


@dataclass(frozen=True)
class TissueFractions:
    """Volume fractions of the voxel's tissue; they sum to 1."""

    gm: float
    wm: float
    csf: float

    def molal(self) -> tuple[float, float, float]:
        """Share of each compartment in the voxel's water, GM, WM, CSF."""
        water = [f * d for f, d in zip((self.gm, self.wm, self.csf), WATER_DENSITY, strict=True)]
        total = sum(water)
        return water[0] / total, water[1] / total, water[2] / total


@dataclass(frozen=True)
class Timing:
    """Echo and repetition time in seconds."""

    te_s: float
    tr_s: float


def concentration_factor(
    fractions: TissueFractions,
    metabolite: str,
    *,
    timing: Timing,
    water_timing: Timing,
    times: RelaxationSet,
) -> float:
    """Factor from (metabolite amplitude / water amplitude) to mmol per kg of tissue water.

    Parameters
    ----------
    fractions
        Tissue of the voxel.
    metabolite
        Name, for sets with times per metabolite.
    timing, water_timing
        Of the metabolite and the water acquisition.
    times
        The parameter set.

    Notes
    -----
    Gasparovic 2006; Near J et al., NMR Biomed 34:e4257, 2021, eq. 6, with the molal CSF fraction
    in the denominator, as the derivation has it. (FSL-MRS divides by one minus the *volume*
    fraction: 4 % less at 15 % CSF.) Amplitudes are per molecule in units where water has 1.
    """
    shares = fractions.molal()
    water = sum(
        share * compartment.weight(te_s=water_timing.te_s, tr_s=water_timing.tr_s)
        for share, compartment in zip(shares, (times.gm, times.wm, times.csf), strict=True)
    )
    weight = times.of(metabolite).weight(te_s=timing.te_s, tr_s=timing.tr_s)
    return WATER_MMOL_PER_KG * water / ((1 - shares[2]) * weight)


def molar_factor(
    fractions: TissueFractions,
    metabolite: str,
    *,
    timing: Timing,
    water_timing: Timing,
    times: RelaxationSet,
) -> float:
    """Factor from (metabolite amplitude / water amplitude) to mmol per litre of tissue.

    Parameters
    ----------
    fractions, metabolite, timing, water_timing, times
        See :func:`concentration_factor`.

    Notes
    -----
    Near J et al., NMR Biomed 34:e4257, 2021, eq. 4: volume fractions and water densities in place
    of molal fractions, and the volume fraction of CSF in the denominator.
    """
    volumes = (fractions.gm, fractions.wm, fractions.csf)
    water = sum(
        volume * density * compartment.weight(te_s=water_timing.te_s, tr_s=water_timing.tr_s)
        for volume, density, compartment in zip(
            volumes, WATER_DENSITY, (times.gm, times.wm, times.csf), strict=True
        )
    )
    weight = times.of(metabolite).weight(te_s=timing.te_s, tr_s=timing.tr_s)
    return WATER_MMOL_PER_KG * water / ((1 - fractions.csf) * weight)
