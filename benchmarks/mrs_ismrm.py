r"""The ISMRM 2016 fitting challenge: the water-scaling test, and spectra 1 to 8 with the given basis.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
        python benchmarks/mrs_ismrm.py ../shared/data/mrs-ismrm2016 --basis BASIS_FILE

Without a basis file only the water-scaling test is done. The constants are those of the
challenge's own description. The truth of spectra 1 to 8 is not published with the data: what is
judged is the residual. Further tables hold the simulated basis against the given one, with each
model of macromolecules, and with the measured ones of the basis file and the two metabolites that
only the challenge has. The first echo is not told (the description says 11 ms).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.basis.choice import SequenceChoice
from commissure.mrs.builtin.basis.lcmodel import read_raw
from commissure.mrs.builtin.basis.sequences import PulseSequence, lines_of
from commissure.mrs.builtin.basis.simulated import Basis, fid_of_lines
from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS
from commissure.mrs.builtin.basis.stored import check_basis, read_basis, stored_basis_on
from commissure.mrs.builtin.basis.ties import MacromoleculeModel
from commissure.mrs.builtin.fit.spectrum import SpectralFit, fit_spectrum
from commissure.mrs.builtin.signal.correction import creatine_referenced, water_removed
from commissure.mrs.builtin.timed_fit import timed_fit
from commissure.mrs.metabolites import FURTHER_METABOLITES, METABOLITES
from commissure.mrs.quality import MAX_STRUCTURE
from commissure.mrs.quantification.water import water_signal
from commissure.mrs.settings import MrsPreprocessSettings
from commissure.mrs.spread_checks import MAX_SPREAD

#: Of the challenge's description: sampling, and what turns an amplitude ratio into mmol/l.
SAMPLING: dict[str, Any] = {"dwell_s": 1 / 4000, "frequency_mhz": 123.2}
TE_S, POINTS = 0.030, 2048
WATER_MM, METABOLITE_DECAY = 29697.0, np.exp(-30 / 160)


def creatine_mm(folder: Path) -> float:
    """Creatine of the water-scaling test, from a fit of its two singlets."""
    stem = folder / "Cr_10mM_test_water_scaling"
    fid = read_raw(stem.with_suffix(".RAW"), who="challenge")
    water = read_raw(stem.with_suffix(".H2O"), who="challenge")
    lines = lines_of(
        SPIN_SYSTEMS["Cr"], PulseSequence("press", TE_S), frequency_mhz=SAMPLING["frequency_mhz"]
    )
    column = fid_of_lines(*lines, points=len(fid), dwell_s=SAMPLING["dwell_s"])
    basis = Basis(("Cr",), column[None], 0, "two singlets")
    ready, _, _ = creatine_referenced(fid, **SAMPLING)
    fit = fit_spectrum(ready, basis, **SAMPLING)
    scale = water_signal(water, **SAMPLING).amplitude
    return float(fit.total(("Cr",))[0] / scale * WATER_MM / METABOLITE_DECAY)


def challenge_fit(folder: Path, number: int, basis: Basis) -> tuple[SpectralFit, float]:
    """Fit of one spectrum, and the amplitude of its water."""
    stem = folder / f"dataset{number:02d}"
    fid = read_raw(stem.with_suffix(".RAW"), who="challenge")
    water = water_signal(read_raw(stem.with_suffix(".H2O"), who="challenge"), **SAMPLING)
    clean, _ = water_removed(fid, **SAMPLING)
    ready, _, _ = creatine_referenced(clean, **SAMPLING)
    return fit_spectrum(ready, basis, **SAMPLING), water.amplitude


#: What the second table compares: name, columns, and the difference from which it is missed.
COMPARED = {
    "tCr": (("Cr", "PCr"), 0.10), "tNAA": (("NAA", "NAAG"), 0.10), "Glu": (("Glu",), 0.10),
    "Glx": (("Glu", "Gln"), 0.10), "GSH": (("GSH",), 0.20), "Ins": (("Ins",), 0.10),
}  # fmt: skip


def simulated_against(folder: Path, given: Basis, settings: MrsPreprocessSettings) -> None:
    """Print amounts and ratios with the simulated basis over those with the given one."""
    ratios = [f"{name}/tCr" for name in COMPARED if name != "tCr"]
    print("set  " + "".join(f"{name:>9s}" for name in (*COMPARED, *ratios)) + "   TE1 ms  CPU s")
    for number in range(1, 9):
        reference, _ = challenge_fit(folder, number, given)
        fid = read_raw((folder / f"dataset{number:02d}").with_suffix(".RAW"), who="challenge")
        ready, _, _ = creatine_referenced(water_removed(fid, **SAMPLING)[0], **SAMPLING)
        svs = Svs(
            "set", ready[None, None], SAMPLING["dwell_s"], SAMPLING["frequency_mhz"], TE_S, 2.0,
            np.eye(4),
        )  # fmt: skip
        start = time.process_time()
        timed = timed_fit(svs, SequenceChoice(PulseSequence("press", TE_S), "metadata"), settings)
        spread, record = timed.spread["Range"], timed.record
        spent = time.process_time() - start
        over = {
            name: timed.fit.total(parts)[0] / reference.total(parts)[0]
            for name, (parts, _) in COMPARED.items()
        }
        doubtful = {name: spread.get(name, 0.0) > MAX_SPREAD[name] for name in COMPARED}
        scale = doubtful["tCr"] or timed.fit.residual_structure > MAX_STRUCTURE
        cells = [f"{over[name]:8.2f}{'*' if doubtful[name] or scale else ' '}" for name in COMPARED]
        cells += [
            f"{over[name] / over['tCr']:8.2f}{'*' if doubtful[name] else ' '}"
            for name in COMPARED
            if name != "tCr"
        ]
        print(f"{number:3d}  " + "".join(cells)
              + f"   {1e3 * record['FirstEchoS']:6.1f} {spent:6.2f}")  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--basis", type=Path)
    options = parser.parse_args()
    print(f"creatine of the water-scaling test: {creatine_mm(options.folder):.3f} mM (10.82)")
    if options.basis is None:
        return
    stored = read_basis(options.basis)
    note = check_basis(
        stored, te_s=TE_S, frequency_mhz=SAMPLING["frequency_mhz"], allow_other_echo_time=True,
        who="challenge",
    )  # fmt: skip
    print(f"flag: {note}\nmM, with the constants of the description")
    basis = stored_basis_on(stored, points=POINTS, **SAMPLING)
    shown = {"tNAA": ("NAA", "NAAG"), "tCr": ("Cr", "PCr"), "tCho": ("GPC", "PCh")}
    shown |= {name: (name,) for name in ("Glu", "Gln", "GSH", "Ins", "GABA", "Lac", "Mac")}
    print(
        "set  " + "".join(f"{name:>7s}" for name in shown) + "   res/noise  waves  p        CPU s"
    )
    for number in range(1, 9):
        start = time.process_time()
        fit, water = challenge_fit(options.folder, number, basis)
        spent = time.process_time() - start
        values = (
            fit.total(parts)[0] / water * WATER_MM / METABOLITE_DECAY for parts in shown.values()
        )
        print(
            f"{number:3d}  " + "".join(f"{value:7.2f}" for value in values)
            + f"   {fit.residual_sd / fit.noise_sd:6.2f}  {fit.residual_structure:6.2f}"
            f"  {fit.residual_p:7.2f} {spent:6.2f}"
        )  # fmt: skip
    models: tuple[MacromoleculeModel, ...] = ("soft", "published")
    by_name = {name: MrsPreprocessSettings(macromolecules=name) for name in models}
    measured = MrsPreprocessSettings(
        measured_macromolecules=str(options.basis),
        metabolites=(*METABOLITES, *FURTHER_METABOLITES),
    )
    rows: dict[str, MrsPreprocessSettings] = {**by_name, "measured, with Gly and Glc": measured}
    for name, settings in rows.items():
        print(f"simulated over given basis, macromolecules {name}; * flagged")
        simulated_against(options.folder, basis, settings)


if __name__ == "__main__":
    main()
