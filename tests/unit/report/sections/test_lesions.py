"""Lesions over time as the page shows them."""

from __future__ import annotations

import dataclasses

import pytest

from commissure.outputs import BEST_RESPONSE, LESIONS, RESPONSE
from commissure.report.page import contents, render
from commissure.report.sections.lesions import content


def tables(quantity="sum of diameters", criteria="RECIST 1.1", day=56.0):
    """Three people with two follow-ups: one responds, one grows, one is lost sight of."""
    changes = {"sub-01": (-20.0, -45.0), "sub-02": (10.0, 180.0), "sub-03": (None, None)}
    categories = {"sub-01": ("SD", "PR"), "sub-02": ("SD", "PD"), "sub-03": ("NE", "NE")}
    response, best, lesions = [], [], []
    for who, values in changes.items():
        for number, change in enumerate(values):
            response.append(
                {
                    "participant_id": who,
                    "session": f"ses-{number + 2}",
                    "criteria": criteria,
                    "day": None if day is None else day * (number + 1),
                    "quantity": quantity,
                    "unit": "mm",
                    "change_from_baseline_percent": change,
                    "response": categories[who][number],
                    "reason": f"<why> {who}",
                    "flags": "a doubt" if who == "sub-03" else "",
                }
            )
            lesions.append({"participant_id": who, "session": f"ses-{number + 1}", "lesion": "1"})
        confirmed = {"sub-01": "SD", "sub-02": "PD", "sub-03": "NE"}[who]
        best.append(
            {
                "participant_id": who,
                "confirmed": confirmed,
                "unconfirmed": categories[who][1],
                "progression_session": "ses-3" if who == "sub-02" else "",
            }
        )
    return {"response.tsv": RESPONSE.frame(response), "best_response.tsv": BEST_RESPONSE.frame(best),
            "lesions.tsv": LESIONS.frame(lesions)}  # fmt: skip


def with_lesions(run, **changed):
    inputs = run.input()
    given = {**inputs.results.tables, **tables(**changed)}
    results = dataclasses.replace(inputs.results, tables=given)
    return dataclasses.replace(inputs, results=results)


def test_every_person_has_the_best_response_and_its_change(run):
    shown = content(with_lesions(run), {})
    assert (shown["people"], shown["visits"], shown["followed"]) == ("3 people", 6, 3)
    assert shown["confirmed"] == "1 SD, 1 PD and 1 NE"
    assert shown["unconfirmed"] == "1 PR, 1 PD and 1 NE"
    assert shown["flagged"] == 2 and shown["criteria"] == "RECIST 1.1"
    first, second, third = shown["rows"]
    assert (first["best"], first["once"], first["change"]) == ("SD", "PR", "−45 %")
    assert second["progression"] == "ses-3" and third["change"] == "–"
    waterfall, spider, swimmer = (panel["figure"] for panel in shown["figures"])
    assert "+180" not in waterfall and "sub-03" not in waterfall and "sub-02" in waterfall
    assert "days since the baseline" in spider and "sub-03" in swimmer


@pytest.mark.parametrize(
    ("quantity", "criteria", "limit"),
    [
        ("sum of diameters", "RECIST 1.1", (-30, 20)),
        ("sum of products of perpendicular diameters", "RANO 2010", (-50, 25)),
        ("sum of volumes", "RANO 2.0", (-65, 40)),
    ],
)
def test_the_lines_are_those_of_the_criteria(run, monkeypatch, quantity, criteria, limit):
    drawn = []
    monkeypatch.setattr(
        "commissure.report.plots.lesion_figures._limits", lambda axes, limits: drawn.append(limits)
    )
    content(with_lesions(run, quantity=quantity, criteria=criteria), {})
    assert drawn == [pytest.approx(limit)] * 2


def test_without_days_visits_are_counted(run):
    figures = content(with_lesions(run, day=None), {})["figures"]
    assert "follow-up" in figures[1]["figure"] and "days" not in figures[1]["figure"]


def test_without_lesions_there_is_no_section_and_a_baseline_alone_says_so(run):
    assert content(run.input(), {}) is None
    inputs = with_lesions(run)
    alone = {"response.tsv": RESPONSE.frame(), "best_response.tsv": BEST_RESPONSE.frame()}
    results = dataclasses.replace(inputs.results, tables={**inputs.results.tables, **alone})
    shown = content(dataclasses.replace(inputs, results=results), {})
    assert shown["rows"] == [] and shown["people"] == "3 people"


def test_the_page_has_the_section_and_escapes_what_tables_say(run):
    page = render({**contents(with_lesions(run)), "unfinished": False})
    assert 'id="lesions"' in page and "&lt;why&gt; sub-01" in page and "<why>" not in page
    assert "no diagnosis" in page
