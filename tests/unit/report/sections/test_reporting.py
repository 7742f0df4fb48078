"""The checklist leaves to the authors what a run cannot say."""

from __future__ import annotations

import dataclasses

from commissure.report.checklists.tripod import ITEMS
from commissure.report.sections.registry import SECTIONS
from commissure.report.sections.reporting import content


def test_items_refer_to_sections_that_exist():
    assert {item.section for item in ITEMS if item.section} <= {s.anchor for s in SECTIONS}


def test_facts_of_the_run_are_filled_in(small):
    shown = content(small.input(), {})
    items = {item.number: item for item in shown["checklist"]}
    assert items["10"].text.startswith("15 people: 5 control")
    assert items["23a"].text.startswith("AUC within site 0.68 (0.49 to 0.84); sites left out")
    assert sum(shown["tally"].values()) == len(ITEMS) == 52


def test_without_a_model_its_items_are_the_authors(small):
    run = small.input()
    results = dataclasses.replace(run.results, metrics={})
    with_model = {item.number: item for item in content(run, {})["checklist"]}
    without = {
        item.number: item
        for item in content(dataclasses.replace(run, results=results), {})["checklist"]
    }
    for number in ("12d", "15", "22", "23a", "24"):
        assert with_model[number].state in ("here", "partly")
        assert without[number].state == "authors"
        assert without[number].question.startswith("No model was fitted")
    for number in ("7", "9c", "20b"):
        assert without[number].state == with_model[number].state
    assert without["4"].text.startswith("Resistant") and "No model was fitted" in without["4"].text
