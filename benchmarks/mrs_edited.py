r"""GABA of edited spectra with known concentrations, and of a real one in the units of Gannet.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
        python benchmarks/mrs_edited.py --data ../shared/data

The generator's editing pulses last 14 ms, during which spins precess and couple; those of the fit
take no time. Macromolecules that are edited along lie at 3.00 ppm and are narrower than the fit's.
Shots drift, and go through files, preprocessing and measuring as a dataset's do. ``gaba_tcr`` counts
molecules. Gannet divides half of the difference's area by that of creatine's methyl line: that is
printed as the fit has it (``HalfAreaOverCreatine``), and as one Gaussian on a straight line gives it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nifti_mrs.create_nmrs import gen_nifti_mrs
from scipy.linalg import expm
from scipy.optimize import curve_fit

from commissure.mrs.builtin.basis.sequences import PulseSequence, lines_of
from commissure.mrs.builtin.basis.simulated import fid_of_lines
from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS, CoupledProtons
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.chemical_shift import WATER_PPM
from commissure.mrs.derivatives import MrsFiles
from commissure.mrs.measure import measure
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

POINTS, DWELL_S, FREQUENCY_MHZ = 2048, 1 / 2000, 127.79
TE_S, PULSE_S, STEPS, SHOTS = 0.068, 0.014, 60, 20
EDIT_PPM = {"ON": 1.9, "OFF": 7.5}
T = np.arange(POINTS) * DWELL_S
#: Place and width of the macromolecules that are edited along, ppm.
BROAD_PPM, BROAD_FWHM_PPM = 3.00, 0.13


def _operators(spins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pauli = 0.5 * np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    every = [
        [np.kron(np.kron(np.eye(2**s), axis), np.eye(2 ** (spins - s - 1))) for s in range(spins)]
        for axis in pauli
    ]
    x, y, z = np.array(every)
    return x, y, z


def edited_lines(
    group: CoupledProtons, edit_ppm: float, first_echo_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz from water and amplitudes after MEGA-PRESS with pulses that take time."""
    x, y, z = _operators(len(group.ppm))
    offsets = (np.array(group.ppm) - WATER_PPM) * FREQUENCY_MHZ
    energy = 2 * np.pi * np.einsum("s,sij->ij", offsets, z)
    for i, k, j_hz in group.j_hz:
        energy = energy + 2 * np.pi * j_hz * sum(axis[i] @ axis[k] for axis in (x, y, z))
    all_x, all_y, all_z = x.sum(0), y.sum(0), z.sum(0)
    level = np.rint(np.diag(all_z).real)
    order = level[:, None] - level[None, :]
    carrier = 2 * np.pi * (edit_ppm - WATER_PPM) * FREQUENCY_MHZ
    bell = np.exp(-0.5 * (((np.arange(STEPS) + 0.5) / STEPS - 0.5) / 0.165) ** 2)
    selective = np.eye(len(energy), dtype=complex)
    for angle in bell * np.pi / bell.sum():
        step = (energy - carrier * all_z) * PULSE_S / STEPS + angle * all_y
        selective = expm(-1j * step) @ selective
    selective = expm(-1j * carrier * all_z * PULSE_S) @ selective
    refocusing = expm(-1j * np.pi * all_y)

    early, late = first_echo_s / 2, (first_echo_s + TE_S) / 2
    middle = (early + late) / 2
    rho, now = all_x.astype(complex), 0.0
    for start, length, pulse in (
        (early, 0.0, refocusing), (middle - PULSE_S / 2, PULSE_S, selective),
        (late, 0.0, refocusing), (middle + TE_S / 2 - PULSE_S / 2, PULSE_S, selective),
    ):  # fmt: skip
        wait = expm(-1j * energy * (start - now))
        rho = wait @ rho @ wait.conj().T
        # Crushers around a selective pulse leave what keeps its order of coherence.
        orders = (1, -1) if length else (None,)
        parts = []
        for kept in orders:
            before = rho if kept is None else rho * (order == kept)
            after = pulse @ before @ pulse.conj().T
            parts.append(after if kept is None else after * (order == kept))
        rho, now = sum(parts), start + length
    wait = expm(-1j * energy * (TE_S - now))
    rho = wait @ rho @ wait.conj().T
    value, state = np.linalg.eigh(energy)
    rho = state.conj().T @ rho @ state
    detect = state.conj().T @ (all_x + 1j * all_y) @ state
    amplitude = 2 * rho.T * detect / len(value) * group.protons
    return ((value[:, None] - value) / (2 * np.pi)).ravel(), amplitude.ravel()


