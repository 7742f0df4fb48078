import numpy as np
import pytest

from commissure.mrs.builtin.signal.align import align_shots, match_to, rotated, unlike_shots

from ...conftest import DWELL_S, FREQUENCY_MHZ, POINTS, noise, noise_sd

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
