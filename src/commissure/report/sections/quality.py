"""Quality values against their limits, and the people who are flagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.report import text
from commissure.report.plots import marker_figures
from commissure.report.quality_words import check_label, name_and_unit, parsed_limit
from commissure.report.results import QualityRecord, modality_order
from commissure.report.section import Content, ReportInput


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on quality shows."""
    own, tools = run.results.quality, run.results.tool_quality
    records = [*own, *tools]
    sites = {str(who): str(site) for who, site in run.people.people["site"].items()}
    modalities = []
    for modality in modality_order({record.modality for record in records}):
        measured = [record for record in records if record.modality == modality]
        by_name: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        for record in measured:
            for check in record.checks:
                by_name.setdefault(check["name"], []).append((record.participant_id, check))
        checks = [_check(name, found, sites) for name, found in by_name.items()]
        modalities.append(
            {
                "name": text.modality(modality),
                "scans": sum(record.modality == modality for record in own or tools),
                "flagged": len(flagged(measured)),
                "checks": [check for check in checks if check is not None],
            }
        )
    return {"modalities": modalities, "flagged": flagged(records)}


def flagged(records: Sequence[QualityRecord]) -> list[dict[str, Any]]:
    """The scans that broke a limit, with the values, the people with most of them first.

    What another tool says of an image joins the row of that visit, where there is one.
    """
    rows: list[dict[str, Any]] = []
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        if not record.flags:
            continue
        values = {check["name"]: check for check in record.checks}
        broken = []
        for name in record.flags:
            check = values.get(name, {})
            limit = check.get("limit")
            wanted = f" (limit {text.limit(limit)})" if limit else ""
            broken.append(f"{check_label(name)} {text.number(check.get('value'))}{wanted}")
        who = f"{record.participant_id} {record.session}".strip()
        known = first.get((who, record.modality))
        if record.scan == "MRIQC" and known is not None:
            known["flags"] += broken
            continue
        notes = [values[name]["note"] for name in record.flags if values.get(name, {}).get("note")]
        row: dict[str, Any] = {
            "who": who,
            "modality": text.modality(record.modality),
            "flags": broken,
            "notes": [
                text.sentence(text.without_paths(note))
                for note in dict.fromkeys([*record.notes, *notes])
            ],
        }
        first.setdefault((who, record.modality), row)
        rows.append(row)
    flags: dict[str, int] = {}
    for row in rows:
        flags[row["who"]] = flags.get(row["who"], 0) + len(row["flags"])
    return sorted(rows, key=lambda row: (-flags[row["who"]], row["who"]))


def _check(
    name: str, measured: Sequence[tuple[str, Mapping[str, Any]]], site_of: Mapping[str, str]
) -> dict[str, Any] | None:
    """One check over all scans: of each, the person and the check."""
    values, failed, sites, limits = [], [], [], list[str]()
    unmeasured = 0
    for who, check in measured:
        limits.append(str(check.get("limit") or ""))
        if not text.is_number(check.get("value")):
            unmeasured += 1
            continue
        values.append(float(check["value"]))
        failed.append(check.get("passed") is False)
        sites.append(site_of.get(who, "unknown"))
    if not values and not unmeasured:
        return None
    distinct = list(dict.fromkeys(filter(None, limits)))
    limit = distinct[0] if len(distinct) == 1 else ""
    row = {
        "name": name,
        "label": check_label(name),
        "limit": "by site" if len(distinct) > 1 else text.limit(limit) or "none",
        "n": len(values),
        "unmeasured": unmeasured,
        "failed": int(np.sum(failed)),
        "median": text.number(np.median(values)) if values else text.ABSENT,
        "range": f"{text.number(min(values))} to {text.number(max(values))}"
        if values
        else text.ABSENT,
        "figure": "",
    }
    if len(values) >= 3 and np.ptp(values) > 0:
        row["figure"] = _strip(
            row,
            np.array(values),
            np.array(failed),
            np.array(sites),
            limits=parsed_limit(limit),
        )
    return row


def _strip(
    row: Mapping[str, Any],
    values: np.ndarray,
    failed: np.ndarray,
    sites: np.ndarray,
    *,
    limits: Sequence[tuple[str, float]],
) -> str:
    """The figure of one check: its values by site."""
    shown = [str(site) for site in np.unique(sites)]
    return marker_figures.quality_strip(
        [values[sites == site] for site in shown],
        [failed[sites == site] for site in shown],
        shown,
        limits=limits,
        label=name_and_unit(row["name"])[1],
        description=f"{row['label']} of {text.count(len(values), 'scan')}: median {row['median']}, "
        f"{row['range']}; {row['failed']} beyond the limit ({row['limit']})",
    )
