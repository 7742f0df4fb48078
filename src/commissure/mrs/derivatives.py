"""The tables that a fit leaves behind: ``fit.tsv``, its sidecar, and its curves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.files import read_table, write_json, write_table
from commissure.mrs.basis.simulated import is_macromolecule
from commissure.mrs.basis.spin_systems import SUMS
from commissure.mrs.fit.spectrum import Fit
from commissure.names import Scan, read_sidecars

if TYPE_CHECKING:
    import pandas as pd

#: What an edited difference is taken for.
EDITED = "GSH"

#: Components drawn by themselves in the figure of the fit; sums are one curve.
SHOWN = ("tNAA", "Glu", "Gln", "GSH", "tCr", "tCho", "Ins")


def write_fit(
    fit: Fit,
    folder: Path,
    scan: Scan,
    region: str,
    *,
    basis: str,
    basis_flag: str = "",
    difference: Fit | None = None,
    difference_basis: str = "",
) -> None:
    """Write ``fit.tsv`` and ``fit.json``, and the curves as ``desc-fit_svs.tsv``.

    Where there is the fit of an edited difference, glutathione is taken from it and its curves go
    to ``desc-difference_svs.tsv``.
    """
    import pandas as pd

    def path(suffix: str, extension: str, desc: str = "") -> Path:
        return folder / scan.derivative(suffix, extension, voi=region, desc=desc)

    rows = []
    shifts = dict(zip(fit.names, fit.shape.shifts_hz, strict=True))
    widths = dict(zip(fit.names, fit.shape.widths_hz, strict=True))
    for name in (*fit.names, *SUMS):
        source = difference if difference is not None and name == EDITED else fit
        amplitude, crlb = source.total(SUMS.get(name, (name,)))
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
    write_table(pd.DataFrame(rows), path("fit", ".tsv"))
    record = fit_record(fit, basis, basis_flag)
    if difference is not None:
        record["Edited"] = {"Metabolite": EDITED, **fit_record(difference, difference_basis)}
        unedited, bound = fit.total((EDITED,))
        record["Edited"] |= {"UneditedAmplitude": unedited, "UneditedCrlb": bound}
        write_table(_curves(difference), path("svs", ".tsv", "difference"))
    write_json(record, path("fit", ".json"))
    write_table(_curves(fit), path("svs", ".tsv", "fit"))


def _curves(fit: Fit) -> pd.DataFrame:
    """Data, model, baseline and components over ppm, in units of the highest point."""
    import pandas as pd

    curves = {"ppm": fit.ppm, "data": fit.data, "model": fit.model, "baseline": fit.baseline}
    for name in SHOWN:
        pick = [i for i, column in enumerate(fit.names) if column in SUMS.get(name, (name,))]
        curves[name] = fit.components[pick].sum(axis=0)
    known = {column for name in SHOWN for column in SUMS.get(name, (name,))}
    broad = [i for i, column in enumerate(fit.names) if is_macromolecule(column)]
    other = [i for i in range(len(fit.names)) if fit.names[i] not in known and i not in broad]
    curves["macromolecules"] = fit.components[broad].sum(axis=0)
    curves["other"] = fit.components[other].sum(axis=0)
    size = float(np.abs(fit.data).max())
    return pd.DataFrame(
        {
            name: [f"{v:.4f}" if name == "ppm" else f"{v / size:.5f}" for v in values]
            for name, values in curves.items()
        }
    )


def fit_record(fit: Fit, basis: str, basis_flag: str = "") -> dict[str, Any]:
    """What the fit says about itself, for ``fit.json``."""
    creatine = fit.total(SUMS["tCr"])[0] > 0
    index = {name: i for i, name in enumerate(fit.names)}
    spread = np.sqrt(np.diag(fit.covariance))
    correlation = fit.covariance / np.outer(spread, spread)
    pairs = [("Glu", "Gln"), ("GSH", "Glu"), ("GSH", "Gln"), ("GSH", "MM30"), ("Cr", "PCr")]
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
            for a, b in pairs
            if a in index and b in index
        },
    }


@dataclass(frozen=True)
class Curves:
    """The fitted spectrum in units of its highest point, (points,) each."""

    ppm: np.ndarray
    data: np.ndarray
    model: np.ndarray
    baseline: np.ndarray
    components: dict[str, np.ndarray]


def read_curves(path: Path) -> Curves | None:
    """Read the curves, or None where the engine left none."""
    if not path.exists():
        return None
    table = read_table(path, text=())
    values = {str(name): table[name].to_numpy(float) for name in table}
    return Curves(
        ppm=values.pop("ppm"),
        data=values.pop("data"),
        model=values.pop("model"),
        baseline=values.pop("baseline"),
        components=values,
    )


def read_record(path: Path, *, who: str) -> dict[str, Any]:
    """Read ``fit.json``, empty where the engine left none."""
    return read_sidecars((path,), who=who) if path.exists() else {}
