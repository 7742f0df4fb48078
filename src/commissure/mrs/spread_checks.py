"""Whether a metabolite hangs on choices that the fit could as well have made otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commissure.checks import Check, at_most, between
from commissure.mrs.metabolites import MARKERS, PARTS, REFERENCE, is_macromolecule
from commissure.mrs.quantification.concentrations import Estimate

#: Range over the fit and its variants, as a share of the ratio to creatine, above which a
#: metabolite is flagged. Sixteen simulated spectra without glycine, at signal-to-noise ratios of 40
#: to 100, reach .11 for glutamate, .10 for inositol, .18 for N-acetylaspartate and, where
#: glutathione is right to 15 %, .23 for it (once .26); spectra on macromolecules of another model,
#: whose glutamate is 11 to 32 % off, have .14 to .41.
MAX_SPREAD = {
    "Glu": 0.12, "Glx": 0.12, "Gln": 0.30, "GSH": 0.23, "tNAA": 0.20, "tCho": 0.20, "Ins": 0.20,
    "tCr": 0.10, "GABA+": 0.20,
}  # fmt: skip

_PREFIX, _OF_AREA = "spread_", "half_area_"


def spread_checks(record: Mapping[str, Any]) -> list[Check]:
    """One check for each metabolite, from ``Spread`` of ``fit.json`` or of its ``Edited``."""
    variants = record["OverFit"]
    checks = []
    for reported in MARKERS.values():
        spread = record["Range"].get(reported.name)
        if spread is None:
            continue
        others = ", ".join(
            f"{by_name[reported.name]:.2f} with {name}"
            for name, by_name in variants.items()
            if reported.name in by_name
        )
        note = f"over this fit: {others}"
        name = f"{_PREFIX}{reported.marker}"
        checks.append(at_most(name, float(spread), MAX_SPREAD[reported.name], note))
    return checks


#: Half of the area edited at 3 ppm over that of creatine's methyl line. Published GABA+/Cr, which
#: is that ratio, lies between about .07 and .2, and varies by 12 % among 272 healthy adults on
#: scanners of three vendors (Mikkelsen M et al., NeuroImage 159:32-45, 2017).
HALF_AREA = (0.05, 0.25)


def edited_checks(record: Mapping[str, Any]) -> list[Check]:
    """What the fit of a difference shows of GABA, from ``Edited`` of ``fit.json``."""
    checks = spread_checks(record["Spread"]) if record.get("Spread") else []
    if record.get("Metabolite") == "GABA" and record.get("HalfAreaOverCreatine") is not None:
        note = "half of the area of GABA+ over that of creatine's line, which is Gannet's GABA+/Cr"
        value = float(record["HalfAreaOverCreatine"])
        checks.append(between("half_area_gaba", value, *HALF_AREA, note))
    return checks


#: Amplitude of a metabolite that is not reported over creatine, above which it has taken what is
#: not its own: none is expected above a quarter in a brain, and real spectra reach a half.
MAX_WEAK = 0.6


def weak_check(fit: Mapping[str, Estimate]) -> Check:
    """Whether a metabolite that should be weak runs to the size of creatine."""
    reported = {part for metabolite in MARKERS.values() for part in metabolite.parts}
    sums = {metabolite.name for metabolite in MARKERS.values()}
    creatine = sum(fit[part].amplitude for part in PARTS["tCr"] if part in fit)
    weak = {
        name: estimate.amplitude / creatine
        for name, estimate in fit.items()
        if name not in reported | sums
        and not name.startswith("-")
        and not is_macromolecule(name)
        and creatine > 0
    }
    if not weak:
        return Check("weak_over_tcr", None)
    name = max(weak, key=lambda each: weak[each])
    return at_most("weak_over_tcr", weak[name], MAX_WEAK, f"{name}, the largest not reported")


def concerns(check_name: str, marker: str) -> bool:
    """Whether a check is of this marker: a spread is of one metabolite, but for creatine's."""
    metabolite = check_name.removeprefix(_PREFIX).removeprefix(_OF_AREA)
    if metabolite in (check_name, REFERENCE):
        return True
    return marker in (metabolite, f"{metabolite}_{REFERENCE}")