@lru_cache(maxsize=8)
def gaba(edit_ppm: float, first_echo_s: float) -> np.ndarray:
    """One unit of GABA, (points,), without decay."""
    (group,) = SPIN_SYSTEMS["GABA"]
    lines = edited_lines(group, edit_ppm, first_echo_s)
    return fid_of_lines(*lines, points=POINTS, dwell_s=DWELL_S)


@dataclass(frozen=True)
class Trial:
    """What is planted: GABA and what is edited along, over creatine, and the first echo."""

    gaba: float
    broad: float
    first_echo_s: float


def sub_spectrum(trial: Trial, condition: str) -> np.ndarray:
    """Noise-free FID, (points,)."""
    edit_ppm = EDIT_PPM[condition]
    sequence = PulseSequence("mega-press", TE_S, trial.first_echo_s, edit_ppm=edit_ppm)
    signal = np.zeros(POINTS, complex)
    for name, usual in DEFAULT_MMOL_PER_KG.items():
        for part, share in SUMS.get(name, {name: 1.0}).items():
            if part == "GABA":
                continue
            lines = lines_of(SPIN_SYSTEMS[part], sequence, frequency_mhz=FREQUENCY_MHZ)
            decay = np.exp(-T / LINE_T2_S.get(part, OTHER_LINE_T2_S))
            signal += usual * share * decay * fid_of_lines(*lines, points=POINTS, dwell_s=DWELL_S)
    creatine = DEFAULT_MMOL_PER_KG["tcr"]
    decay = np.exp(-T / LINE_T2_S.get("GABA", OTHER_LINE_T2_S))
    signal += trial.gaba * creatine * decay * gaba(edit_ppm, trial.first_echo_s)
    broad = sum(
        area * turning(ppm, FREQUENCY_MHZ, T) * voigt_decay(T, 0.0, width * FREQUENCY_MHZ)
        for ppm, width, area in MACROMOLECULES
    )
    later = np.exp(-(TE_S - MACROMOLECULE_TE_S) / MACROMOLECULE_T2_S)
    signal += np.conj(broad) * MACROMOLECULE_PROTONS_MMOL_PER_KG / 2 * later
    if condition == "ON":
        # As much area as that of edited GABA: two protons, half a unit each.
        line = turning(BROAD_PPM, FREQUENCY_MHZ, T)
        line = line * voigt_decay(T, 0.0, BROAD_FWHM_PPM * FREQUENCY_MHZ)
        signal += trial.broad * creatine * np.conj(line)
    return signal * voigt_decay(T, 1.0, 4.5)


def write(trial: Trial, folder: Path, *, snr: float, seed: int) -> Scan:
    """Shots of both conditions, drifting, as a BIDS scan; the first echo is not told."""
    rng = np.random.default_rng(seed)
    clean = {name: sub_spectrum(trial, name) for name in EDIT_PPM}
    sd = np.abs(np.fft.fft(clean["OFF"])).max() / snr * np.sqrt(SHOTS / POINTS)
    shots = []
    for fid in clean.values():
        shift = np.linspace(0, 4, SHOTS) + rng.normal(0, 0.5, SHOTS)
        phase = rng.normal(0, 0.1, SHOTS)
        turned = fid * np.exp(2j * np.pi * shift[:, None] * T + 1j * phase[:, None])
        noise = rng.normal(size=turned.shape) + 1j * rng.normal(size=turned.shape)
        shots.append(turned + sd * noise)
    image = gen_nifti_mrs(
        np.array(shots).transpose(2, 1, 0)[None, None, None].astype(np.complex64),
        DWELL_S, FREQUENCY_MHZ, affine=np.diag([30.0, 30.0, 30.0, 1.0]),
        dim_tags=["DIM_DYN", "DIM_EDIT", None], nifti_version=1,
    )  # fmt: skip
    image.set_dim_tag("DIM_EDIT", "DIM_EDIT", header={"EditCondition": list(clean)})
    path = folder / "sub-01_voi-ACC_svs.nii.gz"
    nib.save(image.image.nibImage, path)
    sidecar = path.with_name("sub-01_voi-ACC_svs.json")
    fields = {"EchoTime": TE_S, "RepetitionTime": 2.0, "SpectrometerFrequency": FREQUENCY_MHZ}
    sidecar.write_text(json.dumps({**fields, "ProtocolName": "MEGA-PRESS"}))
    return Scan(path, {"sub": "01", "voi": "ACC"}, "svs", (sidecar,), {})


