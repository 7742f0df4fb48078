"""The checklist leaves to the authors what a run cannot say."""

from __future__ import annotations

import dataclasses

from commissure.report.sections.registry import SECTIONS
from commissure.report.sections.reporting import ITEMS, checklist, content

FACTS = dict.fromkeys(
    ("people", "sites", "outcome", "predictors", "missing", "performance", "by_site", "by_group"),
    "a fact",
)


def test_items_refer_to_sections_that_exist():
    assert {item.section for item in ITEMS if item.section} <= {s.anchor for s in SECTIONS}


def test_without_a_model_its_items_are_the_authors():
    fitted = {item.number: item for item in checklist(fitted=True, facts=FACTS)}
    unfitted = {item.number: item for item in checklist(fitted=False, facts=FACTS)}
    for number in ("12e", "15", "22", "23", "24"):
        assert fitted[number].state in ("here", "partly")
        assert unfitted[number].state == "authors"
        assert unfitted[number].text.startswith("No model was")
    for number in ("7", "11", "20"):
        assert unfitted[number].state == fitted[number].state


def test_facts_of_the_run_are_filled_in(small):
    shown = content(small.input(), {})
    items = {item.number: item for item in shown["checklist"]}
    assert items["10"].text.startswith("15 people: 5 control")
    assert items["23"].text == "AUC within site 0.68 (0.49 to 0.84); sites left out in turn."
    assert sum(shown["tally"].values()) == len(ITEMS)
    results = dataclasses.replace(small.input().results, metrics={})
    shown = content(dataclasses.replace(small.input(), results=results), {})
    assert shown["checklist"][2].text.endswith("No model was fitted in this run.")
