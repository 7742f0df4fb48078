"""Spin systems: every molecule has its protons."""

from __future__ import annotations

import pytest

from commissure.phantom.scanner.spin_systems import METABOLITES
from commissure.phantom.scanner.spins import Press, fid_at_zero


@pytest.mark.parametrize(
    ("name", "protons"),
    [
        *(("Ala", 4), ("Cr", 5), ("GABA", 6), ("Gln", 5), ("Glu", 5), ("GSH", 10), ("Ins", 6)),
        *(("Lac", 4), ("NAA", 6), ("PCh", 13), ("GPC", 18), ("sIns", 6), ("Tau", 4), ("PE", 4)),
    ],
)
def test_without_an_echo_time_every_proton_counts_a_half(name, protons):
    assert fid_at_zero(name, Press(123.25, 0.0, 0.0)) == pytest.approx(protons / 2, abs=1e-5)
    assert sum(group.protons for group in METABOLITES[name]) == protons
