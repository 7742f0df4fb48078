"""The tables that the built-in fit leaves behind: ``fit.tsv``, its sidecar, and its curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from commissure.files import write_json, write_table
from commissure.mrs.builtin.fit.spectrum import SpectralFit
from commissure.mrs.derivatives import MrsFiles
from commissure.mrs.metabolites import (
    EDITED_ONLY,
    EDITED_PARTS,
    PARTS,
    REPORTED,
    SUMS,
    is_macromolecule,
)

#: Pairs of columns whose correlation is recorded.
_CORRELATED = (("Glu", "Gln"), ("GSH", "Glu"), ("GSH", "Gln"), ("GSH", "MM30"), ("Cr", "PCr"))

#: Where creatine's methyl line and edited GABA lie, and how far their areas reach, ppm.
METHYL_PPM, METHYL_REACH_PPM = 3.02, 0.3


@dataclass(frozen=True)
class FitResult:
    """The fits of one acquisition, and what their bases were.

    Attributes
    ----------
    fit
        Of the spectrum, or of the unedited one of an edited pair.
    basis
        How its basis was made.
    basis_flag
        What is doubtful about the basis; empty where nothing is.
    difference
        Fit of the edited difference; None where nothing is edited.
    difference_basis
        How the basis of the difference was made.
    edited
        What the difference was taken for; empty where nothing is edited.
    edited_variants
        Fits of the difference with one choice made otherwise, by what was changed.
    sequence
        What is known of the sequence of a simulated basis; empty for a basis made elsewhere.
    spread
        What other choices of the fit would give; empty for a basis made elsewhere.
    """

    fit: SpectralFit
    basis: str
    basis_flag: str = ""
    difference: SpectralFit | None = None
    difference_basis: str = ""
    edited: str = ""
    edited_variants: Mapping[str, SpectralFit] = field(default_factory=dict)
    sequence: Mapping[str, Any] = field(default_factory=dict)
    spread: Mapping[str, Any] = field(default_factory=dict)


def write_fit(result: FitResult, files: MrsFiles) -> None:
    """Write ``fit.tsv`` and ``fit.json``, and the curves as ``desc-fit_svs.tsv``.

    Where there is the fit of an edited difference, what is edited is taken from it, and its curves
    go to ``desc-difference_svs.tsv``.
    """
    fit, difference = result.fit, result.difference
    write_table(amplitude_table(fit, difference, result.edited), files.fit)
    record = fit_record(fit, result.basis, result.basis_flag)
    if result.sequence:
        record["Sequence"] = dict(result.sequence)
    if result.spread:
        record["Spread"] = dict(result.spread)
    if difference is not None:
        unedited, bound = fit.total((result.edited,))
        record["Edited"] = {
            "Metabolite": result.edited,
            **fit_record(difference, result.difference_basis),
            "HalfAreaOverCreatine": half_area_over_creatine(difference, fit),
            "HighestOverUnedited": float(np.abs(difference.data).max() / np.abs(fit.data).max()),
            "UneditedAmplitude": unedited,
            "UneditedCrlb": bound,
            "Amplitudes": {
                name: float(value)
                for name, value in zip(difference.names, difference.amplitudes, strict=True)
            },
        }
        if result.edited_variants:
            record["Edited"]["Spread"] = edited_spread(
                result.edited, difference, result.edited_variants
            )
        write_table(curve_table(difference), files.difference_curves)
    write_json(record, files.fit_record)
    write_table(curve_table(fit), files.curves)


def edited_spread(
    edited: str, difference: SpectralFit, variants: Mapping[str, SpectralFit]
) -> dict[str, Any]:
    """As :func:`commissure.mrs.builtin.fit.spread.spread_record`, of what is edited."""
    name = EDITED_ONLY[edited].name
    size = difference.total(EDITED_PARTS[name])[0]
    if not size > 0:
        return {"Range": {}, "OverFit": {}}
    over = {key: fit.total(EDITED_PARTS[name])[0] / size for key, fit in variants.items()}
    return {
        "Range": {name: float(np.ptp([1.0, *over.values()]))},
        "OverFit": {key: {name: value} for key, value in over.items()},
    }


def half_area_over_creatine(difference: SpectralFit, unedited: SpectralFit) -> float:
    """Half of the area that is edited at 3 ppm over that of creatine's methyl line.

    It is the ratio of areas that Gannet calls GABA+/Cr (Edden RAE et al., J Magn Reson Imaging
    40:1445-1452, 2014): its difference is half of ON less OFF, and it counts no protons.
    """
    names = ("GABA", "MM30")
    rows = [i for i, name in enumerate(difference.names) if name in names]
    near = np.abs(difference.ppm - METHYL_PPM) < METHYL_REACH_PPM
    area = float(difference.components[rows][:, near].sum())
    creatine = [i for i, name in enumerate(unedited.names) if name in PARTS["tCr"]]
    around = np.abs(unedited.ppm - METHYL_PPM) < METHYL_REACH_PPM
    return area / 2 / float(unedited.components[creatine][:, around].sum())


def amplitude_table(
    fit: SpectralFit, difference: SpectralFit | None = None, edited: str = ""
) -> pd.DataFrame:
    """One row per column and sum of a fit; the edited metabolite is that of the difference."""
    shifts = dict(zip(fit.names, fit.shape.shifts_hz, strict=True))
    widths = dict(zip(fit.names, fit.shape.widths_hz, strict=True))
    rows = []
    sums = {**SUMS, **EDITED_PARTS}
    more = EDITED_ONLY[edited].parts if edited in EDITED_ONLY else ()
    for name in (*fit.names, *SUMS, *more):
        source = difference if difference is not None and name in (edited, *more) else fit
        amplitude, crlb = source.total(sums.get(name, (name,)))
        rows.append(
            {
                "metabolite": name,
                "amplitude": f"{amplitude:.8g}",
                "crlb": f"{crlb:.5g}",
                "crlb_percent": f"{100 * crlb / amplitude:.4g}" if amplitude > 0 else "n/a",
                "shift_ppm": f"{shifts[name] / fit.frequency_mhz:.5f}" if name in shifts else "n/a",
                "width_hz": f"{widths[name]:.4f}" if name in widths else "n/a",
            }
        )
    return pd.DataFrame(rows)


def curve_table(fit: SpectralFit) -> pd.DataFrame:
    """Data, model, baseline and components over ppm, in units of the highest point."""
    drawn = {
        reported.name: reported.parts
        for reported in REPORTED
        if reported.drawn and set(reported.parts) & set(fit.names)
    }
    if not drawn:
        # The difference that is taken for one metabolite.
        drawn = {name: (name,) for name in EDITED_ONLY if name in fit.names}
    curves = {"ppm": fit.ppm, "data": fit.data, "model": fit.model, "baseline": fit.baseline}
    for name, parts in drawn.items():
        columns = [i for i, column in enumerate(fit.names) if column in parts]
        curves[name] = fit.components[columns].sum(axis=0)
    named = {part for parts in drawn.values() for part in parts}
    broad = [i for i, column in enumerate(fit.names) if is_macromolecule(column)]
    rest = [i for i in range(len(fit.names)) if fit.names[i] not in named and i not in broad]
    curves["macromolecules"] = fit.components[broad].sum(axis=0)
    if rest or len(drawn) > 1:
        curves["other"] = fit.components[rest].sum(axis=0)
    size = float(np.abs(fit.data).max())
    return pd.DataFrame(
        {
            name: [f"{v:.4f}" if name == "ppm" else f"{v / size:.5f}" for v in values]
            for name, values in curves.items()
        }
    )


def fit_record(fit: SpectralFit, basis: str, basis_flag: str = "") -> dict[str, Any]:
    """What the fit says about itself, for ``fit.json``."""
    creatine = fit.total(PARTS["tCr"])[0] > 0
    index = {name: i for i, name in enumerate(fit.names)}
    spread = np.sqrt(np.diag(fit.covariance))
    correlation = fit.covariance / np.outer(spread, spread)
    return {
        "Basis": basis,
        "BasisFlag": basis_flag,
        "Model": "variable projection, non-negative amplitudes, Voigt lines, one regularised shift "
        "and width per metabolite, penalised spline baseline",
        "RangePpm": [float(fit.ppm[0]), float(fit.ppm[-1])],
        "FWHMppm": fit.fwhm_ppm if creatine else None,
        "SNR": fit.snr,
        "ResidualOverNoise": fit.residual_sd / fit.noise_sd,
        "ResidualStructure": fit.residual_structure,
        "ResidualP": fit.residual_p,
        "PhaseDeg": float(np.degrees(fit.shape.phase_rad)),
        "PhaseDegPerPpm": float(np.degrees(fit.shape.phase_rad_per_ppm)),
        "ShiftPpm": fit.shape.shift_hz / fit.frequency_mhz,
        "LorentzHz": float(np.exp(fit.shape.log_lorentz)),
        "GaussHz": float(np.exp(fit.shape.log_gauss)),
        "BaselineFreedomPerPpm": fit.freedom_per_ppm,
        "Iterations": fit.iterations,
        "Correlations": {
            f"{a}-{b}": float(correlation[index[a], index[b]])
            for a, b in _CORRELATED
            if a in index and b in index
        },
    }
