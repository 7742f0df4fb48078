import numpy as np
import pytest

from commissure.mrs.builtin.signal.align import rotated
from commissure.mrs.builtin.signal.correction import (
    creatine_referenced,
    eddy_corrected,
    eddy_phase,
    orientation,
    water_removed,
)

from ...conftest import DWELL_S, FREQUENCY_MHZ, POINTS, T, noise, noise_sd

SAMPLING = {"dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}


def test_eddy_phase_is_taken_off() -> None:
    eddy = 0.8 * np.exp(-T / 0.04) + 2 * np.pi * 1.5 * T
    water = 1e4 * np.exp(-25 * T + 1j * eddy) + noise((POINTS,), 1.0, 2)
    early = T < 0.1
    np.testing.assert_allclose(eddy_phase(water, dwell_s=DWELL_S)[early], eddy[early], atol=0.01)
    flat = eddy_corrected(np.exp(-9 * T + 1j * eddy), eddy_phase(water, dwell_s=DWELL_S))
    assert np.abs(np.angle(flat[early])).max() < 0.01


def test_residual_water_goes_and_metabolites_stay(clean_fid: np.ndarray) -> None:
    water = 200 * np.exp(2j * np.pi * 3 * T - np.pi * 9 * T)
    water += 100 * np.exp(-2j * np.pi * 5 * T - np.pi * 12 * T + 1j)
    sd = noise_sd(clean_fid, 200.0)
    left, removed = water_removed(clean_fid + water + noise((POINTS,), sd, 6), **SAMPLING)
    assert removed == pytest.approx(abs(200 + 100 * np.exp(1j)), rel=0.05)
    assert np.std(left - clean_fid) < 2 * sd


def test_creatine_is_brought_to_its_place(clean_fid: np.ndarray) -> None:
    moved = rotated(clean_fid, 9.0, 1.1, dwell_s=DWELL_S)
    _, shift_ppm, phase_deg = creatine_referenced(moved, **SAMPLING)
    assert shift_ppm * FREQUENCY_MHZ == pytest.approx(-9.0, abs=0.5)
    assert phase_deg == pytest.approx(-np.degrees(1.1), abs=10)


def test_conjugated_data_are_told_from_right_ones(clean_fid: np.ndarray) -> None:
    noisy = clean_fid + noise((POINTS,), noise_sd(clean_fid, 20.0), 9)
    assert not orientation(noisy, **SAMPLING).conjugated
    assert orientation(noisy.conj(), **SAMPLING).conjugated
