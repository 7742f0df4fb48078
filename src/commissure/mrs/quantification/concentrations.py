"""From fitted amplitudes to ratios and concentrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.mrs.metabolites import MARKERS, REFERENCE, ReportedMetabolite
from commissure.mrs.quantification.relaxation import (
    RelaxationSet,
    Timing,
    TissueFractions,
    concentration_factor,
)


@dataclass(frozen=True)
class Estimate:
    """A fitted amplitude and its Cramér-Rao bound, in one unit."""

    amplitude: float
    crlb: float


def read_fit(path: Path, *, who: str) -> dict[str, Estimate]:
    """Read ``fit.tsv``: columns ``metabolite``, ``amplitude`` and ``crlb``.

    Raises
    ------
    DatasetError
        A column is missing, a metabolite stands twice, or the table is empty.
    """
    table = read_table(path, text=("metabolite",))
    missing = [name for name in ("metabolite", "amplitude", "crlb") if name not in table]
    if missing or table.empty or table["metabolite"].duplicated().any():
        raise DatasetError(
            who,
            found=f"{path.name} lacks {missing}" if missing else f"{path.name} is empty or repeats",
            wanted="one row per metabolite with metabolite, amplitude and crlb",
            mend=f"Write {path.name} again",
        )
    columns = (table[name].to_numpy(float) for name in ("amplitude", "crlb"))
    return {
        str(name): Estimate(float(amplitude), float(crlb))
        for name, amplitude, crlb in zip(table["metabolite"], *columns, strict=True)
    }


def _parts(fit: Mapping[str, Estimate], reported: ReportedMetabolite) -> dict[str, Estimate]:
    """The parts of a sum as far as the fit has them, else the sum under its first part's name."""
    parts = {name: fit[name] for name in reported.parts if name in fit}
    if len(parts) < len(reported.parts) and reported.name in fit:
        return {reported.parts[0]: fit[reported.name]}
    return parts


def at_zero(fit: Mapping[str, Estimate]) -> list[str]:
    """Markers whose every part the fit holds at zero."""
    return [
        marker
        for marker, reported in MARKERS.items()
        if any(name in fit for name in (*reported.parts, reported.name))
        and all(
            fit[name].amplitude <= 0 for name in (*reported.parts, reported.name) if name in fit
        )
    ]


def crlb_percent(fit: Mapping[str, Estimate]) -> dict[str, float]:
    """Cramér-Rao bounds in percent of the amplitude, of what the fit did not put at zero."""
    return {
        name: round(100 * estimate.crlb / estimate.amplitude, 2)
        for name, estimate in fit.items()
        if estimate.amplitude > 0
    }


def creatine_amplitude(fit: Mapping[str, Estimate]) -> float:
    """Amplitude of total creatine, per molecule."""
    return sum(estimate.amplitude for estimate in _parts(fit, MARKERS[REFERENCE]).values())


def ratios(fit: Mapping[str, Estimate]) -> dict[str, float]:
    """Amplitudes over total creatine, by marker name; what the fit put at zero is left out."""
    creatine = creatine_amplitude(fit)
    if not creatine > 0:
        return {}
    by_marker = {}
    for marker, reported in MARKERS.items():
        size = sum(e.amplitude for e in _parts(fit, reported).values())
        if marker != REFERENCE and np.isfinite(size) and size > 0:
            by_marker[f"{marker}_{REFERENCE}"] = size / creatine
    return by_marker


def concentrations(
    fit: Mapping[str, Estimate],
    water_amplitude: float,
    fractions: TissueFractions,
    *,
    timing: Timing,
    water_timing: Timing,
    times: RelaxationSet,
    factor_of: Callable[..., float] = concentration_factor,
) -> dict[str, float]:
    """Millimoles per kg of tissue water, by marker name; what the fit put at zero is left out.

    Parameters
    ----------
    fit
        Amplitudes per molecule, where ``water_amplitude`` is that of a molecule of water.
    fractions, timing, water_timing, times
        See :func:`commissure.mrs.quantification.relaxation.concentration_factor`; each part of a
        sum is corrected with its own relaxation times.
    factor_of
        :func:`commissure.mrs.quantification.relaxation.molar_factor` for millimoles per litre of
        tissue.
    """
    by_marker = {}
    for marker, reported in MARKERS.items():
        value = 0.0
        for name, estimate in _parts(fit, reported).items():
            factor = factor_of(
                fractions, name, timing=timing, water_timing=water_timing, times=times
            )
            value += estimate.amplitude / water_amplitude * factor
        if np.isfinite(value) and value > 0:
            by_marker[marker] = value
    return by_marker
