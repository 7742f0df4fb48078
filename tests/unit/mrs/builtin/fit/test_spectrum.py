import numpy as np
import pytest

from commissure.errors import QualityError
from commissure.mrs.builtin.basis.simulated import Basis
from commissure.mrs.builtin.fit.spectrum import fit_spectrum, residual_whiteness_test
from commissure.mrs.metabolites import SUMS

from ...conftest import DWELL_S, FREQUENCY_MHZ, POINTS, TRUTH, T, noise, noise_sd

SAMPLING = {"dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}


def test_noise_free_spectrum_gives_what_was_planted(basis: Basis, clean_fid: np.ndarray) -> None:
    turned = clean_fid * np.exp(2j * np.pi * 0.7 * T + 0.15j)
    sd = noise_sd(clean_fid, 1e6)
    fit = fit_spectrum(turned + noise((POINTS,), sd, 1), basis, **SAMPLING)
    for name, amplitude in TRUTH.items():
        assert fit.total((name,))[0] == pytest.approx(amplitude, rel=0.01), name
    assert fit.fwhm_ppm * FREQUENCY_MHZ == pytest.approx(6.58, abs=0.1)
    assert np.degrees(fit.shape.phase_rad) == pytest.approx(np.degrees(0.15), abs=0.05)


def test_noisy_spectra_are_not_biased(basis: Basis, clean_fid: np.ndarray) -> None:
    naa = TRUTH["NAA"] * basis.fids[basis.names.index("NAA")] * np.exp(-np.pi * 5.5 * T)
    sd = noise_sd(naa, 60.0)
    wanted = {"Glu": ("Glu",), "GSH": ("GSH",), **SUMS}
    found = {name: [] for name in wanted}
    bound = {name: [] for name in wanted}
    for seed in range(8):
        fit = fit_spectrum(clean_fid + noise((POINTS,), sd, 100 + seed), basis, **SAMPLING)
        for name, parts in wanted.items():
            amplitude, crlb = fit.total(parts)
            truth = sum(TRUTH[part] for part in parts)
            found[name].append(amplitude / truth)
            bound[name].append(crlb / truth)
        assert 0.9 < fit.residual_sd / fit.noise_sd < 1.2
    for name, limit in {"Glu": 0.05, "GSH": 0.10, "tNAA": 0.04, "tCr": 0.04, "tCho": 0.05}.items():
        assert np.mean(found[name]) == pytest.approx(1.0, abs=limit), name
    # Eight draws tell a standard deviation within about a factor of two.
    assert 0.4 < np.std(found["Glu"]) / np.mean(bound["Glu"]) < 2.0


def test_shifted_lines_do_not_spoil_glutathione(basis: Basis, clean_fid: np.ndarray) -> None:
    # GSH alone 0.01 ppm off, as at another temperature or pH.
    line = np.exp(-np.pi * 2 * T - (np.pi * 4 * T) ** 2 / (4 * np.log(2)))
    gsh = TRUTH["GSH"] * basis.fids[basis.names.index("GSH")] * line
    moved = clean_fid - gsh + gsh * np.exp(2j * np.pi * 0.01 * FREQUENCY_MHZ * T)
    fit = fit_spectrum(moved + noise((POINTS,), noise_sd(clean_fid, 300.0), 4), basis, **SAMPLING)
    assert fit.total(("GSH",))[0] == pytest.approx(TRUTH["GSH"], rel=0.10)
    shift = fit.shape.shifts_hz[fit.names.index("GSH")] / FREQUENCY_MHZ
    assert shift == pytest.approx(0.01, abs=0.005)


def test_a_smooth_background_goes_into_the_baseline(basis: Basis, clean_fid: np.ndarray) -> None:
    broad = 120 * np.exp(2j * np.pi * (2.6 - 4.65) * FREQUENCY_MHZ * T - (np.pi * 150 * T) ** 2)
    sd = noise_sd(clean_fid, 200.0)
    fit = fit_spectrum(clean_fid + broad + noise((POINTS,), sd, 2), basis, **SAMPLING)
    assert fit.total(("Glu",))[0] == pytest.approx(TRUTH["Glu"], rel=0.05)
    assert fit.baseline.max() > 0.02 * fit.data.max()


def test_noise_alone_is_refused(basis: Basis) -> None:
    with pytest.raises(QualityError, match="creatine at 3.03 ppm is"):
        fit_spectrum(noise((POINTS,), 1.0, 3), basis, **SAMPLING)


def test_waves_in_a_residual_are_told_from_noise() -> None:
    white = np.random.default_rng(2).normal(size=800)
    ratio, p = residual_whiteness_test(white)
    assert ratio == pytest.approx(1.0, abs=0.3)
    assert p > 0.01
    ratio, p = residual_whiteness_test(white + np.sin(np.arange(800) / 10))
    assert ratio > 3
    assert p < 1e-6
