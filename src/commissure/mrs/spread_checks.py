"""Whether a metabolite hangs on choices that the fit could as well have made otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commissure.checks import Check, at_most
from commissure.mrs.metabolites import PARTS, REPORTED, is_macromolecule
from commissure.mrs.quantification.concentrations import Estimate

#: Range over four defensible fits, as a share of the ratio to creatine, above which a metabolite is
#: flagged. Simulated spectra whose ratios are right to 10 % reach .08 for glutamate and .25 for
#: glutamine and glutathione; spectra on macromolecules of another model, whose glutamate is up to
#: 32 % off, have .11 to .31.
MAX_SPREAD = {
    "Glu": 0.10, "Glx": 0.10, "Gln": 0.30, "GSH": 0.30, "tNAA": 0.20, "tCho": 0.20, "Ins": 0.20,
    "tCr": 0.10,
}  # fmt: skip

_PREFIX = "spread_"


def spread_checks(record: Mapping[str, Any]) -> list[Check]:
    """One check for each metabolite, from ``Spread`` of ``fit.json``."""
    variants = record["OverFit"]
    checks = []
    for reported in REPORTED:
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


#: Amplitude of a metabolite that is not reported over creatine, above which it has taken what is
#: not its own: none is expected above a quarter in a brain, and real spectra reach a half.
MAX_WEAK = 0.6


def weak_check(fit: Mapping[str, Estimate]) -> Check:
    """Whether a metabolite that should be weak runs to the size of creatine."""
    reported = {part for metabolite in REPORTED for part in metabolite.parts}
    sums = {metabolite.name for metabolite in REPORTED}
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
    """Whether a check is of all markers, or of this one: a spread is of one metabolite."""
    if not check_name.startswith(_PREFIX):
        return True
    metabolite = check_name.removeprefix(_PREFIX)
    # Total creatine is under every ratio only where its amplitude itself is asked for.
    return marker == metabolite or marker == f"{metabolite}_tcr"
