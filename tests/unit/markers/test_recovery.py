"""Agreement with the truth, on values whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commissure.markers.recovery import icc_a1, recovery, truth_pairs
from commissure.rows import COLUMNS


def test_icc_of_shrout_and_fleiss():
    # Shrout & Fleiss, Psychol Bull 86:420-428, 1979, tables 2 and 4: ICC(2,1) = .29.
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert icc_a1(np.array(ratings)) == pytest.approx(0.2898, abs=1e-4)


def test_perfect_agreement_is_one_and_a_constant_error_is_not():
    values = np.arange(10.0)
    assert icc_a1(np.column_stack([values, values])) == pytest.approx(1)
    assert icc_a1(np.column_stack([values, values + 3])) < 0.7


def table(values, shift=0.0):
    frame = pd.DataFrame({"participant_id": [f"sub-{i:02d}" for i in range(len(values))]})
    frame = frame.assign(
        session="", modality="mrs", region="ACC", marker="glu", value=values + shift,
        unit="mmol/kg", quality="ok",
    )  # fmt: skip
    return frame[list(COLUMNS)]


def test_bias_slope_and_effects_of_a_known_distortion():
    rng = np.random.default_rng(3)
    true = rng.normal(10, 1, 60)
    true[40:] += 1
    labels = ["control"] * 20 + ["responsive"] * 20 + ["resistant"] * 20
    groups = pd.DataFrame({"participant_id": table(true)["participant_id"], "label": labels})
    found = table(true)
    found["value"] = 2 * found["value"] + 1
    row = recovery(truth_pairs(table(true), found), groups).iloc[0]
    assert row["slope"] == pytest.approx(2)
    assert row["bias"] == pytest.approx(true.mean() + 1)
    assert row["bias_percent"] == pytest.approx(100 * (true.mean() + 1) / true.mean())
    assert row["recovered_d"] == pytest.approx(row["true_d"])
    assert row["true_d_low"] < row["true_d"] < row["true_d_high"]


def test_only_what_both_know_is_compared():
    pairs = truth_pairs(table(np.arange(5.0)), table(np.arange(3.0)))
    assert pairs["participant_id"].tolist() == ["sub-00", "sub-01", "sub-02"]
