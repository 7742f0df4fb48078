"""Every expected product is accounted for."""

from __future__ import annotations

import pandas as pd
import pytest

from commissure.checks import write_quality
from commissure.errors import DatasetError
from commissure.markers.completeness import completeness


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


def test_a_refused_image_has_a_row_whether_or_not_another_is_used(outcome_table):
    extra = [
        {"participant_id": who, "session": session, "modality": "func", "scan": scan,
         "step": step, "state": "refused", "cause": "its name", "qc": "", "status": "s.tsv"}
        for who, session, scan in (("sub-01", "ses-x", "c"), ("sub-01", "", "d"), ("sub-04", "", "e"))
        for step in ("preprocess", "measure")
    ]  # fmt: skip
    table = completeness(
        pd.concat([outcome_table, pd.DataFrame(extra)], ignore_index=True),
        people=["sub-01", "sub-02", "sub-04"],
        products={"func": ("preproc",)},
        command="snakemake",
    ).fillna("")
    found = {
        tuple(row)
        for row in table[["participant_id", "session", "scan", "product", "state"]].to_numpy()
    }
    assert found == {
        ("sub-01", "", "a", "preproc", "present"),
        ("sub-01", "", "d", "image", "unused"),
        ("sub-01", "ses-x", "c", "image", "missing"),
        ("sub-02", "", "b", "preproc", "failed"),
        ("sub-04", "", "e", "image", "missing"),
    }


def reruns(outcome_table):
    table = completeness(
        outcome_table, people=[], products={"func": ("preproc", "motion")}, command="snakemake"
    ).fillna("")
    return table.set_index(["participant_id", "product"])[["state", "command"]]


def test_what_was_interrupted_is_repeated_by_the_command_itself(outcome_table):
    outcome_table.loc[2, "state"] = "interrupted"
    assert tuple(reruns(outcome_table).loc[("sub-02", "preproc")]) == ("failed", "snakemake")


def test_the_command_names_no_folder_of_the_machine(outcome_table):
    outcome_table["status"] = "/home/me/out/work/status/func_preprocess/batch-0001.tsv"
    command = reruns(outcome_table).loc[("sub-02", "preproc"), "command"]
    assert command == "snakemake --forcerun func_preprocess"


@pytest.mark.parametrize("damage", [None, "", "[]", "{}"])
def test_a_quality_record_that_went_is_refused_in_words(outcome_table, tmp_path, damage):
    (tmp_path / "qc.json").unlink()
    if damage is not None:
        (tmp_path / "qc.json").write_text(damage)
    with pytest.raises(DatasetError, match=r"qc\.json: the quality record cannot be read"):
        reruns(outcome_table)
