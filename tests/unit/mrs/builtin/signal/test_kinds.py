"""Shots that become another spectrum in the middle of an acquisition."""

import numpy as np

from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.signal.kinds import change_between_halves
from commissure.mrs.quality import MAX_CHANGE

from ...conftest import DWELL_S, FREQUENCY_MHZ, TRUTH, line_broadened, noise, noise_sd

SAMPLING = {"dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}


def shots_of(fids: list[np.ndarray], snr: float) -> np.ndarray:
    shots = np.array(fids)
    return shots + noise(shots.shape, noise_sd(fids[0], snr), seed=4)


def test_shots_of_one_spectrum_do_not_change() -> None:
    fid = line_broadened(PulseSequence("press", 0.03), TRUTH)
    for snr in (5.0, 20.0):
        change = change_between_halves(shots_of([fid] * 16, snr), **SAMPLING)
        assert change is not None and change < MAX_CHANGE
    assert change_between_halves(shots_of([fid] * 4, 20.0), **SAMPLING) is None


def test_another_echo_time_in_the_second_half_is_seen() -> None:
    short, long = (line_broadened(PulseSequence("press", te), TRUTH) for te in (0.03, 0.08))
    change = change_between_halves(shots_of([short] * 8 + [long] * 8, 20.0), **SAMPLING)
    assert change is not None and change > 2 * MAX_CHANGE
    in_turn = change_between_halves(shots_of([short, long] * 8, 20.0), **SAMPLING)
    assert in_turn == 0.0
