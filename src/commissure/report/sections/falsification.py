"""The checks that tried to prove the classifier wrong, with their verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commissure.report import text
from commissure.report.section import Content, ReportInput


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on falsification shows."""
    rows = [_row(check) for check in run.results.falsification.get("checks", [])]
    return {
        "rows": rows,
        "held": sum(row["verdict"] == "held" for row in rows),
        "failed": [row for row in rows if row["verdict"] == "failed"],
        "open": sum(row["verdict"] == "not decided" for row in rows),
    }


def _row(check: Mapping[str, Any]) -> dict[str, str]:
    passed = check.get("passed")
    return {
        "name": str(check.get("name", "")).replace("_", " "),
        "question": text.without_paths(check.get("question") or ""),
        "value": _written(check.get("value")),
        "expected": text.limit(_written(check.get("expected"))),
        "verdict": "not decided" if passed is None else "held" if passed else "failed",
        "description": text.sentence(text.without_paths(check.get("description") or "")),
    }


def _written(value: Any) -> str:
    if text.is_number(value):
        return text.number(value)
    return text.ABSENT if value is None or value == "" else text.value(value)
