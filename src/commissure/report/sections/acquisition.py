"""How the images were acquired, counted as a paper counts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from commissure.report import text
from commissure.report.results import modality_order
from commissure.report.section import Content, ReportInput


def content(run: ReportInput, below: Mapping[str, Content]) -> Content | None:
    """Everything that the section on acquisition shows; None where nothing is known."""
    table = run.results.tables["acquisition.tsv"]
    if table.empty:
        return None
    names = modality_order(set(table["modality"]))
    return {
        "sentences": [_sentence(name, table[table["modality"] == name]) for name in names],
        "modalities": [text.modality(name) for name in names],
        "scanners": _scanners(table, names),
    }


def _sentence(name: str, rows: pd.DataFrame) -> str:
    """Counts of one modality, to be copied into a methods section."""
    scans, people = len(rows), rows["participant_id"].nunique()
    parts = [
        f"{text.capital(text.modality(name))}: {text.count(scans, 'scan')} of "
        f"{text.count(people, 'person', 'people')}"
    ]
    for column, label, unit in (
        ("field_strength_t", "field strength", "T"), ("voxel_mm", "largest voxel side", "mm"),
        ("tr_s", "TR", "s"), ("te_ms", "TE", "ms"),
    ):  # fmt: skip
        if spread := _spread(rows[column], unit):
            parts.append(f"{label} {spread}")
    if name == "func":
        known = int(rows["slice_timing"].astype(bool).sum())
        parts.append(f"slice timing known for {known} ({text.percent(known, scans)})")
    if name in ("func", "dwi"):
        mapped = int(rows["field_map"].astype(bool).sum())
        parts.append(f"a field map for {mapped} ({text.percent(mapped, scans)})")
    return "; ".join(parts) + "."


def _spread(column: pd.Series, unit: str) -> str:
    """One value where all agree, else the most frequent with the range."""
    known = column.dropna().astype(float)
    if known.empty:
        return ""
    missing = f" ({len(column) - len(known)} unknown)" if len(known) < len(column) else ""
    rounded = known.round(3)
    if rounded.min() == rounded.max():
        return f"{text.number(rounded.iloc[0])} {unit}{missing}"
    low, high = text.number(rounded.min()), text.number(rounded.max())
    return f"{text.number(rounded.mode().iloc[0])} {unit} ({low} to {high}){missing}"


def _scanners(table: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    """People by scanner and software version, one column for each modality."""
    rows = []
    keys = ["manufacturer", "model", "software"]
    for key, scans in table.groupby(keys, sort=True):
        scanner = [str(part) for part in key]
        strengths = scans["field_strength_t"].dropna().round(1).unique()
        rows.append(
            {
                "name": " ".join(filter(None, scanner[:2])) or "not stated",
                "software": scanner[2] or "not stated",
                "strength": text.listed(f"{text.number(value)} T" for value in sorted(strengths))
                or text.ABSENT,
                "counts": [
                    scans.loc[scans["modality"] == name, "participant_id"].nunique()
                    for name in names
                ],
            }
        )
    return rows
