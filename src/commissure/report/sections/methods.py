"""What every marker means, and how the numbers of the page were made."""

from __future__ import annotations

from collections.abc import Mapping

from commissure.report import text
from commissure.report.results import modality_order
from commissure.report.section import Content, ReportInput


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on methods shows."""
    definitions = run.results.definitions
    order = modality_order({d.get("modality", "") for d in definitions.values()})
    rows = [
        {
            "marker": name,
            "modality": text.modality(definition.get("modality", "")),
            "place": order.index(definition.get("modality", "")),
            "unit": text.unit(definition.get("unit")) or "pure number",
            "description": text.without_paths(definition.get("description") or ""),
            "source": text.without_paths(definition.get("source") or ""),
            "role": "measurement" if definition.get("role") == "confound" else "marker",
        }
        for name, definition in definitions.items()
    ]
    rows.sort(key=lambda row: (row["place"], row["role"], row["marker"]))
    return {"definitions": rows}
