"""The marker table, and what is left out."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from commissure.definitions import Definition
from commissure.errors import ConfigError
from commissure.markers.settings import MarkersSettings
from commissure.markers.table import definition_record, exclusions, marker_table
from commissure.rows import COLUMNS, Marker, write_markers


def rows(*markers):
    return pd.DataFrame([vars(m) for m in markers], columns=list(COLUMNS))


def fd(person, value, quality="ok"):
    return Marker(person, "", "func", "brain", "mean_fd", value, "mm", quality)


def test_runs_become_one_row_of_those_that_are_sound(tmp_path):
    write_markers([fd("sub-01", 0.2), fd("sub-02", 0.3, "flag")], tmp_path / "a.tsv")
    write_markers([fd("sub-01", 0.4), fd("sub-02", 0.5, "flag")], tmp_path / "b.tsv")
    write_markers([fd("sub-01", 0.9, "flag"), fd("sub-03", float("nan"))], tmp_path / "c.tsv")
    table, _ = marker_table([tmp_path / f"{name}.tsv" for name in "abc"], [])
    assert table["participant_id"].tolist() == ["sub-01", "sub-02"]
    np.testing.assert_allclose(table["value"], [0.3, 0.4])
    assert table["quality"].tolist() == ["ok", "flag"]


def test_exclusion_rules_give_the_measured_value():
    table = exclusions(
        rows(fd("sub-01", 0.56), fd("sub-02", 0.55)),
        ["sub-01", "sub-02"],
        MarkersSettings(exclude=["02/mrs", "sub-01"]),
    )
    left_out = table[["participant_id", "modality", "rule", "limit", "value"]].to_numpy().tolist()
    assert ["sub-01", "func", "max_mean_fd_mm", 0.55, 0.56] in left_out
    assert ["sub-02", "mrs", "markers.exclude", "named", "n/a"] in left_out
    assert ["sub-01", "all", "markers.exclude", "named", "n/a"] in left_out
    assert len(left_out) == 3


def test_an_exclusion_of_nobody_in_the_study_is_refused():
    with pytest.raises(ConfigError, match="'sub-99' is nobody of this study"):
        exclusions(rows(), ["sub-01"], MarkersSettings(exclude=["sub-99"]))


def test_definitions_carry_their_regions():
    definition = Definition("mean_fd", "func", "mm", "Mean displacement.", "Power 2012", "confound")
    record = definition_record({"mean_fd": definition}, rows(fd("sub-01", 0.1)))
    assert record["mean_fd"]["regions"] == ["brain"]
    assert record["mean_fd"]["role"] == "confound"
    assert json.dumps(record)
