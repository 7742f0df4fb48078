"""The deviations as the page shows them."""

from __future__ import annotations

import dataclasses

from tests.charts_of_a_run import RECORD

from commissure.outputs import NORMATIVE_CURVES
from commissure.report.page import contents, render
from commissure.report.sections.normative import content, verdict


def test_the_verdict_stands_first_and_groups_are_compared(run) -> None:
    shown = content(run.input(), {})
    assert shown["verdict"].startswith("The charts hold: 5.2 % of the deviations")
    lowest = next(group for group in shown["groups"] if group["name"] == "resistant")
    assert lowest["low"] == "50.0 %" and lowest["p"]
    assert shown["groups"][0]["low"] == "0.0 %" and shown["groups"][0]["p"] == ""
    assert shown["rows"][0]["name"] == "volume Hippocampus_L" and shown["rows"][0]["side"] == "low"
    assert shown["charts"][0]["title"].endswith(": volume Hippocampus_L")
    assert shown["charts"][0]["figure"].startswith("<svg")
    assert shown["new_site"] == [(10, "0.55")]


def test_narrow_and_wide_charts_are_told() -> None:
    def said(share):
        return verdict({**RECORD, "held_out": {**RECORD["held_out"], "extreme_percent": share}})

    assert said(9.0).startswith("The charts are too narrow")
    assert said(6.5).startswith("The charts are somewhat narrow")
    assert said(2.0).startswith("The charts are too wide")
    assert "is not known" in verdict({**RECORD, "held_out": {"charts": 0}})


def test_without_charts_the_reason_stands_there_and_without_a_record_nothing(run) -> None:
    inputs = run.input()
    bare = dataclasses.replace(inputs.results, normative={})
    assert content(dataclasses.replace(inputs, results=bare), {}) is None
    reason = {"reason": "14 controls have an age, and 20 are needed", "cautions": []}
    results = dataclasses.replace(inputs.results, normative=reason)
    shown = content(dataclasses.replace(inputs, results=results), {})
    assert shown["reason"] == "14 controls have an age, and 20 are needed."


def test_curves_without_rows_draw_nothing(run) -> None:
    inputs = run.input()
    tables = {**inputs.results.tables, "normative/curves.tsv": NORMATIVE_CURVES.frame()}
    results = dataclasses.replace(inputs.results, tables=tables)
    assert content(dataclasses.replace(inputs, results=results), {})["charts"] == []


def test_the_page_shows_it(run) -> None:
    page = render(contents(run.input()))
    assert "Deviations from healthy people" in page and "B has 3 controls." in page
    assert "chart-0" in page
