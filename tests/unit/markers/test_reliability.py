"""Every marker of an image says which values are expected, and what was measured of repeats."""

from __future__ import annotations

import re

from commissure.markers.page import markers_page
from commissure.markers.registry import definitions
from commissure.markers.reliability import EXPECTATIONS, NOT_MEASURED
from commissure.modalities import MODALITIES


def test_every_marker_has_an_expectation_and_no_other() -> None:
    assert set(EXPECTATIONS) == {d.marker for d in definitions().values() if d.given_by == "images"}


def test_a_reliability_names_the_page_that_measured_it(repository) -> None:
    for marker, said in EXPECTATIONS.items():
        assert said.expected
        if said.reliability != NOT_MEASURED:
            pages = re.findall(r"\]\((\w+\.md)", said.reliability)
            assert pages and all((repository / "docs" / page).is_file() for page in pages), marker
            # Its numbers stand there.
            text = (repository / "docs" / pages[0]).read_text()
            for number in re.findall(r"\d+\.\d+(?= %| \()", said.reliability):
                assert number in text, (marker, number)


def test_the_page_has_the_columns() -> None:
    header = "| marker | unit | role | meaning | source | expected range | measured reliability |"
    assert markers_page().count(header) == len(MODALITIES)
