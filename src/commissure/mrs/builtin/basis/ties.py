"""Ratios that are known before a fit, softly: of macromolecules and of weak metabolites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MacromoleculeModel = Literal["soft", "published"]


@dataclass(frozen=True)
class Tie:
    """What one column of a fit is expected to be of a sum of others.

    Attributes
    ----------
    name
        Of the column.
    to
        Columns of the sum with their weights.
    ratio, sd
        Expected amplitude over the sum, and how far it may stray.
    """

    name: str
    to: tuple[tuple[str, float], ...]
    ratio: float
    sd: float


#: Areas over that of MM09, soft. Up to MM22 they are LCModel's defaults (LCModel manual, 11.8) in
#: terms of area; the rest, resonances that hide under metabolites, keep the order of size of
#: measured 3 T spectra (Cudalbu 2021), wide on purpose.
_SOFT: dict[str, tuple[float, float]] = {
    "MM12": (0.20, 0.10), "MM14": (0.50, 0.30), "MM17": (0.25, 0.16), "MM20": (0.85, 0.25),
    "MM22": (0.35, 0.15), "MM27": (0.20, 0.20), "MM30": (0.25, 0.15), "MM32": (0.20, 0.15),
    "MM37": (0.60, 0.30), "MM40": (0.40, 0.20),
}  # fmt: skip

#: Areas over that of MM09 of the mean spectrum of six healthy people whose metabolites were nulled
#: (Povazan 2015; parametrised by Bell T et al., Magn Reson Med, 2024), held to 5 %. What their
#: line at 2.30 ppm takes in is shared out among 2.28, 2.56 and 2.70 ppm, their broad one at 3.98
#: ppm between 3.75 and 4.03 ppm, by the places of the consensus (Cudalbu 2021).
_PUBLISHED: dict[str, float] = {
    "MM12": 0.41, "MM14": 0.98, "MM17": 0.79, "MM20": 1.69, "MM22": 0.90, "MM26": 0.43,
    "MM27": 0.43, "MM30": 0.87, "MM32": 0.10, "MM37": 1.20, "MM40": 0.35,
}  # fmt: skip
_PUBLISHED_SD = 0.05

#: NAA, creatine and three times choline: what weak metabolites are compared with.
_BIG_THREE = (
    ("NAA", 1.0), ("NAAG", 1.0), ("Cr", 1.0), ("PCr", 1.0), ("GPC", 3.0), ("PCh", 3.0),
)  # fmt: skip

#: Amplitude of weak metabolites over the big three. GABA, Tau and scyllo-inositol are defaults of
#: LCModel 6.3; alanine, glucose, glycine and phosphorylethanolamine have the concentrations of
#: Govindaraju 2000 (0.1 to 1.4, 1, 0.4 to 1 and 1 to 2 mmol/kg) over 25 mmol/kg. LCModel
#: ties aspartate too: that moves glutamine of a real spectrum out of the range of healthy people,
#: and is left out.
_WEAK: dict[str, tuple[float, float]] = {
    "Ala": (0.03, 0.03), "GABA": (0.03, 0.03), "Glc": (0.04, 0.04), "Gly": (0.03, 0.03),
    "PE": (0.06, 0.06),
    "Tau": (0.05, 0.05), "sIns": (0.01, 0.01),
}  # fmt: skip


def macromolecule_ties(model: MacromoleculeModel) -> tuple[Tie, ...]:
    """Ratios of macromolecules to the one at 0.91 ppm."""
    of: Mapping[str, tuple[float, float]] = _SOFT
    if model == "published":
        of = {name: (ratio, _PUBLISHED_SD * ratio) for name, ratio in _PUBLISHED.items()}
    return tuple(Tie(name, (("MM09", 1.0),), ratio, sd) for name, (ratio, sd) in of.items())


def metabolite_ties() -> tuple[Tie, ...]:
    """Ratios of weak metabolites to NAA, creatine and choline together."""
    return tuple(Tie(name, _BIG_THREE, ratio, sd) for name, (ratio, sd) in _WEAK.items())


def lipid_ties(names: tuple[str, ...]) -> tuple[Tie, ...]:
    """Columns of lipids are expected at nothing, far too loosely to lower any that are there.

    Without it opposite phases of one lipid could take away each other at any size.
    """
    return tuple(Tie(name, (("Cr", 1.0), ("PCr", 1.0)), 0.0, _LIPID_SD) for name in names)


#: In units of creatine; scalp as high as NAA has an amplitude of 10 to 50.
_LIPID_SD = 100.0
