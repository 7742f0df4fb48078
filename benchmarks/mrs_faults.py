r"""Faults of an acquisition planted in a simulated spectrum: what they do, and what says so.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
        python benchmarks/mrs_faults.py --data ../shared/data

Files of NIfTI-MRS go through preprocessing and measuring as a dataset's do. Macromolecules are
those of another model than the fit's, so a sound spectrum is off by some percent too: each fault is
held against the same spectrum with the same noise and no fault. A fault is SILENT for a metabolite
whose ratio to creatine moves by more than its limit and whose marker is not flagged.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nifti_mrs.create_nmrs import gen_nifti_mrs

from commissure.checks import Check
from commissure.errors import CommissureError
from commissure.mrs.builtin.basis.sequences import PulseSequence, lines_of
from commissure.mrs.builtin.basis.simulated import fid_of_lines
from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.derivatives import MrsFiles, read_averaged_water
from commissure.mrs.measure import measure
from commissure.mrs.metabolites import PARTS
from commissure.mrs.quality import is_flagged
from commissure.mrs.quantification.concentrations import concentrations, read_fit
from commissure.mrs.quantification.relaxation import (
    RELAXATION_SETS,
    Timing,
    TissueFractions,
    concentration_factor,
)
from commissure.mrs.quantification.water import water_signal
from commissure.mrs.scale_checks import WaterScaling, scale_check
from commissure.mrs.settings import MrsSettings
from commissure.names import Scan
from commissure.phantom.scanner.mrs_signal import (
    DEFAULT_MMOL_PER_KG,
    LINE_T2_S,
    MACROMOLECULE_PROTONS_MMOL_PER_KG,
    MACROMOLECULE_T2_S,
    MACROMOLECULE_TE_S,
    MACROMOLECULES,
    OTHER_LINE_T2_S,
    SUMS,
    turning,
    voigt_decay,
)
from commissure.rows import read_markers

POINTS, DWELL_S, TR_S = 2048, 1 / 2000, 2.0
T = np.arange(POINTS) * DWELL_S
TISSUE = TissueFractions(0.60, 0.25, 0.15)
TIMES = RELAXATION_SETS["fsl_mrs_3t"]
#: Ratios to creatine that are held against the truth, and how far off each may be.
LIMITS = {"Glu": 0.05, "GSH": 0.12, "Ins": 0.05, "tNAA": 0.05}
#: How far creatine over water may be off, in a file whose ratios are sound.
SCALE_LIMIT = 0.10
PRESS_30 = PulseSequence("press", 0.030, 0.015)


@dataclass(frozen=True)
class Lipid:
    """A line at 1.3 ppm: its height over NAA's, and its phase."""

    over_naa: float
    degrees: float


@dataclass(frozen=True)
class Fault:
    """An acquisition as it was, and as its files tell of it.

    Attributes
    ----------
    name
        In words.
    sequence
        What the spins went through.
    later
        What they went through in every second shot; None for all alike.
    in_blocks
        Whether the later shots come after the others and not between them.
    told
        Fields of both sidecars; ``...`` leaves one out.
    told_of_spectrum, told_of_water, dynamic
        Fields of one sidecar only, and of the dimension of the spectrum's shots.
    frequency_mhz, told_mhz, told_dwell_s
        Of the spins, and what the files say.
    lipid
        Scalp in the voxel.
    eddy_rad
        Phase of eddy currents at the beginning.
    shots, averaged
        FIDs in the spectrum's file, and of how many shots each is the mean.
    water_sum
        Of how many shots the FID of the reference is the sum.
    coils
        In both files.
    spectrum, water
        What becomes of each file's data, (shots, coils, points).
    water_mm
        Edge of the reference's voxel; that of the spectrum is 20 mm.
    settings
        Of the room.
    source
        Real files by their path in the data, in place of simulated ones.
    """

    name: str
    sequence: PulseSequence = PRESS_30
    later: PulseSequence | None = None
    in_blocks: bool = False
    told: Mapping[str, Any] = field(default_factory=dict)
    told_of_spectrum: Mapping[str, Any] = field(default_factory=dict)
    told_of_water: Mapping[str, Any] = field(default_factory=dict)
    dynamic: Mapping[str, Any] = field(default_factory=dict)
    frequency_mhz: float = 123.25
    told_mhz: float | None = None
    told_dwell_s: float = DWELL_S
    lipid: Lipid | None = None
    eddy_rad: float = 0.5
    shots: int = 16
    averaged: int = 1
    water_sum: int = 1
    coils: int = 2
    spectrum: Callable[[np.ndarray], np.ndarray] = lambda data: data
    water: Callable[[np.ndarray], np.ndarray] = lambda data: data
    water_mm: float = 20.0
    settings: MrsSettings = field(default_factory=MrsSettings)
    source: str = ""


