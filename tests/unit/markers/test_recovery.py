"""Agreement with the truth, on values whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from commissure.intraclass import icc_a1
from commissure.markers.recovery import (
    false_positives,
    recovery,
    reliability,
    truth_pairs,
)
from commissure.outputs import RECOVERY_PAIRS
from commissure.rows import COLUMNS


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


def visits(true: np.ndarray, recovered: np.ndarray) -> pd.DataFrame:
    """Pairs of (people, sessions) values."""
    people, sessions = np.indices(true.shape)
    frame = pd.DataFrame({"true": true.ravel(), "recovered": recovered.ravel()})
    frame["participant_id"] = [f"sub-{i:03d}" for i in people.ravel()]
    frame["session"] = [f"ses-{i + 1}" for i in sessions.ravel()]
    return frame.assign(modality="mrs", region="ACC", marker="glu", unit="mmol/kg")[
        RECOVERY_PAIRS.names
    ]


def test_reliability_is_that_of_the_noise_whatever_really_changed():
    # Between-subject variance 1, noise variance 0.25: ICC 0.8.
    rng = np.random.default_rng(1)
    n = 4000
    true = rng.normal(10, 1, n)[:, None] + np.zeros((n, 2))
    noise = rng.normal(0, 0.5, (n, 2))
    steady = reliability(visits(true, true + noise))
    assert steady["reliability"] == pytest.approx(0.8, abs=0.02)
    assert steady["n_repeated"] == n
    changed = true + np.array([0.0, 3.0]) + rng.normal(0, 1, (n, 2))
    # What a person is on average still differs: 1 + 1/2; 1.5 / 1.75.
    found = reliability(visits(changed, changed + noise))
    assert found["reliability"] == pytest.approx(1.5 / 1.75, abs=0.02)
    alone = reliability(visits(true[:, :1], true[:, :1]))
    assert alone["n_repeated"] == 0 and np.isnan(alone["reliability"])


def test_everybody_counts_once():
    rng = np.random.default_rng(2)
    true = rng.normal(10, 1, (30, 1)) + np.zeros((30, 2))
    pairs = visits(true, true + np.array([1.0, 5.0]))
    groups = pd.DataFrame({"participant_id": pairs["participant_id"].unique(), "label": "control"})
    row = recovery(pairs, groups).iloc[0]
    assert row["n"] == 30 and row["bias"] == pytest.approx(1.0) and row["n_repeated"] == 30


def test_a_test_between_random_groups_is_positive_as_often_as_it_says():
    rng = np.random.default_rng(3)
    true = rng.normal(10, 1, (80, 1))
    pairs = visits(true, true)
    people = pairs["participant_id"].unique()
    groups = pd.DataFrame({"participant_id": people, "label": ["resistant", "responsive"] * 40})
    found = false_positives(pairs, groups, tests=2000)
    assert found["low"] < 0.05 < found["high"]
    assert found["high"] - found["low"] < 0.025
    # A true difference between the groups is relabelled away.
    far = visits(true, true + 5 * np.tile([[1.0], [0.0]], (40, 1)))
    assert false_positives(far, groups, tests=2000)["rate"] < 0.08
    few = false_positives(pairs, groups.assign(label="control"))
    assert few["tests"] == 0


@pytest.mark.real
@pytest.mark.parametrize(("unit", "count", "off"), [("tCr", 83, []), ("tissue", 87, ["NAA_NAAG"])])
def test_agreement_of_a_published_study_of_two_sessions(
    shared_data: Path, unit: str, count: int, off: list[str]
) -> None:
    """The authors' ICC come from the R package irr; one of theirs contradicts their own table."""
    folder = shared_data / "tables" / "mrs-reliability-osprey"
    keys = ["metabolite", "sequence", "field", "location"]
    published = pd.read_csv(folder / f"ICC_{unit}.csv").rename(columns=str.lower)
    published = published.set_index(keys)["icc"]
    ours = pd.Series(
        {
            key: icc_a1(part.pivot_table(index="sub", columns="session", values=unit).to_numpy())
            for key, part in pd.read_csv(folder / "long_format.csv").groupby(keys)
        }
    )
    both = pd.DataFrame({"ours": ours, "published": published}).dropna()
    assert len(both) == count
    unlike = both[(both["ours"] - both["published"]).abs() > 1e-6]
    assert [key[0] for key in unlike.index] == off
