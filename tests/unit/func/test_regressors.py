"""Which columns are taken out, by how much, and which volumes count."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from commissure.errors import DatasetError
from commissure.func.builtin.confounds import expanded
from commissure.func.regressors import (
    MOTION,
    SIGNALS,
    compcor_columns,
    good_volumes,
    movement_penalties,
    regressors,
)


def test_what_is_no_movement_is_taken_out_whole():
    names = [
        "trans_y_derivative1",
        "rot_x_derivative1",
        "a_comp_cor_00",
        "csf",
        "global_signal_power2",
    ]
    penalties = movement_penalties(names, known_to_mm=0.5, radius_mm=50.0)
    np.testing.assert_allclose(penalties, [0.25, 1e-4, 0, 0, 0])
    assert not movement_penalties(names, known_to_mm=0.0, radius_mm=50.0).any()


def test_good_volumes_by_displacement_and_steady_state():
    table = pd.DataFrame(
        {
            "framewise_displacement": [np.nan, 0.1, 0.6, 0.5, 0.2],
            "non_steady_state_outlier00": [1, 0, 0, 0, 0],
        }
    )
    expected = [False, True, False, True, True]
    assert expected == good_volumes(table, fd_threshold_mm=0.5).tolist()


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

    assert count("24P+aCompCor") == 34
    assert count("12P+aCompCor") == 22
    assert count("36P") == 36


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
