import numpy as np
import pytest

from commissure.mrs.quantification.water import water_signal

from ..conftest import DWELL_S, FREQUENCY_MHZ, T

SAMPLING = {"dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}


def test_water_amplitude_ignores_phase_and_a_spoilt_first_point() -> None:
    fid = 500 * np.exp(-20 * T - (12 * T) ** 2 + 2j * np.pi * 7 * T)
    assert water_signal(fid, **SAMPLING).offset_ppm == pytest.approx(7 / FREQUENCY_MHZ, abs=2e-3)
    fid = fid * np.exp(3j * np.exp(-T / 0.02))
    fid[0] /= 2
    found = water_signal(fid, **SAMPLING)
    assert found.amplitude == pytest.approx(500, rel=1e-4)
