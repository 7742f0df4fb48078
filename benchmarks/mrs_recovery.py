r"""Accuracy and speed of the spectral fit on spectra that another generator made.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/mrs_recovery.py --people 40 --draws 40

The phantom's PRESS has real flip angles, uneven echo times, macromolecules of its own and a shift
of up to 0.01 ppm for every metabolite; the fit knows nothing of it. SNR is the height of NAA over
the SD of the real spectrum. Concentrations go through a water reference, as in a study. CPU seconds
are without imports.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.basis.simulated import simulated_basis
from commissure.mrs.builtin.fit.spectrum import SpectralFit, fit_spectrum
from commissure.mrs.builtin.signal.average import averaged_spectrum
from commissure.mrs.builtin.signal.correction import creatine_referenced, water_removed
from commissure.mrs.metabolites import METABOLITES, PARTS
from commissure.phantom.scanner.mrs_signal import (
    DEFAULT_MMOL_PER_KG,
    LINE_T2_S,
    MACROMOLECULE_PROTONS_MMOL_PER_KG,
    MACROMOLECULES,
    OTHER_LINE_T2_S,
    turning,
    voigt_decay,
)
from commissure.phantom.scanner.mrs_signal import SUMS as PHANTOM_SUMS
from commissure.phantom.scanner.spins import Press, metabolite_fid

#: People below this number helped to choose the model's constants: they judge nothing.
FIRST = 100

POINTS, DWELL_S, FREQUENCY_MHZ, TE_S, TR_S = 2048, 1 / 2000, 123.25, 0.030, 2.0
SAMPLING: dict[str, Any] = {"dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}
T = np.arange(POINTS) * DWELL_S
PRESS = Press(FREQUENCY_MHZ, 0.48 * TE_S, 0.52 * TE_S, 172.0)


def metabolites(
    concentrations: Mapping[str, float], *, shift_ppm: float, rng: np.random.Generator
) -> np.ndarray:
    """Undamped by the shim, NIfTI-MRS phase; each metabolite moved by up to ``shift_ppm``."""
    signal = np.zeros(POINTS, complex)
    for name, concentration in concentrations.items():
        moved = turning(4.65 + rng.uniform(-shift_ppm, shift_ppm), FREQUENCY_MHZ, T)
        decay = np.exp(-T / LINE_T2_S.get(name, OTHER_LINE_T2_S))
        signal += concentration * metabolite_fid(name, PRESS, T) * decay * moved
    return signal


def macromolecules() -> np.ndarray:
    """What the phantom puts under the metabolites, at the echo time for which its table holds."""
    lines = [
        area * turning(ppm, FREQUENCY_MHZ, T) * voigt_decay(T, 0.0, fwhm_ppm * FREQUENCY_MHZ)
        for ppm, fwhm_ppm, area in MACROMOLECULES
    ]
    return np.sum(lines, axis=0) * MACROMOLECULE_PROTONS_MMOL_PER_KG / 2


def person_spectrum(
    number: int, *, shift_ppm: float
) -> tuple[np.ndarray, dict[str, float], float, np.random.Generator]:
    """Noise-free FID, true concentrations, height of NAA, and the generator for what follows."""
    rng = np.random.default_rng([7, FIRST + number])
    truth = {}
    for name, usual in DEFAULT_MMOL_PER_KG.items():
        total = usual * float(np.exp(0.12 * rng.normal()))
        for part, share in PHANTOM_SUMS.get(name, {name: 1.0}).items():
            truth[part] = total * share
    shim = voigt_decay(T, rng.uniform(0.5, 1.5), rng.uniform(3.5, 5.5))
    broad = rng.uniform(0.9, 1.1) * macromolecules()
    clean = (metabolites(truth, shift_ppm=shift_ppm, rng=rng) + broad) * shim
    naa = truth["NAA"] * metabolite_fid("NAA", PRESS, T) * np.exp(-T / LINE_T2_S["NAA"]) * shim
    return clean.conj(), truth, float(np.abs(np.fft.fft(naa)).max()), rng


def noisy(fid: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Add complex noise whose spectrum has SD ``sd`` in its real part."""
    noise = rng.normal(size=fid.shape) + 1j * rng.normal(size=fid.shape)
    return fid + noise * sd / np.sqrt(fid.shape[-1])


def fitted(fid: np.ndarray, **options: Any) -> SpectralFit:
    """Clean, reference and fit."""
    basis = simulated_basis(METABOLITES, PulseSequence("press", TE_S), points=POINTS, **SAMPLING)
    ready, _, _ = creatine_referenced(water_removed(fid, **SAMPLING)[0], **SAMPLING)
    return fit_spectrum(ready, basis, **SAMPLING, **options)


