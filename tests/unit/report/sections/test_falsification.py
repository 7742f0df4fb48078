"""Verdicts on the attempts to prove a classifier wrong."""

from __future__ import annotations

from commissure.report.sections.falsification import content


def test_every_check_has_its_verdict(small):
    shown = content(small.input(), {})
    assert [row["verdict"] for row in shown["rows"]] == ["held", "failed", "not decided"]
    assert [row["value"] for row in shown["rows"]] == ["0.503", "0.620", "–"]
    assert (shown["held"], shown["open"]) == (1, 1)
    assert [row["name"] for row in shown["failed"]] == ["site only"]
