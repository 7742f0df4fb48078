"""Motion in connectivity as the page shows it."""

from __future__ import annotations

import dataclasses

from commissure.report.sections.qc_fc import content


def test_the_sentence_stands_first_and_every_strategy_has_its_numbers(run):
    shown = content(run.input(), {})
    assert shown["sentence"].startswith("This cohort supports 36P")
    assert shown["covariates"] == "age and site"
    assert shown["moved"] == "median 0.14 mm, 0.05 to 0.60"
    used, other, costly = shown["rows"]
    assert used["in_use"] and used["left"] == "yes" and used["rho"] == "−0.31 (p = 0.005)"
    assert used["median"] == "0.190 (0.090 to 0.140)"
    assert (other["left"], other["affordable"]) == ("no", "yes")
    assert (costly["affordable"], costly["degrees"]) == ("no", "12.5")
    assert len(shown["figures"]) == 2
    assert all(panel["figure"].startswith("<svg") for panel in shown["figures"])


def test_numbers_that_are_not_there_are_dashes_and_draw_nothing(run):
    inputs = run.input()
    table = inputs.results.tables["qc_fc.tsv"].copy()
    numbers = ["median_abs_r", "distance_rho", "p_distance", "chance_low", "chance_high"]
    table[numbers] = float("nan")
    table["motion_left"] = None
    tables = {**inputs.results.tables, "qc_fc.tsv": table}
    results = dataclasses.replace(inputs.results, tables=tables)
    shown = content(dataclasses.replace(inputs, results=results), {})
    assert shown["figures"] == []
    assert (
        {row["left"] for row in shown["rows"]} == {row["median"] for row in shown["rows"]} == {"–"}
    )


def test_without_connectivity_there_is_no_section(run):
    inputs = run.input()
    for record in ({}, {"people": 0, "sentence": "Nobody."}):
        results = dataclasses.replace(inputs.results, qc_fc=record)
        assert content(dataclasses.replace(inputs, results=results), {}) is None