def accuracy(people: int, *, snr: float, shift_ppm: float, **options: Any) -> None:
    """Print recovered over true, mean and SD over people."""
    found: dict[str, list[float]] = {name: [] for name in PARTS}
    freedom, waves = [], []
    for number in range(people):
        clean, truth, height, rng = person_spectrum(number, shift_ppm=shift_ppm)
        fit = fitted(noisy(clean, height / snr, rng), **options)
        freedom.append(fit.freedom_per_ppm)
        waves.append(fit.residual_structure)
        for name, parts in PARTS.items():
            found[name].append(fit.total(parts)[0] / sum(truth[part] for part in parts))
    print(f"{people} people, SNR {snr:g}, shifts up to {shift_ppm:g} ppm {options or ''}")
    print("           " + "".join(f"{name:>8s}" for name in PARTS))
    print("bias %     " + "".join(f"{100 * (np.mean(v) - 1):8.1f}" for v in found.values()))
    print("SD %       " + "".join(f"{100 * np.std(v, ddof=1):8.1f}" for v in found.values()))
    print(f"baseline {np.mean(freedom):.2f} per ppm, waves {np.mean(waves):.2f}")


def bounds(draws: int, *, people: int, snr: float, shift_ppm: float, **options: Any) -> None:
    """Print Cramér-Rao bound over scatter, the mean over people of repeated noise."""
    ratio: dict[str, list[float]] = {name: [] for name in PARTS}
    for number in range(people):
        clean, _, height, rng = person_spectrum(number, shift_ppm=shift_ppm)
        fits = [fitted(noisy(clean, height / snr, rng), **options) for _ in range(draws)]
        for name, parts in PARTS.items():
            values = np.array([fit.total(parts) for fit in fits])
            ratio[name].append(values[:, 1].mean() / values[:, 0].std(ddof=1))
    print(f"bound / scatter, {people} people x {draws} draws, SNR {snr:g}")
    print("           " + "".join(f"{name:>8s}" for name in PARTS))
    print("           " + "".join(f"{np.mean(v):8.2f}" for v in ratio.values()))


def acquisition(
    number: int, *, shots: int, coils: int, shot_snr: float
) -> tuple[Svs, Svs, np.ndarray, np.ndarray]:
    """Spectrum and water of many coils; offsets of the shots in Hz and degrees."""
    clean, _, height, rng = person_spectrum(number, shift_ppm=0.01)
    weights = rng.normal(size=coils) + 1j * rng.normal(size=coils)
    weights /= np.linalg.norm(weights)
    shift = np.linspace(0, 4, shots) + rng.normal(0, 0.7, shots)
    phase = rng.normal(0, 12, shots)
    turn = np.exp(2j * np.pi * shift[:, None] * T + 1j * np.radians(phase)[:, None])
    data = noisy((clean * turn)[:, None] * weights[:, None], height / shot_snr, rng)
    water = 42000 * voigt_decay(T, 5, 3)
    reference = noisy((water * weights[:, None])[None], height / shot_snr, rng)
    cube = np.diag([20.0, 20.0, 20.0, 1.0])
    fields = (DWELL_S, FREQUENCY_MHZ, TE_S, TR_S, cube)
    return Svs("svs", data, *fields), Svs("mrsref", reference, *fields), shift, phase


def alignment(people: int, *, shot_snr: float) -> None:
    """Print the RMS error of frequency and phase, each person's mean taken off."""
    error: dict[str, list[float]] = {"shift_hz": [], "phase_deg": []}
    for number in range(people):
        svs, water, shift, phase = acquisition(number, shots=64, coils=8, shot_snr=shot_snr)
        step = next(
            s for s in averaged_spectrum(svs, water, shot_rejection_sd=6).steps
            if s["step"] == "alignment"
        )  # fmt: skip
        for name, planted in (("shift_hz", shift), ("phase_deg", phase)):
            off = np.array(step[name]) + planted
            error[name] += list(off - off.mean())
    hz, degrees = (float(np.sqrt(np.mean(np.square(v)))) for v in error.values())
    print(f"single-shot SNR {shot_snr:g}: frequency {hz:.3f} Hz, phase {degrees:.2f} degrees RMS")


def speed(repeats: int) -> None:
    """Print CPU seconds of one acquisition of 96 shots and 8 coils."""
    basis = simulated_basis(METABOLITES, PulseSequence("press", TE_S), points=POINTS, **SAMPLING)
    clean, fits = [], []
    for number in range(repeats):
        svs, water, _, _ = acquisition(number, shots=96, coils=8, shot_snr=12)
        start = time.process_time()
        spectrum = averaged_spectrum(svs, water)
        middle = time.process_time()
        fit_spectrum(spectrum.svs.averaged(), basis, **SAMPLING)
        clean.append(middle - start)
        fits.append(time.process_time() - middle)
    print(f"96 shots x 8 coils: preprocessing {np.mean(clean):.2f} CPU s, fit {np.mean(fits):.2f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--snr", type=float, default=100.0)
    parser.add_argument("--shift-ppm", type=float, default=0.01)
    options = parser.parse_args()
    accuracy(options.people, snr=options.snr, shift_ppm=options.shift_ppm)
    if options.draws:
        bounds(options.draws, people=6, snr=options.snr, shift_ppm=options.shift_ppm)
    alignment(6, shot_snr=10.0)
    speed(3)


if __name__ == "__main__":
    main()
