r"""A real PRESS spectrum with two bases: ratios against healthy adults, voxel, scale of the water.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
        python benchmarks/mrs_real.py ../shared/data --basis BASIS_FILE

One averaged spectrum of the posterior cingulate (Osprey's example data). The basis file of another
echo time is used all the same, and said to be. Then the same spectrum is fitted again and again with
a little more noise, width and first-order phase; and the formulas of repeatability are held against
those of a published study of two sessions.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from commissure.intraclass import icc_a1
from commissure.mrs.acquisition.nifti_mrs import Svs, read_svs
from commissure.mrs.builtin.basis.choice import sequence_of
from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.basis.simulated import simulated_basis
from commissure.mrs.builtin.basis.stored import check_basis, read_basis, stored_basis_on
from commissure.mrs.builtin.eddy_evidence import with_suiting_phase
from commissure.mrs.builtin.fit.spectrum import SpectralFit, fit_spectrum
from commissure.mrs.builtin.signal.average import averaged_spectrum
from commissure.mrs.builtin.signal.correction import creatine_referenced
from commissure.mrs.builtin.signal.reference_noise import noise_level
from commissure.mrs.builtin.timed_fit import timed_fit
from commissure.mrs.chemical_shift import ppm_axis
from commissure.mrs.metabolites import METABOLITES, SUMS
from commissure.mrs.quantification.relaxation import (
    RELAXATION_SETS,
    Timing,
    TissueFractions,
    concentration_factor,
)
from commissure.mrs.quantification.tissue import voxel_share
from commissure.mrs.quantification.water import water_signal
from commissure.mrs.settings import MrsSettings

#: Name in the table of published values by our name.
HEALTHY = {
    "Glu": "Glu", "Gln": "Gln", "Glx": "Glx", "GSH": "GSH", "tNAA": "tNAA", "tCho": "tCho",
    "Ins": "Myo",
}  # fmt: skip


#: Where creatine's methyl line lies.
CREATINE_PPM = 3.027


def healthy_ranges(data: Path) -> dict[str, tuple[float, float]]:
    """Mean and SD over creatine in healthy adults, by our name."""
    table = pd.read_csv(
        data / "tables" / "mrs-reference-ranges" / "Results_Healthy_All_Groups.csv",
        na_filter=False,
    )
    table = table[(table["Units"] == "Cr") & (table["Groups"] == "Norm")].set_index("Metabolite")
    return {
        name: (float(table.loc[theirs, "Mean"]), float(table.loc[theirs, "StdDev"]))
        for name, theirs in HEALTHY.items()
    }


def acquisition(data: Path) -> tuple[Svs, Svs]:
    """The spectrum and its water reference."""
    stem = data / "bids" / "sub-op01" / "mrs" / "sub-op01_acq-press_"
    svs, water = (
        read_svs(Path(f"{stem}{name}.nii.gz"), (Path(f"{stem}{name}.json"),), who="sub-op01")
        for name in ("svs", "mrsref")
    )
    return svs, water


def ratios(fit: SpectralFit) -> dict[str, float]:
    """Amplitudes over total creatine."""
    creatine = fit.total(SUMS["tCr"])[0]
    return {name: fit.total(SUMS.get(name, (name,)))[0] / creatine for name in HEALTHY}


def perturbed(svs: Svs, rng: np.random.Generator) -> Svs:
    """The averaged spectrum with a third of its noise more, up to 2 Hz and 3 degrees per ppm."""
    fid, t = svs.averaged(), np.arange(svs.points) * svs.dwell_s
    sd = float(noise_level(svs.fids)[0]) / 3
    noise = sd * (rng.normal(size=svs.points) + 1j * rng.normal(size=svs.points))
    fid = fid * np.exp(-np.pi * rng.uniform(0, 2) * t) + noise
    ppm = np.fft.ifftshift(ppm_axis(svs.points, svs.dwell_s, svs.frequency_mhz))
    # Around creatine, and constant far from all lines.
    phase = np.radians(rng.uniform(-3, 3)) * np.clip(ppm - CREATINE_PPM, -6, 6)
    turned = np.fft.ifft(np.fft.fft(fid) * np.exp(1j * phase))
    sampling: dict[str, Any] = {"dwell_s": svs.dwell_s, "frequency_mhz": svs.frequency_mhz}
    return svs.with_fid(creatine_referenced(turned, **sampling)[0])


def repeat_of_the_fit(svs: Svs, count: int) -> None:
    """Print the coefficient of variation of ratios and creatine over perturbations."""
    settings = MrsSettings()
    choice = sequence_of(svs, settings, who="sub-op01")
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(count):
        fit = timed_fit(perturbed(svs, rng), choice, settings).fit
        rows.append([*ratios(fit).values(), fit.total(SUMS["tCr"])[0]])
    values = np.array(rows)
    cv = 100 * values.std(axis=0, ddof=1) / values.mean(axis=0)
    print(f"repeat of the fit under {count} perturbations, coefficient of variation in %")
    print("over tCr       " + "".join(f"{name:>8s}" for name in (*HEALTHY, "tCr")))
    print("               " + "".join(f"{each:8.1f}" for each in cv))


#: Repeated measurements are averaged over people where the bound is at most this, in %.
MOST_CRLB_PERCENT = 50


def published_repeatability(data: Path) -> None:
    """Print how many published ICC and CV of two sessions our formulas give again.

    The authors' intraclass correlation is of all fits, their coefficient of variation of those
    whose bound is at most 50 %.
    """
    folder = data / "tables" / "mrs-reliability-osprey"
    keys = ["metabolite", "sequence", "field", "location"]
    fits = pd.read_csv(folder / "long_format.csv")
    cv = pd.read_csv(folder / "final_CV.csv").rename(columns=str.lower).set_index(keys)
    for unit in ("tCr", "tissue"):
        icc = pd.read_csv(folder / f"ICC_{unit}.csv").rename(columns=str.lower).set_index(keys)
        ours = {
            key: icc_a1(part.pivot_table(index="sub", columns="session", values=unit).to_numpy())
            for key, part in fits.groupby(keys)
        }
        _compared(f"ICC(A,1), {unit}", pd.Series(ours), icc["icc"], 1e-6)
        kept = fits[fits["CRLB"] <= MOST_CRLB_PERCENT]
        by_person = kept.groupby([*keys, "sub"])[unit].agg(["std", "mean"])
        means = (100 * by_person["std"] / by_person["mean"]).groupby(keys).mean()
        _compared(f"CV, {unit}", means, cv[f"mean_cv_{unit.lower()}"], 1e-3)


def _compared(title: str, ours: pd.Series, theirs: pd.Series, most: float) -> None:
    """Print how many values agree, and those that do not."""
    both = pd.concat([ours.rename("ours"), theirs.rename("theirs")], axis=1).dropna()
    off = both[(both["ours"] - both["theirs"]).abs() > most]
    print(f"{title}: {len(both) - len(off)} of {len(both)} published values within {most:g}")
    for key, each in off.iterrows():
        print(f"    {key}: ours {each['ours']:.6f}, published {each['theirs']:.6f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--basis", type=Path)
    parser.add_argument("--perturbations", type=int, default=20)
    options = parser.parse_args()
    svs, water = acquisition(options.data)
    sampling: dict[str, Any] = {"dwell_s": svs.dwell_s, "frequency_mhz": svs.frequency_mhz}
    spectrum = averaged_spectrum(svs, water)
    assert spectrum.water is not None
    settings = MrsSettings()
    timed = timed_fit(spectrum.svs, sequence_of(svs, settings, who="sub-op01"), settings)
    suiting = with_suiting_phase(spectrum, timed.fit, timed.basis, settings)
    if suiting is not spectrum:
        print("without the reference's phase: eddy currents have been corrected before")
        spectrum = suiting
    bases = {
        "own": simulated_basis(
            METABOLITES, PulseSequence("press", svs.te_s), points=svs.points, **sampling
        )
    }
    if options.basis is not None:
        stored = read_basis(options.basis)
        note = check_basis(
            stored, te_s=svs.te_s, frequency_mhz=svs.frequency_mhz, allow_other_echo_time=True,
            who="sub-op01",
        )  # fmt: skip
        print(f"flag: {note}")
        bases["file"] = stored_basis_on(stored, points=svs.points, **sampling)
    healthy = healthy_ranges(options.data)
    print("ratio to tCr   " + "".join(f"{name:>8s}" for name in HEALTHY))
    print("healthy mean   " + "".join(f"{healthy[name][0]:8.2f}" for name in HEALTHY))
    print("healthy 2 SD   " + "".join(f"{2 * healthy[name][1]:8.2f}" for name in HEALTHY))
    signal = water_signal(spectrum.water.averaged(), **sampling).amplitude
    timing = Timing(svs.te_s, svs.tr_s)
    for label, basis in bases.items():
        fit = fit_spectrum(spectrum.svs.averaged(), basis, **sampling)
        by_name = ratios(fit)
        print(f"{label:15s}" + "".join(f"{by_name[name]:8.2f}" for name in HEALTHY))
        off = [n for n, v in by_name.items() if abs(v - healthy[n][0]) > 2 * healthy[n][1]]
        creatine = fit.total(SUMS["tCr"])[0] / signal
        factor = concentration_factor(
            TissueFractions(0.60, 0.25, 0.15), "Cr", timing=timing, water_timing=timing,
            times=RELAXATION_SETS["fsl_mrs_3t"],
        )  # fmt: skip
        print(
            f"    outside: {off or 'none'}; residual {fit.residual_sd / fit.noise_sd:.2f} of the "
            f"noise, waves {fit.residual_structure:.1f}; tCr over water {creatine:.3e}, that is "
            f"{creatine * factor:.1f} mmol/kg at 60/25/15 % GM/WM/CSF"
        )
    path = options.data / "bids/sub-op01/anat/sub-op01_acq-skullstripped_T1w.nii.gz"
    head = nib.load(path)
    share, _ = voxel_share(svs.affine, head)
    brain = np.asanyarray(head.dataobj) > 0
    centre = ", ".join(f"{v:.1f}" for v in svs.affine[:3, 3])
    print(f"voxel centre ({centre}) mm; {100 * (share * brain).sum():.1f} % inside the brain")
    repeat_of_the_fit(spectrum.svs, options.perturbations)
    published_repeatability(options.data)


if __name__ == "__main__":
    main()
