"""The deviations as the page shows them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from commissure.outputs import NORMATIVE_CURVES
from commissure.report.page import contents, render
from commissure.report.sections.normative import content, verdict

RECORD = {
    "source": "controls", "n_controls": 40, "n_reference": 0, "extreme": 1.96, "ages": [20, 60],
    "held_out": {"charts": 2, "expected_percent": 5.0, "extreme_percent": 5.2},
    "sites": [{"site": "A", "controls": 40, "people": 80}],
    "new_site": [{"controls": 10, "offset_sd": 0.28}], "without_chart": ["dwi GCC fa"],
    "cautions": ["B has 3 controls."], "head_size": "residual",
}  # fmt: skip


def with_deviations(run, **changes):
    """The run with deviations of two markers: the resistant are low in the first."""
    inputs = run.input()
    people = inputs.people.people
    low = (people["role"] == "positive").to_numpy()
    spread = np.linspace(-1, 1, len(people))
    rows = [
        (who, "anat", region, "volume", 4000.0 + 300 * z, z, 50.0)
        for region, shift in (("Hippocampus_L", -2.5), ("Amygdala_R", 0.0))
        for who, z in zip(people.index, spread + shift * low, strict=True)
    ]
    deviations = pd.DataFrame(
        rows, columns=["participant_id", "modality", "region", "marker", "value", "z", "centile"]
    )
    counts = pd.DataFrame(
        {
            "participant_id": people.index, "n_markers": 2, "n_low": low.astype(int), "n_high": 0,
            "mean_z": spread, "rms_z": 1.0, "extreme_centile": 50.0, "site_controls": 40,
        }
    )  # fmt: skip
    ages = np.linspace(15, 80, 10)
    curves = pd.concat(
        [
            pd.DataFrame(
                {"modality": "anat", "region": region, "marker": "volume", "sex": sex, "age": ages,
                 "p5": 3500.0, "p25": 3800.0, "p50": 4000.0, "p75": 4200.0, "p95": 4500.0}
            )
            for region in ("Hippocampus_L", "Amygdala_R") for sex in "FM"
        ]
    )  # fmt: skip
    tables = {
        **inputs.results.tables,
        "normative/deviations.tsv": deviations,
        "normative/people.tsv": counts,
        "normative/curves.tsv": curves,
    }
    results = dataclasses.replace(inputs.results, normative={**RECORD, **changes}, tables=tables)
    return dataclasses.replace(inputs, results=results)


def test_the_verdict_stands_first_and_groups_are_compared(run) -> None:
    shown = content(with_deviations(run), {})
    assert shown["verdict"].startswith("The charts hold: 5.2 % of the deviations")
    lowest = next(group for group in shown["groups"] if group["name"] == "resistant")
    assert lowest["low"] == "50.0 %" and lowest["p"]
    assert shown["groups"][0]["low"] == "0.0 %" and shown["groups"][0]["p"] == ""
    assert shown["rows"][0]["name"] == "volume Hippocampus_L" and shown["rows"][0]["side"] == "low"
    assert [chart["title"].split(": ")[1] for chart in shown["charts"]][0] == "volume Hippocampus_L"
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
    assert content(inputs, {}) is None
    reason = {"reason": "14 controls have an age, and 20 are needed", "cautions": []}
    results = dataclasses.replace(inputs.results, normative=reason)
    shown = content(dataclasses.replace(inputs, results=results), {})
    assert shown["reason"] == "14 controls have an age, and 20 are needed."


def test_curves_without_rows_draw_nothing(run) -> None:
    inputs = with_deviations(run)
    tables = {**inputs.results.tables, "normative/curves.tsv": NORMATIVE_CURVES.frame()}
    results = dataclasses.replace(inputs.results, tables=tables)
    assert content(dataclasses.replace(inputs, results=results), {})["charts"] == []


def test_the_page_shows_it(run) -> None:
    page = render(contents(with_deviations(run)))
    assert "Deviations from healthy people" in page and "B has 3 controls." in page
    assert "chart-0" in page