def eddy(radians: float = 0.5) -> np.ndarray:
    """Phase factor of eddy currents, (points,)."""
    return np.exp(1j * radians * np.exp(-T / 0.05))


def without(fault: Fault) -> Fault:
    """The same spectrum with nothing wrong in it or its files, and the sequence's timing told."""
    sequence = fault.sequence
    told: dict[str, Any] = {"SequenceName": sequence.name}
    if sequence.name == "steam":
        told["MixingTime"] = sequence.mixing_s
    else:
        told["FirstEchoTime"] = sequence.first_echo_s
    return Fault(
        f"none: {sequence}, {fault.shots} shots".replace(", ideal pulses", ""), sequence, told=told,
        frequency_mhz=fault.frequency_mhz, shots=fault.shots, averaged=fault.averaged,
        coils=fault.coils,
    )  # fmt: skip


def faults() -> list[Fault]:
    """Everything that is planted."""
    steam = PulseSequence("steam", 0.030, mixing_s=0.010)
    uneven = {ms: PulseSequence("press", ms / 1e3, 0.016) for ms in (80, 144)}
    short = PulseSequence("press", 0.030, 0.011)
    timing = {"MixingTime": 0.010}
    planted = [
        Fault("STEAM named svs_st", steam, told={"SequenceName": "svs_st", **timing}),
        Fault("STEAM named probe-s", steam, told={"SequenceName": "probe-s", **timing}),
        Fault("STEAM named svs_st, no mixing time", steam, told={"SequenceName": "svs_st"}),
        Fault("STEAM named PRESS", steam, told={"SequenceName": "PRESS"}),
        Fault("PRESS 30, first echo 11 ms untold", short),
        *(Fault(f"PRESS {ms}, first echo 16 ms untold", each) for ms, each in uneven.items()),
        *(Fault(f"lipid {size:g} NAA at {degrees} degrees", lipid=Lipid(size, degrees))
          for size, degrees in ((0.5, 90), (1, 90), (1, 180), (1, 270))),
        Fault("real MEGA-PRESS, ON and OFF interleaved", settings=MrsSettings(sequence="press"),
              source="bids-more/sourcedata/sub-mp01/mrs/sub-mp01_acq-megapress_interleaved"),
        Fault("water reference of 30 mm", water=lambda data: data * 1.5**3, water_mm=30.0),
        Fault("water reference conjugated", water=np.conj),
        Fault("water reference conjugated, 2 rad", water=np.conj, eddy_rad=2.0),
        Fault("water reference conjugated, one coil", water=np.conj, coils=1),
        Fault("water reference conjugated, one coil, 2 rad", water=np.conj, eddy_rad=2.0, coils=1),
        Fault("eddy currents corrected before", spectrum=lambda data: data / eddy()),
        Fault("eddy currents corrected before, 1 rad", spectrum=lambda data: data / eddy(1.0),
              eddy_rad=1.0),
        Fault("eddy currents corrected before, 2 rad", spectrum=lambda data: data / eddy(2.0),
              eddy_rad=2.0),
        Fault("TE in ms in one sidecar", told_of_spectrum={"EchoTime": 30}),
        Fault("dwell time doubled", told_dwell_s=2 * DWELL_S),
        Fault("dwell time halved", told_dwell_s=DWELL_S / 2),
        Fault("frequency of 31P at 3 T", told_mhz=49.9),
        Fault("frequency of 31P at 7 T", frequency_mhz=297.2, told_mhz=120.3),
        Fault("frequency of 1H at 2.9 T for 3 T", told_mhz=120.3),
    ]  # fmt: skip
    echoes, of_128 = [0.030, 0.080], {"NumberOfAverages": 128}
    two = Fault("", later=PulseSequence("press", 0.080, 0.040))
    planted += [
        replace(two, name="TE 30, 80 in turn, in header",
                dynamic={"EchoTime": [echoes[i % 2] for i in range(16)]}),
        replace(two, name="TE 30, 80 in turn, untold"),
        replace(two, name="TE 30, 80 in blocks, in header", in_blocks=True,
                dynamic={"EchoTime": [0.030] * 8 + [0.080] * 8}),
        replace(two, name="TE 30, 80 in blocks, untold", in_blocks=True),
        Fault("one shot, a mean, told 128", shots=1, averaged=128, told_of_spectrum=of_128),
        Fault("one shot, a sum, told 128", shots=1, averaged=128, told_of_spectrum=of_128,
              spectrum=lambda data: 128 * data),
        Fault("one shot, a sum of 128, untold", shots=1, averaged=128,
              spectrum=lambda data: 128 * data),
        Fault("16 shots, told 128", told_of_spectrum=of_128),
        Fault("water reference a sum of 8", water_sum=8),
        Fault("water reference at half the gain", water=lambda data: data / 2),
        Fault("water reference at twice the gain", water=lambda data: 2 * data),
        Fault("water reference at half the gain, in header", water=lambda data: data / 2,
              told_of_spectrum={"ReceiverGain": 30.0}, told_of_water={"ReceiverGain": 24.0}),
        Fault("water reference of another session, in header",
              told_of_spectrum={"AcquisitionDateTime": "2026-03-02T10:00:00"},
              told_of_water={"AcquisitionDateTime": "2026-05-11T09:30:00"}),
        Fault("water reference of another session, 40 Hz off",
              water=lambda data: data * np.exp(2j * np.pi * 40 * T)),
    ]  # fmt: skip
    return planted


