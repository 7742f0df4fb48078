import json
from pathlib import Path

import numpy as np
import pytest

from commissure.mrs.builtin.basis.sequences import PulseSequence, lines_of
from commissure.mrs.builtin.basis.simulated import Basis, fid_of_lines
from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS, CoupledProtons
from commissure.mrs.chemical_shift import WATER_PPM, ppm_axis

#: |FID(0)| at 123.25 MHz, symmetric PRESS with ideal pulses, half a unit per proton.
GOLDEN = {
    (0.030, "Glu"): 1.9748, (0.030, "GSH"): 3.9913, (0.030, "NAA"): 2.4117,
    (0.068, "Glu"): 0.2384, (0.068, "GSH"): 1.1324, (0.068, "NAA"): 1.3433,
}  # fmt: skip

PROTONS = {"Glu": 5, "Gln": 5, "GSH": 10, "NAA": 6, "Cr": 5, "PCh": 13, "GPC": 18, "Ins": 6,
           "GABA": 6, "Asp": 3, "Lac": 4, "Ala": 4, "Tau": 4, "PE": 4, "NAAG": 11}  # fmt: skip


@pytest.mark.parametrize(("te_s", "name"), GOLDEN)
def test_first_point_of_press(te_s: float, name: str) -> None:
    _, amplitudes = lines_of(SPIN_SYSTEMS[name], PulseSequence("press", te_s), frequency_mhz=123.25)
    assert abs(amplitudes.sum()) == pytest.approx(GOLDEN[te_s, name], abs=1e-4)


@pytest.mark.parametrize("name", PROTONS)
def test_every_proton_counts_half_without_echo(name: str) -> None:
    _, amplitudes = lines_of(SPIN_SYSTEMS[name], PulseSequence("press", 1e-9), frequency_mhz=123.25)
    assert amplitudes.sum() == pytest.approx(PROTONS[name] / 2, abs=1e-6)


def test_without_coupling_there_are_singlets() -> None:
    group = CoupledProtons((2.0, 3.5))
    frequencies, amplitudes = lines_of((group,), PulseSequence("press", 0.03), frequency_mhz=123.25)
    at = {round(f / 123.25 + WATER_PPM, 6) for f in frequencies}
    assert at == {2.0, 3.5}
    assert amplitudes.sum() == pytest.approx(1.0, abs=1e-9)


def test_weak_doublet_inverts_at_the_echo_of_its_coupling() -> None:
    # Two spins far apart: the doublet's amplitude goes as cos(pi J TE).
    group = CoupledProtons((1.3, 4.1), ((0, 1, 7.0),))
    _, amplitudes = lines_of((group,), PulseSequence("press", 1 / 7.0), frequency_mhz=2000.0)
    assert amplitudes.sum().real == pytest.approx(-1.0, abs=1e-3)


def test_fid_of_lines_is_the_sum_of_exponentials() -> None:
    t = np.arange(300) * 5e-4
    expected = 2 * np.exp(2j * np.pi * 31 * t) - 1j * np.exp(-2j * np.pi * 200 * t)
    found = fid_of_lines(np.array([31.0, -200.0]), np.array([2, -1j]), points=300, dwell_s=5e-4)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_naa_lies_at_two_ppm(basis: Basis) -> None:
    fid = basis.fids[basis.names.index("NAA")] * np.exp(-20 * np.arange(2048) / 2000)
    spectrum = np.abs(np.fft.fftshift(np.fft.fft(fid)))
    ppm = ppm_axis(2048, 1 / 2000, 123.25)
    assert ppm[spectrum.argmax()] == pytest.approx(2.008, abs=0.005)


@pytest.mark.real
def test_golden_file_says_the_same(shared_data: Path) -> None:
    golden = json.loads((shared_data.parent / "science" / "golden.json").read_text())
    stored = golden["press_abs_fid0_123p25MHz"]
    assert stored["TE68"]["GSH"] == GOLDEN[0.068, "GSH"]
    assert stored["TE30"]["NAA_noNH"] == GOLDEN[0.030, "NAA"]
