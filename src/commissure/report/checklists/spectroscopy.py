"""MRSinMRS: the published table's fields, with what the spectra of a run say (Lin et al. 2021)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from commissure.report import text
from commissure.report.checklists.item import ChecklistItem, plain_cell
from commissure.report.methods_text.record import RunRecord, counted

TITLE = "MRSinMRS"
INTRODUCTION = (
    "Minimum reporting standards for in vivo MR spectroscopy (Lin et al. 2021, NMR Biomed "
    "34:e4484), with the letters of the published table and topics in words of our own. Numbers of "
    "images stand in brackets where spectra differ."
)

# Letter of the published table, topic, and the rows of a spectrum's record that fill it.
FIELDS = (
    ("1a", "Field strength", ("Field strength",)),
    ("1b", "Manufacturer", ("Manufacturer",)),
    ("1c", "Model and software version", ("Scanner model", "Scanner software")),
    ("1d", "RF coils", ("Receive coil", "Coils stored")),
    ("1e", "Additional hardware", ()),
    ("2a", "Pulse sequence", ("Pulse sequence",)),
    ("2b", "Volume of interest: place", ("Volume of interest",)),
    ("2c", "Volume of interest: nominal size", ("Nominal size",)),
    ("2d", "Repetition and echo time", ("Repetition and echo time",)),
    ("2e", "Acquisitions per spectrum", ("Averages", "Shots stored")),
    ("2f", "Further parameters of the sequence", ("Sampling",)),
    ("2g", "Water suppression", ("Water suppression",)),
    ("2h", "Shimming", ("Shimming",)),
    ("2i", "Triggering or motion correction", ("Triggering or motion correction",)),
    ("3a", "Software of the analysis", ("Software",)),
    ("3b", "Processing steps", ("Steps applied",)),
    ("3c", "Output measure", ("Output",)),
    ("3d", "Reference, assumptions and model of the fit",
     ("Reference and assumptions", "Model of the fit", "Basis")),
    ("4a", "Reported quality (SNR, linewidth)", ("SNR of the fit", "Linewidth of creatine")),
    ("4b", "Criteria of exclusion", ("Rule for exclusion", "Share of shots kept")),
    ("4c", "Quality of the fit", ("Cramér-Rao bound of Glu", "Cramér-Rao bound of Gln",
                                  "Cramér-Rao bound of GSH", "Residual over noise")),
    ("4d", "Sample spectrum", ()),
)  # fmt: skip
_SAID = {"4d": "Each spectrum with its fit is a figure of the person (figures/*.svg) and in the "
         "report."}  # fmt: skip


def items(run: RunRecord) -> list[ChecklistItem]:
    """The fields over all spectra of the run; none where there is no spectrum."""
    rows = _rows(run)
    lines = []
    for number, topic, names in FIELDS if rows else ():
        said = [f"{name}: {_over_spectra(rows, name)}" for name in names if _has(rows, name)]
        known = "; ".join(said) or _SAID.get(number, "")
        question = "" if known else "The files do not say it."
        lines.append(ChecklistItem(number, topic, text.without_paths(known), question))
    return lines


def table(run: RunRecord) -> str:
    """One row per spectrum and one column per field of the published table, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["spectrum", *(f"{number} {topic}" for number, topic, _ in FIELDS)])
    spectra = [q for q in run.results.quality if q.modality == "mrs" and q.reporting]
    for record in spectra:
        values = {row["item"]: _shown(row) for row in record.reporting}
        name = record.scan if not record.session else f"{record.scan}"
        cells = [
            "; ".join(
                f"{n}: {values[n]}" if len(names) > 1 else values[n] for n in names if values.get(n)
            )
            for _, _, names in FIELDS
        ]
        writer.writerow([plain_cell(text.without_paths(cell)) for cell in (name, *cells)])
    return out.getvalue()


def _rows(run: RunRecord) -> list[Mapping[str, Any]]:
    return [
        {row["item"]: row for row in record.reporting}
        for record in run.results.quality
        if record.modality == "mrs" and record.reporting
    ]


def _has(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(name in row and row[name]["value"] is not None for row in rows)


def _over_spectra(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """One value, or a range of numbers, or the values with their counts."""
    cells = [row[name] for row in rows if name in row and row[name]["value"] is not None]
    unit = text.unit(cells[0].get("unit") or "")
    numbers = [cell["value"] for cell in cells if text.is_number(cell["value"])]
    if len(numbers) == len(cells) and len(set(numbers)) > 1:
        low, high = min(numbers), max(numbers)
        return f"{text.number(low)} to {text.number(high)} {unit}".strip()
    values = counted([{"v": _shown(cell)} for cell in cells], "v")
    if len(values) == 1 and len(cells) == len(rows):
        return values[0][0]
    return text.listed(f"{value} ({n})" for value, n in values[:6])


def _shown(row: Mapping[str, Any]) -> str:
    value = row.get("value")
    if value is None:
        return ""
    shown = text.number(value) if text.is_number(value) else str(value)
    return f"{shown} {text.unit(row.get('unit') or '')}".strip()
