"""True against recovered markers as the page shows them."""

from __future__ import annotations

import dataclasses

from commissure.outputs import RECOVERY_ORACLE
from commissure.report.sections.recovery import content
from commissure.report.settings import ReportSettings


def test_the_oracle_stands_beside_the_main_model(run):
    inputs = run.input(ReportSettings(main_markers=("gsh/ACC",)))
    shown = content(inputs, {})
    oracle, learned, main = shown["oracle"]["rows"]
    assert oracle["area"].startswith("1.00 (")
    assert learned["area"].startswith("0.50")
    assert main["name"] == "the main model (late)" and main["area"].startswith("0.68")
    assert shown["oracle"]["lost"][0] == "0.50 by learning from so few people"
    assert "5.2 % of 1000 tests positive at p < 0.05 (4.0 to 6.8 %)" in shown["chance"]
    tables = {**inputs.results.tables, RECOVERY_ORACLE.path: RECOVERY_ORACLE.frame()}
    results = dataclasses.replace(inputs.results, tables=tables, false_positives={})
    without = content(dataclasses.replace(inputs, results=results), {})
    assert without["oracle"] is None and without["chance"] is None


def test_without_a_truth_there_is_no_section(small):
    inputs = small.input()
    tables = {**inputs.results.tables, "recovery.tsv": inputs.results.tables["recovery.tsv"][:0]}
    results = dataclasses.replace(inputs.results, tables=tables)
    assert content(dataclasses.replace(inputs, results=results), {}) is None
