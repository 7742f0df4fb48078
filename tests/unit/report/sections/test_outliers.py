"""People who stand out, notes summed up, counts of acquisition, and agreement of raters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commissure.outputs import STANDING_OUT, TOOL_QUALITY
from commissure.report.page import contents, render
from commissure.report.sections import acquisition, outliers, ratings


@pytest.fixture(scope="module")
def shown(run):
    return outliers.content(run.input(), {})


def test_who_stands_out_in_most_modalities_is_first(shown):
    # Every seventeenth person breaks a limit in every modality.
    assert {row["who"] for row in shown["rows"][:3]} == {"sub-04", "sub-21", "sub-38"}
    counts = [len(row["modalities"]) for row in shown["rows"]]
    assert counts == sorted(counts, reverse=True) and counts[0] == 4


def test_what_another_tool_measured_makes_a_person_stand_out(run):
    row = ("sub-05", "", "anat", "mriqc_cjv", 0.9, "<= 0.6", "False")
    given = run.input()
    tables = {**given.results.tables, TOOL_QUALITY.path: TOOL_QUALITY.frame([row])}
    content = outliers.content(replace(given, results=replace(given.results, tables=tables)), {})
    (shown,) = [row for row in content["rows"] if row["who"] == "sub-05"]
    assert "MRIQC CJV 0.900, limit ≤ 0.6" in shown["values"] and shown["beyond"] == 1


def test_of_many_the_worst_are_shown_and_all_stand_in_the_table(run, shown, monkeypatch):
    assert shown["shown"] == shown["rows"] and len(shown["rows"]) > 3
    monkeypatch.setattr(outliers, "SHOWN", 3)
    content = contents(run.input())
    assert content["outliers"]["shown"] == shown["rows"][:3]
    page = render(content).split('id="outliers"')[1].split("</section>")[0]
    assert page.count('<th scope="row"') == 3
    assert (
        f"The first 3 are shown; all {len(shown['rows'])} stand in <code>standing_out.tsv" in page
    )
    table = outliers.outlier_table(shown["rows"])
    assert table["participant_id"].tolist() == [row["who"] for row in shown["rows"]]
    assert list(table) == STANDING_OUT.names
    row = shown["rows"][0]
    assert table["values"][0].count(";") == row["beyond"] + row["far"] - 1


def test_an_exclusion_is_named_beside_the_person(shown):
    (row,) = [row for row in shown["rows"] if row["who"] == "sub-09"]
    assert row["excluded"] == ["everything: markers.exclude"]


def test_counts_are_ready_for_a_paper(run):
    content = acquisition.content(run.input(), {})
    (bold,) = [line for line in content["sentences"] if line.startswith("Resting-state BOLD")]
    assert bold.startswith("Resting-state BOLD: 47 scans of 47 people; field strength 3 T;")
    assert "slice timing known for" in bold and "a field map for" in bold
    assert {row["name"] for row in content["scanners"]} == {"GE MR750", "Siemens Prisma"}


def test_kappa_is_that_of_the_formula(run):
    content = ratings.content(run.input(), {})
    (pair,) = content["pairs"]
    # Of 12 scans ben drops one and anna the same and another: p0 = 11/12, pe = (10*11 + 2*1)/144.
    assert pair["rows"][0]["kappa"] == f"{(11 / 12 - 112 / 144) / (1 - 112 / 144):.2f}"
    assert [row["who"] for row in content["disputed"]] == ["sub-03"]


def test_where_raters_agree_on_all_there_is_no_kappa():
    row = ratings._agreement("all", [("keep", "keep")] * 8)
    assert (row["kappa"], row["same"]) == ("–", "100\u2009%")
