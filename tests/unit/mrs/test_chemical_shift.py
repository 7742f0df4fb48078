import numpy as np
import pytest

from commissure.mrs.chemical_shift import WATER_PPM, ppm_axis


def test_a_line_lies_at_its_chemical_shift() -> None:
    points, dwell_s, frequency_mhz = 2000, 1 / 2000, 125.0
    t = np.arange(points) * dwell_s
    fid = np.exp(2j * np.pi * (2.0 - WATER_PPM) * frequency_mhz * t - 10 * t)
    ppm = ppm_axis(points, dwell_s, frequency_mhz)
    assert np.all(np.diff(ppm) > 0)
    peak = ppm[np.abs(np.fft.fftshift(np.fft.fft(fid))).argmax()]
    assert peak == pytest.approx(2.0, abs=1 / frequency_mhz)
