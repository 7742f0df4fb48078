"""Checklists: the published numbers, every item filled or asked, and what cells may hold."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from commissure.report.checklists import probast, spectroscopy, tripod
from commissure.report.checklists.facts import NAMES, facts
from commissure.report.checklists.imaging import items as imaging_items
from commissure.report.checklists.item import ChecklistItem, as_csv, as_markdown, filled, tally
from commissure.report.checklists.write import write_checklists
from commissure.report.methods_text.record import run_record

CONFIGURATION = (Path(__file__).parents[4] / "config.yaml").read_text(encoding="utf-8")
ACQUIRED = {"anat": [{"Manufacturer": "Siemens", "EchoTime": 0.003, "SliceTiming": None}] * 3}


@pytest.fixture
def record(small):
    run = small.input()
    return run_record(
        run.results, statuses=small.statuses, configuration=CONFIGURATION, acquired=ACQUIRED
    )


def test_tripod_has_its_27_items_and_52_parts():
    parts = {
        3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef", 20: "abc",
        23: "ab", 27: "abc",
    }  # fmt: skip
    expected = [f"{n}{part}" for n in range(1, 28) for part in parts.get(n, [""])]
    assert [item.number for item in tripod.ITEMS] == expected
    assert len(expected) == 52


def test_probast_asks_the_20_numbered_questions():
    numbers = [item.number for item in probast.ITEMS if item.number]
    asked = {1: 2, 2: 3, 3: 6, 4: 9}
    assert numbers == [f"{d}.{q}" for d, n in asked.items() for q in range(1, n + 1)]


@pytest.mark.parametrize("module", [tripod, probast])
def test_every_item_is_filled_or_asked(module, small, record):
    for fitted in (True, False):
        for item in filled(module.ITEMS, facts(small.input(), record), fitted=fitted):
            assert item.text or item.question, item
            assert "{" not in item.text + item.question


@pytest.mark.parametrize("module", [tripod, probast])
def test_no_item_is_filled_out_of_nothing(module):
    """Without facts, an item that lives by them is the authors'."""
    lines = filled(module.ITEMS, dict.fromkeys(NAMES, ""), fitted=True)
    by_number = {item.number: item for item in lines if item.number}
    empty = ("6c", "23a") if module is tripod else ("1.1", "3.1", "4.8")
    assert all(by_number[number].state == "authors" for number in empty)


def test_acquisition_is_read_from_the_sidecars(record):
    lines = {item.topic: item for item in imaging_items(record)}
    echo = lines["T1-weighted MRI: Echo time"]
    assert (echo.text, echo.state) == ("EchoTime: 0.003 s (3 images)", "here")
    assert lines["T1-weighted MRI: Flip angle"].state == "authors"


def test_spectra_fill_the_published_fields(small, record):
    numbers = [item.number for item in spectroscopy.items(record)]
    letters = {1: "abcde", 2: "abcdefghi", 3: "abcd", 4: "abcd"}
    assert numbers == [f"{n}{letter}" for n, all_ in letters.items() for letter in all_]
    rows = list(csv.reader(io.StringIO(spectroscopy.table(record))))
    spectra = [q for q in small.input().results.quality if q.reporting]
    assert len(rows) == 1 + len(spectra) > 1
    assert {len(row) for row in rows} == {1 + len(numbers)}


def test_a_cell_is_no_formula_and_no_markup():
    items = [ChecklistItem("1", "Title", "=HYPERLINK(1) | <script>x</script>", "")]
    assert "'=HYPERLINK" in as_csv(items)
    page = as_markdown("T", "I", items)
    assert "<script>" not in page and r"\|" in page
    assert tally(items)["here"] == 1


def test_all_files_are_written(tmp_path, small, record):
    write_checklists(small.input(), record, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{name}.{kind}" for name in ("tripod_ai", "probast_ai", "cobidas", "mrsinmrs")
        for kind in ("md", "csv")
    )  # fmt: skip
    assert "/data/study" not in "".join(path.read_text() for path in tmp_path.iterdir())
