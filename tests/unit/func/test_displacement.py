"""Framewise displacement where breathing is sampled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commissure.func.displacement import (
    breathing_filtered_displacement,
    with_displacement_that_counts,
)
from commissure.func.strategies import MOTION
from commissure.images.rigid import framewise_displacement

TR_S = 0.8


def breathing_head(*, amplitude_mm: float, step_mm: float = 0.0) -> np.ndarray:
    time = np.arange(500) * TR_S
    parameters = np.zeros((500, 6))
    parameters[:, 1] = amplitude_mm * np.sin(2 * np.pi * 0.27 * time)
    parameters[250:, 2] += step_mm
    return parameters


def test_breathing_is_no_displacement_and_a_step_is_one():
    parameters = breathing_head(amplitude_mm=0.3, step_mm=1.0)
    plain = framewise_displacement(parameters)
    counted = breathing_filtered_displacement(parameters, tr_s=TR_S, radius_mm=50)
    assert plain[1:].mean() > 0.2
    calm = np.r_[counted[10:240], counted[260:490]]
    assert np.isnan(counted[0])
    assert calm.max() < 0.06  # Breathing itself moves the head by 0.6 mm.
    assert counted[250:253].max() == pytest.approx(1.0, abs=0.15)
    assert (counted[250:252] > 0.5).all()


def test_the_displacement_that_counts_depends_on_the_repetition_time():
    parameters = breathing_head(amplitude_mm=0.3)
    table = pd.DataFrame(parameters, columns=list(MOTION))
    table["framewise_displacement"] = framewise_displacement(parameters)
    for tr_s, filtered, changed in ((0.8, True, True), (0.8, False, False), (2.0, True, False)):
        counted, words = with_displacement_that_counts(
            table, tr_s=tr_s, radius_mm=50, filtered=filtered
        )
        assert ("framewise_displacement_unfiltered" in counted) == changed
        assert ("0.2 to 0.5 Hz" in words) == changed
        if not changed:
            pd.testing.assert_frame_equal(counted, table)
    counted, _ = with_displacement_that_counts(
        table[["trans_x", "framewise_displacement"]], tr_s=0.8, radius_mm=50, filtered=True
    )
    assert "framewise_displacement_unfiltered" not in counted
