import numpy as np
import pytest

from commissure.mrs.builtin.signal.align import align_shots, match_to, rotated, unlike_shots
from commissure.mrs.builtin.signal.combine import coil_weights, combined, noise_covariance
from commissure.mrs.builtin.signal.correction import (
    eddy_corrected,
    eddy_phase,
    orientation,
    referenced,
    water_removed,
)
from commissure.mrs.quantification.water import water_signal

from ...conftest import DWELL_S, FREQUENCY_MHZ, POINTS, T, noise, noise_sd

SAMPLING = {"dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}


def spread(values: np.ndarray) -> float:
    return float(np.std(values))


def test_planted_shifts_and_phases_are_recovered_at_snr_10(clean_fid: np.ndarray) -> None:
    generator = np.random.default_rng(11)
    shift = generator.uniform(-8, 8, 48)
    phase = generator.uniform(-60, 60, 48)
    shots = rotated(np.tile(clean_fid, (48, 1)), shift, np.radians(phase), dwell_s=DWELL_S)
    shots = shots + noise(shots.shape, noise_sd(clean_fid, 10.0), 12)
    found = align_shots(shots, **SAMPLING)
    assert spread(found.shift_hz + shift) <= 0.2
    assert spread(np.degrees(found.phase_rad) + phase) <= 2.0


def test_match_is_exact_without_noise(clean_fid: np.ndarray) -> None:
    shots = rotated(clean_fid[None], np.array([3.21]), np.array([0.4]), dwell_s=DWELL_S)
    found = match_to(shots, clean_fid, dwell_s=DWELL_S, max_shift_hz=20)
    assert found.shift_hz[0] == pytest.approx(-3.21, abs=1e-6)
    assert found.phase_rad[0] == pytest.approx(-0.4, abs=1e-6)
    assert found.match[0] == pytest.approx(1.0, abs=1e-9)


def test_corrupted_shots_are_found(clean_fid: np.ndarray) -> None:
    shots = np.tile(clean_fid, (32, 1)) + noise((32, POINTS), noise_sd(clean_fid, 20.0), 3)
    shots[[4, 19]] *= 0.3
    _, unlike = unlike_shots(shots, **SAMPLING)
    assert np.flatnonzero(unlike).tolist() == [4, 19]


def test_coils_are_whitened_and_weighted(clean_fid: np.ndarray) -> None:
    weights = np.array([1.0, 0.5j, -0.8, 0.1 + 0.1j])
    mix = np.eye(4) * [1.0, 1.0, 4.0, 1.0] + 0.1
    coils = clean_fid * weights[:, None] + np.einsum(
        "ij,sjt->sit", mix, noise((24, 4, POINTS), noise_sd(clean_fid, 20.0), 8)
    )
    water = 1e4 * np.exp(-20 * T) * weights[:, None]
    found = coil_weights(coils, water[None])
    # The best linear combination of known sensitivities in known noise.
    inverse = np.linalg.inv(mix @ mix.T)
    ideal = (inverse @ weights).conj()
    agreement = abs(np.vdot(ideal, found.weights))
    agreement /= np.linalg.norm(ideal) * np.linalg.norm(found.weights)
    assert agreement == pytest.approx(1.0, abs=1e-3)
    one = combined(water[None], found.weights)[0]
    assert abs(one[0]) == pytest.approx(1e4 * np.linalg.norm(weights), rel=1e-3)


def test_noise_covariance_of_known_noise() -> None:
    mix = np.array([[2.0, 0.0], [1.0, 1.0]])
    fids = np.einsum("ij,sjt->sit", mix, noise((64, 2, POINTS), 1.0, 4))
    np.testing.assert_allclose(noise_covariance(fids), 2 * mix @ mix.T, rtol=0.05)


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
    _, shift_ppm, phase_deg = referenced(moved, **SAMPLING)
    assert shift_ppm * FREQUENCY_MHZ == pytest.approx(-9.0, abs=0.5)
    assert phase_deg == pytest.approx(-np.degrees(1.1), abs=10)


def test_conjugated_data_are_told_from_right_ones(clean_fid: np.ndarray) -> None:
    noisy = clean_fid + noise((POINTS,), noise_sd(clean_fid, 20.0), 9)
    assert not orientation(noisy, **SAMPLING).conjugated
    assert orientation(noisy.conj(), **SAMPLING).conjugated


def test_water_amplitude_ignores_phase_and_a_spoilt_first_point() -> None:
    fid = 500 * np.exp(-20 * T - (12 * T) ** 2 + 2j * np.pi * 7 * T)
    assert water_signal(fid, **SAMPLING).offset_ppm == pytest.approx(7 / FREQUENCY_MHZ, abs=2e-3)
    fid = fid * np.exp(3j * np.exp(-T / 0.02))
    fid[0] /= 2
    found = water_signal(fid, **SAMPLING)
    assert found.amplitude == pytest.approx(500, rel=1e-4)
