"""Whose figures are shown, and how much they may take."""

from __future__ import annotations

from commissure.report.results import read_results
from commissure.report.sections.individuals import chosen, content
from commissure.report.settings import ReportSettings


def test_flagged_people_come_first_and_every_modality_is_shown(run):
    results = read_results(run.folder, run.statuses)
    picked = dict(chosen(results, 6))
    assert {"sub-04", "sub-21", "sub-38"} == set(list(picked)[:3])
    assert "nothing beyond a limit" in picked.values()
    assert len(picked) == 6
    assert chosen(results, 0) == []


def test_figures_that_do_not_fit_are_named(small):
    shown = content(small.input(ReportSettings(figures_mb=0.001)), {})
    embedded = [image for person in shown["people"] for image in person["images"]]
    assert sum(len(image["address"]) for image in embedded) <= 1000
    assert all(path.startswith("sub-") and path.endswith(".svg") for path in shown["too_large"])
    assert shown["too_large"]
