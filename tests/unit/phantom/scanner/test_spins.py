"""Coupled spins: echoes that are known in closed form or published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.phantom.scanner.spin_systems import WATER_PPM, SpinGroup
from commissure.phantom.scanner.spins import (
    EchoTrain,
    Press,
    fid_at_zero,
    group_lines,
    mega_press,
    metabolite_fid,
    slaser,
)

IDEAL_TE30 = Press(field_mhz=123.25, te1_s=0.015, te2_s=0.015)


def test_echo_heights_agree_with_the_golden_numbers():
    golden = {
        0.030: {"Glu": 1.9748, "GSH": 3.9913, "NAA": 2.4117},
        0.068: {"Glu": 0.2384, "GSH": 1.1324, "NAA": 1.3433},
    }
    for te, values in golden.items():
        press = Press(123.25, te / 2, te / 2)
        for name, value in values.items():
            assert abs(fid_at_zero(name, press)) == pytest.approx(value, abs=1e-4), (name, te)


def test_uncoupled_protons_are_singlets_at_their_shift():
    group = SpinGroup((3.0, 2.0, 4.1))
    frequencies, amplitudes = group_lines(group, IDEAL_TE30)
    heights = dict(zip(np.round(frequencies, 1), amplitudes, strict=True))
    expected = [round((ppm - WATER_PPM) * 123.25 / 0.02) * 0.02 for ppm in group.ppm]
    assert sorted(np.round(expected, 1)) == sorted(heights)
    assert list(heights.values()) == pytest.approx([0.5] * 3, abs=1e-9)


def test_weak_coupling_splits_a_doublet_by_j_and_turns_it_by_pi_j_te():
    # Two spins far apart: in-phase after an echo time of 2/J, inverted after 1/J.
    group = SpinGroup((1.0, 9.0), (((1, 2), 10.0),))
    lines, amplitudes = group_lines(group, Press(4000.0, 0.1, 0.1))
    low = lines < np.median(lines)
    assert np.ptp(lines[low]) == pytest.approx(10.0, abs=0.03)
    assert amplitudes[low].sum() == pytest.approx(0.5, abs=1e-3)
    _, inverted = group_lines(group, Press(4000.0, 0.05, 0.05))
    assert inverted[low].sum() == pytest.approx(-0.5, abs=1e-3)


@pytest.mark.parametrize("sequence", ["sLASER", "MEGA-PRESS off"])
def test_other_trains_refocus_singlets_and_turn_doublets_by_pi_j_te(sequence):
    def train(te: float) -> EchoTrain:
        if sequence == "sLASER":
            return slaser(4000.0, te)
        return mega_press(4000.0, te)

    assert sum(train(0.1).delays_s) == pytest.approx(0.1)
    _, single = group_lines(SpinGroup((3.0,)), train(0.1))
    assert single == pytest.approx([0.5], abs=1e-9)
    group = SpinGroup((1.0, 9.0), (((1, 2), 10.0),))
    for te, expected in ((0.2, 0.5), (0.1, -0.5), (0.05, 0.0)):
        lines, amplitudes = group_lines(group, train(te))
        low = lines < np.median(lines)
        assert amplitudes[low].sum().real == pytest.approx(expected, abs=5e-3)


def test_editing_refocuses_what_is_coupled_to_the_inverted_proton():
    # Two spins far apart, one at the editing pulse, an echo time of 1/J: upside down without
    # editing, upright with it, so that the difference is the whole signal.
    group = SpinGroup((1.9, 9.9), (((1, 2), 10.0),))
    off, on = (group_lines(group, mega_press(4000.0, 0.1, edit_ppm=ppm)) for ppm in (7.5, 1.9))
    for (lines, amplitudes), expected in ((off, -0.5), (on, 0.5)):
        high = lines > np.median(lines)
        assert amplitudes[high].sum().real == pytest.approx(expected, abs=5e-3)
    # Crushed where the editing pulse itself turns: the singlet of NAA is nearly gone.
    naa = abs(fid_at_zero("NAA", mega_press(123.25, 0.068, edit_ppm=1.9)))
    assert naa < 0.4 * abs(fid_at_zero("NAA", mega_press(123.25, 0.068)))
    # GABA at 3.01 ppm is in the difference; creatine beside it is not.
    times = np.arange(1024) / 2000
    decay = np.exp(-times * 15)

    def difference_at_3(name: str, edited: float = 1.9) -> float:
        both = [
            metabolite_fid(name, mega_press(123.25, 0.068, edit_ppm=ppm), times)
            for ppm in (edited, 7.5)
        ]
        spectrum = np.fft.fft((both[0] - both[1]) * decay).real
        ppm = WATER_PPM - np.fft.fftfreq(1024, 1 / 2000) / 123.25
        window = (ppm > 2.85) & (ppm < 3.15)
        return float(spectrum[window].max())

    assert difference_at_3("GABA") > 20
    assert abs(difference_at_3("Cr")) < 0.02 * difference_at_3("GABA")
    # Glutathione's cysteine at 2.95 ppm is coupled to the proton at 4.56 ppm.
    assert difference_at_3("GSH", 4.56) > 10 * abs(difference_at_3("GSH", 1.9))


def test_slaser_keeps_more_of_coupled_spins_than_press():
    # Rapid refocusing spins down the evolution of strongly coupled protons.
    for name in ("Glu", "GSH", "Ins"):
        press = abs(fid_at_zero(name, Press(123.25, 0.034, 0.034)))
        assert abs(fid_at_zero(name, slaser(123.25, 0.068))) > press


def test_phosphorus_splits_lines_and_is_refocused():
    alone = SpinGroup((4.0,))
    beside = SpinGroup((4.0,), phosphorus_hz=(7.0,))
    frequencies, amplitudes = group_lines(beside, IDEAL_TE30)
    centre = group_lines(alone, IDEAL_TE30)[0][0]
    assert sorted(frequencies - centre) == pytest.approx([-3.5, 3.5], abs=0.03)
    assert amplitudes == pytest.approx([0.25, 0.25])


def test_imperfect_refocusing_spares_singlets():
    weak = replace(IDEAL_TE30, refocusing_deg=150.0)
    assert fid_at_zero("Cr", weak) == pytest.approx(2.5)
    assert abs(fid_at_zero("Glu", weak) - fid_at_zero("Glu", IDEAL_TE30)) > 0.001
