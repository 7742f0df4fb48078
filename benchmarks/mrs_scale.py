r"""The scale of real concentrations: total creatine factor by factor, and three references of one scan.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/mrs_scale.py ../shared/data

The first spectrum is one averaged PRESS of 3 T from Osprey's example data, beside what Osprey gave
for five other people. The second is a raw STEAM of 7 T with three water references.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from commissure.mrs.acquisition.nifti_mrs import Svs, read_svs
from commissure.mrs.builtin.basis.choice import sequence_of
from commissure.mrs.builtin.eddy_evidence import with_suiting_phase
from commissure.mrs.builtin.fit.spectrum import SpectralFit
from commissure.mrs.builtin.signal.average import averaged_spectrum
from commissure.mrs.builtin.signal.reference_noise import reference_noise
from commissure.mrs.builtin.signal.water_reference import read_water
from commissure.mrs.builtin.timed_fit import timed_fit
from commissure.mrs.metabolites import SUMS
from commissure.mrs.quantification.concentrations import Estimate, concentrations
from commissure.mrs.quantification.relaxation import RELAXATION_SETS, Timing, TissueFractions
from commissure.mrs.quantification.water import water_signal
from commissure.mrs.scale_checks import WaterScaling, scale_check, scale_record
from commissure.mrs.settings import MrsSettings
from commissure.names import Scan

#: Tissue of the voxel in the T1w image of the person, by the built-in engine of anat; and what was
#: assumed before it was known.
TISSUE, ASSUMED_TISSUE = TissueFractions(0.570, 0.378, 0.052), TissueFractions(0.60, 0.25, 0.15)

#: Names in the table of Osprey's fits by marker.
OSPREY = {"tcr": "Cr_PCr", "tnaa": "NAA_NAAG", "tcho": "PCho_GPC", "ins": "Ins", "glu": "Glu"}


def mmol_per_kg(
    fit: SpectralFit, water: float, tissue: TissueFractions, timing: Timing, name: str
) -> dict[str, float]:
    """Concentrations by marker with the relaxation times of that name."""
    amplitudes = {each: Estimate(fit.total((each,))[0], 0.0) for each in fit.names}
    return concentrations(
        amplitudes, water, tissue, timing=timing, water_timing=timing, times=RELAXATION_SETS[name]
    )


def amplitude_of(water: Svs) -> float:
    """Water at time 0."""
    return water_signal(
        water.averaged(), dwell_s=water.dwell_s, frequency_mhz=water.frequency_mhz
    ).amplitude


def row(label: str, values: Mapping[str, float], over: Mapping[str, float] | None = None) -> None:
    """Print one line of a table: values, or what they are over others."""
    cells = (values[name] / over[name] if over else values[name] for name in OSPREY)
    print(f"{label:36s}" + "".join(f"{cell:8.2f}" for cell in cells))


def creatine_by_factor(data: Path) -> None:
    """Print what total creatine is made of, and what each choice does to it."""
    stem = data / "bids" / "sub-op01" / "mrs" / "sub-op01_acq-press_"
    svs, water = (
        read_svs(Path(f"{stem}{name}.nii.gz"), (Path(f"{stem}{name}.json"),), who="op01")
        for name in ("svs", "mrsref")
    )
    settings = MrsSettings()
    spectrum = averaged_spectrum(svs, water)
    first = timed_fit(spectrum.svs, sequence_of(svs, settings, who="op01"), settings)
    spectrum = with_suiting_phase(spectrum, first.fit, first.basis, settings)
    noise = reference_noise(svs, water)
    assert spectrum.water is not None and noise is not None
    print(
        f"noise of the reference over that of the spectrum {noise['noise_ratio']:.3f}: means of 48 "
        f"and {48 / noise['noise_ratio'] ** 2:.2f} shots at one gain"
    )
    amplitude = amplitude_of(spectrum.water)
    timing = Timing(svs.te_s, svs.tr_s)

    def fitted(other: MrsSettings) -> SpectralFit:
        return timed_fit(spectrum.svs, sequence_of(svs, other, who="op01"), other).fit

    fit = fitted(settings)
    usual = mmol_per_kg(fit, amplitude, TISSUE, timing, "fsl_mrs_3t")
    scaling = WaterScaling(TISSUE, timing, timing, RELAXATION_SETS["fsl_mrs_3t"])
    record = scale_record(fit.total(SUMS["tCr"])[0] / amplitude, usual, scaling)
    check = scale_check(usual, scaling)
    print(f"total creatine {usual['tcr']:.1f} mmol/kg, {check.limit}: {check.note or 'passes'}")
    print(f"    {record['tcr_over_water']:.2e} over water, {record['tcr_lcmodel_units']:.1f} in "
          f"LCModel's units; factors {record['factors']}")  # fmt: skip
    print(f"{'over it':36s}" + "".join(f"{name:>8s}" for name in OSPREY))
    assumed = mmol_per_kg(fit, amplitude, ASSUMED_TISSUE, timing, "fsl_mrs_3t")
    row("CSF of 15 % in place of 5", assumed, usual)
    for name in ("osprey_3t", "spant_3t"):
        row(f"relaxation {name}", mmol_per_kg(fit, amplitude, TISSUE, timing, name), usual)
    with_phase = mmol_per_kg(first.fit, amplitude, TISSUE, timing, "fsl_mrs_3t")
    row("eddy currents corrected twice", with_phase, usual)
    for label, other in (
        ("macromolecules published", MrsSettings(macromolecules="published")),
        ("baseline 4 per ppm", MrsSettings(baseline_flexibility_per_ppm=4.0)),
        ("baseline 0.75 per ppm", MrsSettings(baseline_flexibility_per_ppm=0.75)),
        ("as sLASER", MrsSettings(sequence="slaser")),
    ):
        refitted = fitted(other)
        row(label, mmol_per_kg(refitted, amplitude, TISSUE, timing, "fsl_mrs_3t"), usual)
    print("mmol/kg with Osprey's constants")
    row("this spectrum", mmol_per_kg(fit, amplitude, TISSUE, timing, "osprey_3t"))
    table = pd.read_csv(data / "tables" / "mrs-reliability-osprey" / "long_format.csv")
    means = table.pivot_table(
        index=["sequence", "location"], columns="metabolite", values="tissue", aggfunc="mean"
    )
    for key, each in means.iterrows():
        row(f"five people, {' '.join(map(str, key))}", {n: each[o] for n, o in OSPREY.items()})


def references_of_one_scan(data: Path) -> None:
    """Print what three water references of one raw spectrum make of it."""
    folder = data / "bids-more" / "sub-ox01" / "mrs"
    stem = "sub-ox01_acq-steam"
    associated = {}
    for run, key in ((1, "mrsref"), (2, "mrsref2"), (3, "mrsref3")):
        name = f"{stem}_run-{run}_mrsref"
        associated |= {key: folder / f"{name}.nii.gz", f"{key}_json": folder / f"{name}.json"}
    scan = Scan(
        folder / f"{stem}_svs.nii.gz", {"sub": "ox01"}, "svs", (folder / f"{stem}_svs.json",),
        associated,
    )  # fmt: skip
    svs = read_svs(scan.path, tuple(scan.sidecars), who="ox01")
    settings = MrsSettings(mixing_time_s=0.01)
    timing = Timing(svs.te_s, svs.tr_s)
    print(f"7 T: {read_water(scan, svs).steps[0]['note']}")
    print(f"{'mmol/kg in the tissue above':36s}" + "".join(f"{name:>8s}" for name in OSPREY))
    for key in ("mrsref", "mrsref2", "mrsref3"):
        beside = {"mrsref": associated[key], "mrsref_json": associated[f"{key}_json"]}
        water = read_water(replace(scan, associated=beside), svs).svs
        assert water is not None
        spectrum, noise = averaged_spectrum(svs, water), reference_noise(svs, water)
        assert spectrum.water is not None and noise is not None
        fit = timed_fit(spectrum.svs, sequence_of(svs, settings, who="ox01"), settings).fit
        values = mmol_per_kg(fit, amplitude_of(spectrum.water), TISSUE, timing, "fsl_mrs_7t")
        row(f"run {associated[key].name[23]}, noise {noise['noise_ratio']:.2f} of it", values)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    creatine_by_factor(options.data)
    references_of_one_scan(options.data)


if __name__ == "__main__":
    main()