def truth() -> dict[str, float]:
    """Millimoles per kg by column of the basis."""
    by_part: dict[str, float] = {}
    for name, usual in DEFAULT_MMOL_PER_KG.items():
        for part, share in SUMS.get(name, {name: 1.0}).items():
            by_part[part] = usual * share
    return by_part


def spectrum_of(sequence: PulseSequence, frequency_mhz: float, lipid: Lipid | None) -> np.ndarray:
    """Noise-free FID, (points,): metabolites and macromolecules in the line of a good shim."""
    by_part = truth()
    fids = {
        name: amount
        * fid_of_lines(
            *lines_of(SPIN_SYSTEMS[name], sequence, frequency_mhz=frequency_mhz),
            points=POINTS,
            dwell_s=DWELL_S,
        )
        * np.exp(-T / LINE_T2_S.get(name, OTHER_LINE_T2_S))
        for name, amount in by_part.items()
    }
    # The phantom's phase is the conjugate of NIfTI-MRS'.
    broad = sum(
        area * turning(ppm, frequency_mhz, T) * voigt_decay(T, 0.0, width * frequency_mhz)
        for ppm, width, area in MACROMOLECULES
    )
    later = np.exp(-(sequence.te_s - MACROMOLECULE_TE_S) / MACROMOLECULE_T2_S)
    signal = sum(fids.values()) + np.conj(broad) * MACROMOLECULE_PROTONS_MMOL_PER_KG / 2 * later
    if lipid is not None:
        shape = np.conj(turning(1.3, frequency_mhz, T)) * voigt_decay(T, 0.0, 0.12 * frequency_mhz)
        naa = np.abs(np.fft.fft(fids["NAA"] * voigt_decay(T, 1.0, 4.5))).max()
        shape *= lipid.over_naa * naa / np.abs(np.fft.fft(shape * voigt_decay(T, 1.0, 4.5))).max()
        signal = signal + shape * np.exp(1j * np.radians(lipid.degrees))
    return np.asarray(signal * voigt_decay(T, 1.0, 4.5))


