"""Marker rows, quality records, and files that are never half there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from commissure.checks import Check, write_quality
from commissure.errors import ConfigError, DatasetError
from commissure.files import atomic, read_table, write_json
from commissure.rows import COLUMNS, Marker, read_markers, write_markers


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [
        Marker("sub-01", "", "anat", "Hippocampus_L", "volume", 3712.25, "mm3"),
        Marker("sub-01", "ses-1", "mrs", "ACC", "gsh", float("nan"), "mmol/kg", "flag"),
    ]
    write_markers(rows, tmp_path / "m.tsv")
    table = read_markers(tmp_path / "m.tsv")
    assert list(COLUMNS) == list(table)
    assert (tmp_path / "m.tsv").read_text().splitlines()[1].split("\t")[1] == "n/a"
    assert table["value"].dropna().tolist() == [3712.25]
    assert table["session"].tolist() == ["", "ses-1"]


def test_a_word_in_the_value_column_is_refused(tmp_path):
    path = tmp_path / "m.tsv"
    path.write_text("\t".join(COLUMNS) + "\nsub-01\tn/a\tanat\tGM\tvolume\tbig\tmm3\tok\n")
    with pytest.raises(DatasetError, match="'big' stands in the column value"):
        read_markers(path)


def test_missing_columns_are_named(tmp_path):
    (tmp_path / "m.tsv").write_text("participant_id\tvalue\nsub-01\t1\n")
    with pytest.raises(DatasetError, match="'session', 'modality'"):
        read_markers(tmp_path / "m.tsv")


def test_long_identifiers_stay_text(tmp_path):
    (tmp_path / "t.csv").write_text("participant_id,a\n10074191492374027123,1\n007,2\n")
    table = read_table(tmp_path / "t.csv")
    assert table["participant_id"].tolist() == ["10074191492374027123", "007"]


def test_a_failed_writer_leaves_nothing(tmp_path):
    final = tmp_path / "sub" / "x.txt"
    with pytest.raises(RuntimeError), atomic(final) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert list(final.parent.iterdir()) == []


def test_a_failed_writer_leaves_the_earlier_file(tmp_path):
    final = tmp_path / "x.txt"
    final.write_text("before")
    with pytest.raises(RuntimeError), atomic(final) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert final.read_text() == "before"


def test_json_holds_no_nan(tmp_path):
    write_json({"a": np.float64("nan"), "b": np.arange(2), "c": float("inf")}, tmp_path / "j.json")
    assert json.loads((tmp_path / "j.json").read_text()) == {"a": None, "b": [0, 1], "c": None}


def test_a_quality_record_lists_what_failed(tmp_path):
    checks = [Check("mean_fd_mm", 0.7, "<= 0.55", False), Check("tsnr", 61.0)]
    write_quality(checks, tmp_path / "qc.json", missing={"connectivity": "too short"}, engine="x")
    record = json.loads((tmp_path / "qc.json").read_text())
    assert record["flags"] == ["mean_fd_mm"]
    assert record["missing"] == {"connectivity": "too short"}
    assert record["engine"] == "x"


def test_an_error_says_who_found_wanted_and_the_remedy():
    error = ConfigError("mrs.voi", found="'AAC'", wanted="ACC", mend="Change mrs.voi.")
    assert str(error) == "mrs.voi: 'AAC'; ACC is expected. Change mrs.voi."


def test_a_region_that_starts_a_formula_comes_back(tmp_path):
    write_markers([Marker("sub-01", "", "lab", "=1+1", "x", -2.5, "1")], tmp_path / "m.tsv")
    assert "\t'=1+1\tx\t-2.5\t" in (tmp_path / "m.tsv").read_text()
    assert read_markers(tmp_path / "m.tsv")["region"].tolist() == ["=1+1"]
