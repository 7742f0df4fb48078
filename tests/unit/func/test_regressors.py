"""Which columns are taken out, by how much, and which volumes count."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from commissure.errors import DatasetError
from commissure.func.builtin.confounds import expanded
from commissure.func.regressors import (
    chosen_strategy,
    compcor_columns,
    good_volumes,
    movement_penalties,
    regressors,
)
from commissure.func.strategies import MOTION, SIGNALS, STRATEGIES


def test_what_is_no_movement_is_taken_out_whole():
    names = [
        "trans_y_derivative1",
        "rot_x_derivative1",
        "trans_z_power2",
        "a_comp_cor_00",
        "csf",
        "global_signal_power2",
    ]
    penalties = movement_penalties(names, half_mm=0.5, radius_mm=50.0)
    np.testing.assert_allclose(penalties, [0.25, 1e-4, 0.125, 0, 0, 0])


@pytest.mark.parametrize(
    ("asked", "in_band", "used"),
    [
        ("auto", [67], "24P+aCompCor"),  # 240 volumes at 2 s: 33 are left.
        ("auto", [64], "12P+aCompCor"),  # 30 are left: not more than 30.
        ("auto", [33], "12P+aCompCor"),  # Four minutes.
        (
            "auto",
            [33] * 4,
            "24P+aCompCor",
        ),  # Four times four: movement once, components four times.
        ("auto", [33, 33], "12P+aCompCor"),  # 22 are left.
        ("auto", [60, 60, 8], "12P+aCompCor"),  # The last has more components than samples.
        ("24P+aCompCor", [33], "24P+aCompCor"),
    ],
)
def test_twelve_regressors_where_twenty_four_leave_too_little(asked, in_band, used):
    chosen = chosen_strategy(asked, in_band, components=5, min_degrees_of_freedom=30)
    assert chosen == used


def test_good_volumes_by_displacement_and_steady_state():
    table = pd.DataFrame(
        {
            "framewise_displacement": [np.nan, 0.1, 0.6, 0.5, 0.2],
            "non_steady_state_outlier00": [1, 0, 0, 0, 0],
        }
    )
    expected = [False, True, False, True, True]
    assert expected == good_volumes(table, fd_threshold_mm=0.5).tolist()
    assert good_volumes(table, fd_threshold_mm=None).tolist() == [False, True, True, True, True]


def confounds(volumes: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    names = [*MOTION, *SIGNALS]
    return expanded(pd.DataFrame(rng.normal(size=(volumes, 9)), columns=names), tuple(names))


def test_strategies_have_the_regressors_in_their_names():
    table = confounds()
    metadata = {}
    for number in range(12):
        table[f"a_comp_cor_{number:02d}"] = 0.0
        metadata[f"a_comp_cor_{number:02d}"] = {
            "Method": "aCompCor",
            "Mask": "CSF" if number < 6 else "WM",
            "SingularValue": 20 - number,
        }

    def count(strategy):
        return regressors(table, metadata, strategy=strategy, components=5, who="sub-01").shape[1]

    counts = {name: count(name) for name in STRATEGIES}
    assert counts == {
        "24P+aCompCor": 34,
        "12P+aCompCor": 22,
        "aCompCor": 10,
        "36P": 36,
        "24P+GSR": 25,
        "ridge24P+aCompCor": 34,
    }


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_names_its_source(strategy):
    assert re.search(r"(19|20)\d\d", STRATEGIES[strategy].source)


def test_a_missing_column_is_named():
    table = confounds().drop(columns=["csf_power2"])
    with pytest.raises(DatasetError, match="csf_power2"):
        regressors(table, {}, strategy="36P", components=5, who="sub-01")
    with pytest.raises(DatasetError, match="names no CompCor component"):
        regressors(table, {}, strategy="24P+aCompCor", components=5, who="sub-01")


@pytest.mark.real
def test_components_of_a_real_fmriprep_run_are_found(shared_data):
    folder = shared_data / "derivatives" / "fmriprep-loadconfounds-test"
    table = pd.read_csv(folder / "test_desc-confounds_regressors.tsv", sep="\t", na_values="n/a")
    metadata = json.loads((folder / "test_desc-confounds_regressors.json").read_text())
    chosen = compcor_columns(table, metadata, components=5, who="test")
    assert [metadata[name]["Mask"] for name in chosen] == ["CSF"] * 5 + ["WM"] * 5
    model = regressors(table, metadata, strategy="24P+aCompCor", components=5, who="test")
    assert model.shape == (30, 34)
    assert np.isfinite(model.to_numpy()).all()