def write(fault: Fault, folder: Path, *, snr: float, seed: int) -> Scan:
    """Write spectrum and water reference of a fault as a BIDS scan."""
    rng = np.random.default_rng(seed)
    fids = np.array([spectrum_of(fault.sequence, fault.frequency_mhz, fault.lipid)] * fault.shots)
    if fault.later is not None:
        which = slice(fault.shots // 2, None) if fault.in_blocks else slice(1, None, 2)
        fids[which] = spectrum_of(fault.later, fault.frequency_mhz, fault.lipid)
    height = np.abs(np.fft.fft(fids[0])).max()
    shift, phase = rng.normal(0, 0.5, fault.shots), rng.normal(0, 0.2, fault.shots)
    fids = fids * np.exp(2j * np.pi * shift[:, None] * T + 1j * phase[:, None])
    fids = fids * eddy(fault.eddy_rad)
    coils = np.array([0.8, 0.6j])[: fault.coils]
    te_s = fault.sequence.te_s
    timing = Timing(te_s, TR_S)
    factor = concentration_factor(TISSUE, "Cr", timing=timing, water_timing=timing, times=TIMES)
    reference = factor * voigt_decay(T, 3.0, 4.0) * eddy(fault.eddy_rad)

    def noisy(clean: np.ndarray, averaged: float) -> np.ndarray:
        # All shots together have the ratio that is asked for.
        sd = height / snr * np.sqrt(fault.shots * fault.averaged / averaged / POINTS)
        data = clean[:, None] * coils[:, None]
        return data + sd * (rng.normal(size=data.shape) + 1j * rng.normal(size=data.shape))

    kinds = {
        "svs": (fault.spectrum(noisy(fids, fault.averaged)), 20.0, fault.told_of_spectrum),
        "mrsref": (
            fault.water(fault.water_sum * noisy(reference[None], fault.water_sum)),
            fault.water_mm,
            fault.told_of_water,
        ),
    }
    told_mhz = fault.told_mhz or fault.frequency_mhz
    paths = {}
    for kind, (data, edge, more) in kinds.items():
        path = folder / f"sub-01_voi-ACC_{kind}.nii.gz"
        image = gen_nifti_mrs(
            data.transpose(2, 1, 0)[None, None, None].astype(np.complex64),
            fault.told_dwell_s, told_mhz, affine=np.diag([edge, edge, edge, 1.0]),
            dim_tags=["DIM_COIL", "DIM_DYN", None], nifti_version=1,
        )  # fmt: skip
        if kind == "svs" and fault.dynamic:
            extension = image.hdr_ext
            extension.set_dim_info(1, "DIM_DYN", hdr=dict(fault.dynamic))
            image.hdr_ext = extension
        nib.save(image.image.nibImage, path)
        fields = {"EchoTime": te_s, "RepetitionTime": TR_S, "SpectrometerFrequency": told_mhz}
        fields |= {"PulseSequenceType": "PRESS"} if "SequenceName" not in fault.told else {}
        fields |= {**fault.told, **more}
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(fields))
        paths[kind] = path
    return _scan(paths["svs"], paths["mrsref"])


def real(fault: Fault, data: Path, folder: Path) -> Scan:
    """Real files under the names of a BIDS scan."""
    path = folder / "sub-01_voi-ACC_svs.nii.gz"
    for extension in (".nii.gz", ".json"):
        target = path.with_name(path.name.replace(".nii.gz", extension))
        shutil.copy(data / f"{fault.source}{extension}", target)
    return _scan(path, None)


def _scan(path: Path, water: Path | None) -> Scan:
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    associated = {}
    if water is not None:
        beside = water.with_name(water.name.replace(".nii.gz", ".json"))
        associated = {"mrsref": water, "mrsref_json": beside}
    return Scan(path, {"sub": "01", "voi": "ACC"}, "svs", (sidecar,), associated)


@dataclass(frozen=True)
class Outcome:
    """What one spectrum became.

    Attributes
    ----------
    refused
        The error in words; empty where there was none.
    values
        Ratios to creatine over the true ones, and creatine over water (``tCr``) likewise.
    flagged
        Whether that number is marked as doubtful.
    flags
        Checks that failed.
    """

    refused: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    flagged: Mapping[str, bool] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def outcome(scan: Scan, out: Path, settings: MrsSettings) -> Outcome:
    """Preprocess and measure; compare with the truth."""
    try:
        preprocess(scan, out, anat=None, settings=settings)
        measure(scan, out, anat=None, settings=settings)
    except CommissureError as error:
        return Outcome(refused=f"{type(error).__name__}: {error}")
    table = read_markers(out / scan.derivative("markers", ".tsv")).set_index("marker")
    flags = json.loads((out / scan.derivative("qc", ".json")).read_text())["flags"]
    by_part = truth()
    sums = {name: sum(by_part[part] for part in PARTS[name]) for name in (*LIMITS, "tCr")}
    values, flagged = {}, {}
    for name in LIMITS:
        marker = f"{name.lower()}_tcr"
        there = marker in table.index
        value = float(table.loc[marker, "value"]) if there else 0.0
        values[name] = value / (sums[name] / sums["tCr"])
        # A marker that is left out is noted: nobody takes it for a number.
        flagged[name] = not there or table.loc[marker, "quality"] == "flag"
    molal = mmol_per_kg(scan, out, settings)
    if molal is not None:
        values["tCr"] = molal.get("tcr", 0.0) / sums["tCr"]
        timing = Timing(PRESS_30.te_s, TR_S)
        check = scale_check(molal, WaterScaling(TISSUE, timing, timing, TIMES))
        flags = [*flags, *([check.name] if check.passed is False else [])]
        flagged["tCr"] = is_flagged("tcr", [Check(name, None, "", False) for name in flags])
    return Outcome(values=values, flagged=flagged, flags=tuple(flags))


