"""The marker table, what is missing from it, and what is left out."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from commissure.checks import write_quality
from commissure.definitions import Definition
from commissure.errors import ConfigError, DatasetError
from commissure.markers.settings import MarkersSettings, TableSettings
from commissure.markers.table import (
    completeness,
    definition_record,
    exclusions,
    lab_table,
    marker_table,
)
from commissure.rows import COLUMNS, Marker, write_markers


def rows(*markers):
    return pd.DataFrame([vars(m) for m in markers], columns=list(COLUMNS))


def fd(person, value, quality="ok"):
    return Marker(person, "", "func", "brain", "mean_fd", value, "mm", quality)


def test_runs_become_one_row_and_keep_the_doubt(tmp_path):
    write_markers([fd("sub-01", 0.2)], tmp_path / "a.tsv")
    write_markers([fd("sub-01", 0.4, "flag"), fd("sub-02", float("nan"))], tmp_path / "b.tsv")
    table = marker_table([tmp_path / "a.tsv", tmp_path / "b.tsv"], [])
    assert len(table) == 1
    assert table.loc[0, "value"] == pytest.approx(0.3)
    assert table.loc[0, "quality"] == "flag"


def test_a_wide_table_becomes_rows(tmp_path):
    path = tmp_path / "aseg.csv"
    path.write_text(
        "Measure:volume,vol_Left-Hippocampus,vol_Right-Hippocampus,eTIV\n01,4000,4100,1.5e6\n02,,3900,1.4e6\n"
    )
    settings = TableSettings(
        file=str(path), participant="Measure:volume", columns=["vol_*"], prefix="vol_",
        modality="anat", marker="fs_volume", unit="mm3",
    )  # fmt: skip
    table = marker_table([], [settings])
    assert table["region"].unique().tolist() == ["Left-Hippocampus", "Right-Hippocampus"]
    assert table["value"].tolist() == [4000, 4100, 3900]
    assert table["participant_id"].tolist() == ["sub-01", "sub-01", "sub-02"]


def test_a_tidy_table_is_taken_as_it_is(tmp_path):
    write_markers([Marker("01", "", "mrs", "ACC", "lc_glu", 9.5, "mM")], tmp_path / "t.tsv")
    table = marker_table([], [TableSettings(file=str(tmp_path / "t.tsv"), layout="tidy")])
    assert table["participant_id"].tolist() == ["sub-01"]
    assert definition_record({}, table)["lc_glu"]["unit"] == "mM"


def test_tables_that_do_not_fit_are_refused_in_words(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("id\ta\n01\t1\n01\t2\n")
    with pytest.raises(ConfigError, match=r"tables \(t.tsv\).participant: the file has no column"):
        lab_table(TableSettings(file=str(path)))
    with pytest.raises(ConfigError, match="no numeric column matches"):
        lab_table(TableSettings(file=str(path), participant="id", columns=["b*"]))
    with pytest.raises(DatasetError, match="sub-01 has several rows"):
        lab_table(TableSettings(file=str(path), participant="id"))


@pytest.fixture
def outcome_table(tmp_path):
    qc = tmp_path / "qc.json"
    write_quality([], qc, missing={"connectivity": "df is -14"})
    common = {"session": "", "modality": "func", "qc": str(qc), "status": "s.tsv"}
    done = {**common, "participant_id": "sub-01", "scan": "a"}
    bad = {**common, "participant_id": "sub-02", "scan": "b"}
    return pd.DataFrame(
        [
            {**done, "step": "preprocess", "state": "present", "cause": ""},
            {**done, "step": "measure", "state": "present", "cause": ""},
            {**bad, "step": "preprocess", "state": "failed", "cause": "truncated"},
            {
                **bad,
                "step": "measure",
                "state": "missing",
                "cause": "preprocessing did not succeed",
            },
        ]
    )


def test_every_product_is_present_missing_or_failed_with_its_cause(outcome_table):
    table = completeness(
        outcome_table,
        people=["sub-01", "sub-02", "sub-03"],
        products={"func": ("preproc", "motion", "connectivity")},
        command="snakemake --cores all",
    ).fillna("")
    found = {
        tuple(r)
        for r in table[["participant_id", "product", "state", "cause", "command"]].to_numpy()
    }
    assert found == {
        ("sub-01", "preproc", "present", "", ""),
        ("sub-01", "motion", "present", "", ""),
        ("sub-01", "connectivity", "missing", "df is -14", ""),
        ("sub-02", "preproc", "failed", "truncated", "snakemake --cores all --forcerun s.tsv"),
        ("sub-02", "motion", "missing", "preprocessing did not succeed", ""),
        ("sub-02", "connectivity", "missing", "preprocessing did not succeed", ""),
        ("sub-03", "image", "missing", "the dataset has no image of this modality", ""),
    }


def test_exclusion_rules_give_the_measured_value():
    table = exclusions(
        rows(fd("sub-01", 0.56), fd("sub-02", 0.55)),
        ["sub-01", "sub-02"],
        MarkersSettings(exclude=["02/mrs", "sub-01"]),
    )
    found = table[["participant_id", "modality", "rule", "limit", "value"]].to_numpy().tolist()
    assert ["sub-01", "func", "max_mean_fd_mm", 0.55, 0.56] in found
    assert ["sub-02", "mrs", "markers.exclude", "named", "n/a"] in found
    assert ["sub-01", "all", "markers.exclude", "named", "n/a"] in found
    assert len(found) == 3


def test_a_stranger_among_the_exclusions_is_refused():
    with pytest.raises(ConfigError, match="'sub-99' is nobody of this study"):
        exclusions(rows(), ["sub-01"], MarkersSettings(exclude=["sub-99"]))


def test_definitions_carry_their_regions():
    definition = Definition("mean_fd", "func", "mm", "Mean displacement.", "Power 2012", "confound")
    record = definition_record({"mean_fd": definition}, rows(fd("sub-01", 0.1)))
    assert record["mean_fd"]["regions"] == ["brain"]
    assert record["mean_fd"]["role"] == "confound"
    assert json.dumps(record)
