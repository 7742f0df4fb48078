"""A multi-coil, multi-shot PRESS acquisition whose every parameter is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.basis.simulated import Basis, simulated_basis
from commissure.mrs.metabolites import METABOLITES
from commissure.names import Scan

POINTS, DWELL_S, FREQUENCY_MHZ, TE_S, TR_S = 2048, 1 / 2000, 123.25, 0.03, 2.0

#: Institutional units; with WATER they make up a plausible brain.
TRUTH = {
    "Ala": 0.5, "Asc": 1.0, "Asp": 2.0, "Cr": 5.0, "PCr": 3.5, "GABA": 1.5, "Gln": 3.0,
    "Glu": 10.0, "GPC": 1.1, "GSH": 1.8, "Ins": 6.5, "Lac": 0.6, "NAA": 10.0, "NAAG": 1.2,
    "PCh": 0.5, "PE": 1.5, "sIns": 0.3, "Tau": 1.5,
}  # fmt: skip
#: As large as under the phantom's spectra; larger ones make glutamate hang on their model.
MACROMOLECULES = (12.0, 2.3, 6.0, 2.7, 10.0, 4.0, 2.7, 3.0, 2.3, 7.3, 4.7)
WATER = 42000.0

T = np.arange(POINTS) * DWELL_S


@pytest.fixture(scope="session")
def basis() -> Basis:
    return simulated_basis(
        METABOLITES,
        PulseSequence("press", TE_S),
        frequency_mhz=FREQUENCY_MHZ,
        points=POINTS,
        dwell_s=DWELL_S,
    )


@pytest.fixture(scope="session")
def clean_fid(basis: Basis) -> np.ndarray:
    """Metabolites and macromolecules; T2 and shim give creatine a Voigt line of 6.58 Hz."""
    amplitudes = np.array([TRUTH.get(name, 0.0) for name in basis.names])
    amplitudes[-basis.macromolecules :] = MACROMOLECULES
    line = np.exp(-np.pi * 2 * T - (np.pi * 4 * T) ** 2 / (4 * np.log(2)))
    return (amplitudes @ basis.fids) * line


def noise_sd(fid: np.ndarray, snr: float) -> float:
    """SD per channel of the FID for NAA's height over the SD of the real spectrum."""
    return float(np.abs(np.fft.fft(fid)).max() / snr / np.sqrt(POINTS))


def noise(shape: tuple[int, ...], sd: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return sd * (generator.normal(size=shape) + 1j * generator.normal(size=shape))


@dataclass(frozen=True)
class Acquisition:
    """What was planted."""

    scan: Scan
    shift_hz: np.ndarray
    phase_deg: np.ndarray
    bad: tuple[int, ...]


@pytest.fixture
def write_press(tmp_path: Path, clean_fid: np.ndarray) -> Callable[..., Acquisition]:
    """Write an acquisition as a BIDS scan with its water reference; fields may be spoilt."""

    def write(
        *,
        shots: int = 32,
        coils: int = 4,
        snr: float = 240.0,
        water: bool = True,
        conjugated: bool = False,
        affine: np.ndarray | None = None,
        voi: str = "ACC",
        sidecar: dict[str, Any] | None = None,
        nucleus: str = "1H",
        spoil: Callable[[np.ndarray], np.ndarray] | None = None,
        seed: int = 5,
    ) -> Acquisition:
        generator = np.random.default_rng(seed)
        shift = np.linspace(0, 3, shots) + generator.normal(0, 0.5, shots)
        phase = generator.normal(0, 12, shots)
        eddy = np.exp(1j * 0.5 * np.exp(-T / 0.05))
        residual = 60 * np.exp(2j * np.pi * 4 * T - np.pi * 10 * T + 0.7j)
        turn = np.exp(2j * np.pi * shift[:, None] * T + 1j * np.radians(phase)[:, None])
        fids = (clean_fid + residual) * eddy * turn
        bad = (7,) if shots > 8 else ()
        for index in bad:
            fids[index] *= 0.2 * np.exp(2j * np.pi * 25 * T)
        weights = generator.normal(size=coils) + 1j * generator.normal(size=coils)
        if coils == 1:
            weights = np.ones(1)
        mix = np.eye(coils) + 0.2
        sd = noise_sd(clean_fid, snr) * np.sqrt(shots) * np.linalg.norm(weights)
        data = fids[:, None] * weights[:, None]
        data = data + np.einsum("ij,sjt->sit", mix, noise(data.shape, sd, seed + 1))
        reference = WATER * np.exp(-np.pi * 7 * T) * eddy * weights[:, None]
        reference = reference + mix @ noise(reference.shape, sd, seed + 2)
        folder = tmp_path / "sub-01" / "mrs"
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"sub-01_voi-{voi}"
        associated = {}
        for suffix, values in (("svs", data), ("mrsref", reference[None])):
            if suffix == "mrsref" and not water:
                continue
            stored = values.conj() if conjugated else values
            if spoil is not None:
                stored = spoil(stored)
            _save(folder / f"{stem}_{suffix}.nii.gz", stored, affine, nucleus)
            fields = {"EchoTime": TE_S, "RepetitionTime": TR_S, "ResonantNucleus": nucleus}
            fields |= {"SpectrometerFrequency": FREQUENCY_MHZ, "PulseSequenceType": "PRESS"}
            fields |= sidecar or {}
            (folder / f"{stem}_{suffix}.json").write_text(json.dumps(fields))
        if water:
            associated = {
                "mrsref": folder / f"{stem}_mrsref.nii.gz",
                "mrsref_json": folder / f"{stem}_mrsref.json",
            }
        scan = Scan(
            folder / f"{stem}_svs.nii.gz",
            {"sub": "01", "voi": voi},
            "svs",
            (folder / f"{stem}_svs.json",),
            associated,
        )
        return Acquisition(scan, shift, phase, bad)

    return write


def _save(path: Path, data: np.ndarray, affine: np.ndarray | None, nucleus: str) -> None:
    """Write (shots, coils, points) as NIfTI-MRS with DIM_COIL and DIM_DYN."""
    import nibabel as nib
    from nifti_mrs.create_nmrs import gen_nifti_mrs

    cube = np.diag([20.0, 20.0, 20.0, 1.0]) if affine is None else affine
    image = gen_nifti_mrs(
        data.transpose(2, 1, 0)[None, None, None].astype(np.complex64), DWELL_S, FREQUENCY_MHZ,
        nucleus=nucleus, affine=cube, dim_tags=["DIM_COIL", "DIM_DYN", None], nifti_version=1,
    )  # fmt: skip
    nib.save(image.image.nibImage, path)


def line_broadened(sequence: PulseSequence, truth: dict[str, float]) -> np.ndarray:
    """The noise-free FID of metabolites after a sequence, with the line of a good shim."""
    simulated = simulated_basis(
        METABOLITES, sequence, points=POINTS, dwell_s=DWELL_S, frequency_mhz=FREQUENCY_MHZ
    )
    amplitudes = np.array([truth.get(name, 0.0) for name in simulated.names])
    line = np.exp(-np.pi * 2 * T - (np.pi * 4 * T) ** 2 / (4 * np.log(2)))
    return (amplitudes @ simulated.fids) * line
