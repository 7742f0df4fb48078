"""The MRSinMRS table of a study: what its spectra have in common, and how far they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from commissure.report import text
from commissure.report.results import QualityRecord
from commissure.report.section import Content, ReportInput

#: Different values that are written out.
_MOST = 4


@dataclass(frozen=True)
class ReportingLine:
    """One line of the table.

    Attributes
    ----------
    section, item
        As in the standard.
    text
        What the spectra say; empty where only the authors know.
    """

    section: str
    item: str
    text: str


def content(run: ReportInput, below: Mapping[str, Content]) -> Content | None:
    """Everything that the section on spectroscopy shows; None without spectra."""
    lines = reporting_lines(run.results.quality)
    return {"lines": lines} if lines else None


def reporting_lines(records: Sequence[QualityRecord]) -> list[ReportingLine]:
    """The table over all spectra that have one, empty where none has."""
    tables = [record.reporting for record in records if record.reporting]
    values: dict[tuple[str, str], list[Any]] = {}
    units: dict[tuple[str, str], str] = {}
    for table in tables:
        for row in table:
            key = (str(row.get("section", "")), str(row.get("item", "")))
            values.setdefault(key, []).append(row.get("value"))
            units[key] = str(row.get("unit") or "")
    return [
        ReportingLine(section, item, _together(known, units[section, item], len(tables)))
        for (section, item), known in sorted(values.items(), key=lambda pair: pair[0][0])
    ]


def _together(values: Sequence[Any], unit: str, count: int) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    lacking = f"; not known for {text.count(count - len(known), 'spectrum', 'spectra')}"
    tail = lacking if len(known) < count else ""
    if all(text.is_number(value) for value in known):
        middle, low, high = (float(f(known)) for f in (np.median, np.min, np.max))
        if low == high:
            return text.with_unit(low, unit) + tail
        ends = f"{text.number(low)} to {text.number(high)}"
        return f"median {text.with_unit(middle, unit)} ({ends}){tail}"
    counts = Counter(text.without_paths(value) for value in known).most_common()
    if len(counts) == 1:
        return f"{counts[0][0]} {text.unit(unit)}".strip() + tail
    shown = "; ".join(
        f"{value} {text.unit(unit)}".strip() + f" ({n})" for value, n in counts[:_MOST]
    )
    more = f"; {len(counts) - _MOST} more" if len(counts) > _MOST else ""
    return shown + more + tail