def gaussian_half_area(files: MrsFiles) -> float:
    """Half of the difference over creatine's line in OFF, as Gannet's model has it."""
    difference, unedited = (
        pd.read_csv(path, sep="\t") for path in (files.difference_curves, files.curves)
    )
    size = json.loads(files.fit_record.read_text())["Edited"]["HighestOverUnedited"]
    part = difference[(difference["ppm"] > 2.79) & (difference["ppm"] < 3.35)]
    x, y = part["ppm"].to_numpy() - 3.0, part["data"].to_numpy() * size

    def model(x: np.ndarray, *p: float) -> np.ndarray:
        return p[0] * np.exp(-(((x - p[1]) / p[2]) ** 2) / 2) + p[3] + p[4] * x

    start, most = (float(np.ptp(y)), 0.0, 0.07, 0.0, 0.0), np.inf
    within = ([-most, -0.1, 0.02, -most, -most], [most, 0.1, 0.15, most, most])
    fit, _ = curve_fit(model, x, y, start, bounds=within)
    near = (unedited["ppm"] > 2.8) & (unedited["ppm"] < 3.25)
    step = float(np.diff(unedited["ppm"]).mean())
    creatine = unedited["tCr"][near].sum() * step
    return float(fit[0] * abs(fit[2]) * np.sqrt(2 * np.pi) / 2 / creatine)


def result(scan: Scan, out: Path, settings: MrsSettings) -> tuple[float, float, float, float]:
    """``gaba_tcr``, the share of macromolecules, and both half areas."""
    preprocess(scan, out, anat=None, settings=settings)
    measure(scan, out, anat=None, settings=settings)
    table = read_markers(out / scan.derivative("markers", ".tsv")).set_index("marker")["value"]
    files = MrsFiles.of(scan, out, voi=settings.voi)
    edited = json.loads(files.fit_record.read_text())["Edited"]
    parts = edited["Amplitudes"]
    share = parts["MM30"] / max(sum(parts.values()), np.finfo(float).tiny)
    half = edited["HalfAreaOverCreatine"]
    # What was fitted at zero is left out.
    return float(table.get("gaba_tcr", 0.0)), share, half, gaussian_half_area(files)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the real data")
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--snr", type=float, default=150.0)
    parser.add_argument("--trials", type=int, default=6, help="how many of the spectra")
    options = parser.parse_args()
    trials = [
        Trial(*each) for each in ((0.12, 0.12, 0.0105), (0.24, 0.0, 0.0105), (0.24, 0.24, 0.0105),
                                  (0.12, 0.12, 0.015), (0.06, 0.30, 0.015), (0.0, 0.0, 0.015))
    ]  # fmt: skip
    settings = MrsSettings(edit_on_ppm=1.9)
    print("GABA + macromolecules over creatine; molecules, and half areas over the methyl line")
    print("planted       first echo   gaba_tcr (SD)  of it broad  half area  one Gaussian")
    for trial in trials[: options.trials]:
        rows = []
        for seed in range(options.draws):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                (folder / "out").mkdir()
                scan = write(trial, folder, snr=options.snr, seed=seed)
                rows.append(result(scan, folder / "out", settings))
        mean, sd = np.mean(rows, axis=0), np.std(rows, axis=0)
        print(
            f"{trial.gaba:.2f} + {trial.broad:.2f}   {1e3 * trial.first_echo_s:4.1f} ms     "
            f"{mean[0]:8.3f} ({sd[0]:.3f}) {mean[1]:12.2f} {mean[2]:10.3f} {mean[3]:13.3f}",
            flush=True,
        )
    if options.data is None:
        return
    stem = options.data / "bids-more" / "sub-mp01" / "mrs" / "sub-mp01_acq-megapress_svs"
    scan = Scan(
        stem.with_suffix(".nii.gz"), {"sub": "mp01", "acq": "megapress"}, "svs",
        (stem.with_suffix(".json"),), {},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        values = result(scan, Path(name), settings)
    print("sub-mp01, real: gaba_tcr {:.3f}, {:.2f} of it broad, half area {:.3f}, one Gaussian "
          "{:.3f}".format(*values))  # fmt: skip


if __name__ == "__main__":
    main()
