"""A dwell time or a frequency that the lines of a spectrum contradict."""

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.mrs.builtin.signal.axis import check_axis, line_scale

from ...conftest import DWELL_S, FREQUENCY_MHZ, noise, noise_sd


@pytest.mark.parametrize("snr", [15, 80])
def test_the_lines_of_a_sound_spectrum_lie_where_they_should(clean_fid: np.ndarray, snr: int):
    fid = clean_fid + noise(clean_fid.shape, noise_sd(clean_fid, snr), seed=3)
    lines = line_scale(fid, dwell_s=DWELL_S, frequency_mhz=FREQUENCY_MHZ)
    assert lines.clear
    assert abs(lines.scale - 1) < 0.006
    check_axis(lines, name="x", dwell_s=DWELL_S, frequency_mhz=FREQUENCY_MHZ)


@pytest.mark.parametrize("factor", [0.5, 0.75, 4 / 3, 2.0])
def test_another_dwell_time_is_refused_and_the_true_one_named(
    clean_fid: np.ndarray, factor: float
) -> None:
    fid = clean_fid + noise(clean_fid.shape, noise_sd(clean_fid, 30), seed=3)
    told = {"dwell_s": factor * DWELL_S, "frequency_mhz": FREQUENCY_MHZ}
    lines = line_scale(fid, **told)
    assert lines.scale == pytest.approx(1 / factor, rel=0.02)
    with pytest.raises(DatasetError, match=r"NAA, creatine and choline lie .* times as far apart"):
        check_axis(lines, name="x", **told)


@pytest.mark.parametrize("share", [0.976, 1.024])
def test_a_frequency_that_is_some_percent_off_shows(clean_fid: np.ndarray, share: float) -> None:
    lines = line_scale(clean_fid, dwell_s=DWELL_S, frequency_mhz=share * FREQUENCY_MHZ)
    assert lines.clear
    assert lines.scale == pytest.approx(1 / share, abs=0.006)


def test_one_line_alone_proves_no_other_axis() -> None:
    """Choline of a tumour; noise around it."""
    t = np.arange(2048) * DWELL_S
    fid = np.exp((2j * np.pi * (3.21 - 4.65) * FREQUENCY_MHZ - np.pi * 6) * t)
    fid = fid + noise(fid.shape, noise_sd(fid, 30), seed=1)
    lines = line_scale(fid, dwell_s=DWELL_S, frequency_mhz=FREQUENCY_MHZ)
    assert not lines.clear
    check_axis(lines, name="x", dwell_s=DWELL_S, frequency_mhz=FREQUENCY_MHZ)
