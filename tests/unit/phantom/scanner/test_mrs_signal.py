"""Signals of the voxel: the sequence as it really runs, and water."""

from __future__ import annotations

import math

import numpy as np
import pytest

from commissure.phantom.scanner.mrs_signal import molal_fractions, timings_of, water_fid
from commissure.phantom.scanner.spins import Press, metabolite_fid

IDEAL_TE30 = Press(field_mhz=123.25, te1_s=0.015, te2_s=0.015)


def test_real_sequence_is_near_but_not_equal_to_ideal_pulses(tiny):
    times = np.arange(1024) / 2000
    decay = np.exp(-times / 0.07)
    for name in ("Glu", "Gln", "GSH"):
        ideal = metabolite_fid(name, IDEAL_TE30, times) * decay
        real = metabolite_fid(name, timings_of(tiny)[0], times) * decay
        scale = np.vdot(ideal, real).real / np.vdot(ideal, ideal).real
        misfit = np.linalg.norm(real - scale * ideal) / np.linalg.norm(real)
        assert scale == pytest.approx(1, abs=0.04)
        assert 0.01 < misfit < 0.08


def test_water_signal_is_the_sum_over_tissues(tiny):
    fractions = {"gm": 0.60, "wm": 0.25, "csf": 0.15}
    assert molal_fractions(fractions)["csf"] == pytest.approx(0.1875, abs=5e-5)
    times_s = {"gm": (1.50, 0.088), "wm": (0.97, 0.073), "csf": (4.47, 2.03)}
    by_hand = 55510 * sum(
        share * (1 - math.exp(-2.0 / times_s[name][0])) * math.exp(-0.03 / times_s[name][1])
        for name, share in molal_fractions(fractions).items()
    )
    assert water_fid(fractions, tiny, np.zeros(1))[0].real == pytest.approx(by_hand, rel=1e-12)
    # The factor that turns an amplitude ratio into mmol/kg, published for this very voxel.
    weight = (1 - math.exp(-2.0 / 1.29)) * math.exp(-0.03 / 0.194)
    share = 1 - molal_fractions(fractions)["csf"]
    assert by_hand / share / weight == pytest.approx(50979.6, rel=1e-5)