def mmol_per_kg(scan: Scan, out: Path, settings: MrsSettings) -> dict[str, float] | None:
    """Concentrations in the tissue that the water was made with; None without a reference."""
    files = MrsFiles.of(scan, out, voi=settings.voi)
    water = read_averaged_water(files, who=scan.who)
    if water is None:
        return None
    signal = water_signal(
        water.averaged(), dwell_s=water.dwell_s, frequency_mhz=water.frequency_mhz
    )
    timing = Timing(water.te_s, water.tr_s)
    return concentrations(
        read_fit(files.fit, who=scan.who), signal.amplitude, TISSUE,
        timing=timing, water_timing=timing, times=TIMES,
    )  # fmt: skip


class Trials:
    """Runs faults under several draws of noise; what has no fault is run once for each sequence."""

    def __init__(self, *, data: Path | None, draws: int, snr: float) -> None:
        self.data, self.draws, self.snr = data, draws, snr
        self._sound: dict[str, list[Outcome]] = {}

    def of(self, fault: Fault) -> list[Outcome]:
        """The fault in each draw; empty where its real files are not here."""
        if fault.source and self.data is None:
            return []
        every = []
        for seed in range(1 if fault.source else self.draws):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                (folder / "out").mkdir()
                if self.data is not None and fault.source:
                    scan = real(fault, self.data, folder)
                else:
                    scan = write(fault, folder, snr=self.snr, seed=seed)
                every.append(outcome(scan, folder / "out", fault.settings))
        return every

    def sound(self, fault: Fault) -> list[Outcome]:
        """The same spectra and noise without the fault; a new one is printed against the truth."""
        unspoilt = without(fault)
        key = f"{unspoilt}"
        if key not in self._sound:
            self._sound[key] = self.of(unspoilt)
            ones = [Outcome(values=dict.fromkeys((*LIMITS, "tCr"), 1.0))] * self.draws
            print(row(unspoilt.name, self._sound[key], ones, word="off"), flush=True)
        return self._sound[key]


def row(name: str, every: list[Outcome], sound: list[Outcome], word: str = "SILENT") -> str:
    """One line of the table: mean change, and what was said in how many of the draws."""
    limits = {**LIMITS, "tCr": SCALE_LIMIT}
    cells, silent = "", []
    for metabolite, limit in limits.items():
        pairs = [
            (100 * (each.values[metabolite] / was.values[metabolite] - 1), each)
            for each, was in zip(every, sound, strict=False)
            if metabolite in each.values
        ]
        cells += f"{np.mean([change for change, _ in pairs]):7.0f}" if pairs else "      -"
        if pairs and abs(np.mean([change for change, _ in pairs])) > 100 * limit:
            unsaid = sum(not each.flagged[metabolite] for _, each in pairs)
            silent += [f"{metabolite} in {unsaid}"] if unsaid else []
    said: dict[str, int] = {}
    for each in every:
        for flag in each.flags or ((f"refused: {each.refused}",) if each.refused else ()):
            said[flag] = said.get(flag, 0) + 1
    words = "; ".join(f"{k} ({n}/{len(every)})" for k, n in said.items())
    mark = f"{word} {', '.join(silent)}; " if silent else ""
    return f"{name:52s}{cells}  {mark}{words or 'nothing'}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the real data")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--snr", type=float, default=80.0)
    parser.add_argument("--only", nargs="+", default=[], help="parts of the faults' names")
    options = parser.parse_args()
    trials = Trials(data=options.data, draws=options.draws, snr=options.snr)
    print(
        f"change in %, {options.draws} draws at an SNR of {options.snr:g}; tCr is that over water"
    )
    print(f"{'fault':52s}" + "".join(f"{name:>7s}" for name in (*LIMITS, "tCr")) + "  said")
    for fault in faults():
        if options.only and not any(part in fault.name for part in options.only):
            continue
        every = trials.of(fault)
        if not every:
            print(f"{fault.name:52s}not tried: its real files are not here (--data)")
            continue
        # What is refused is held against nothing.
        sound = [] if all(each.refused for each in every) else trials.sound(fault)
        print(row(fault.name, every, sound), flush=True)


if __name__ == "__main__":
    main()
