"""Who stands out of the cohort, in any modality, first; with the page of everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from commissure.markers.selection import ALL
from commissure.outputs import STANDING_OUT
from commissure.report import text
from commissure.report.notes import summed_notes
from commissure.report.quality_words import check_label
from commissure.report.results import Results, modality_order
from commissure.report.section import Content, ReportInput
from commissure.report.standing import (
    STANDS_OUT,
    StandingOut,
    distributions,
    standing_out,
    with_tools,
)

#: Values that a row names; the page of the person has all.
_NAMED = 4

#: Rows of the page: a browser takes seconds to lay out thousands.
SHOWN = 100


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on people who stand out shows."""
    results = run.results
    quality = with_tools(results.tables["quality.tsv"], results.tables["tool_quality.tsv"])
    values = standing_out(quality, distributions(quality))
    by_person: dict[str, list[StandingOut]] = {}
    for value in values:
        by_person.setdefault(value.participant_id, []).append(value)
    excluded = _excluded(results)
    rows = [
        _row(who, by_person.get(who, []), excluded.get(who, [])) for who in {*by_person, *excluded}
    ]
    everybody = sorted(set(quality["participant_id"]) | set(results.pages))
    rows.sort(key=lambda row: row["order"])
    return {
        "rows": rows,
        "shown": rows[:SHOWN],
        "table": STANDING_OUT.path,
        "limit": STANDS_OUT,
        "measured": not quality.empty,
        "people": len(everybody),
        "pages": sorted(results.pages),
        "pages_up_to": run.settings.pages_up_to,
        "notes": _notes(results),
    }


def outlier_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of ``standing_out.tsv``, from those of :func:`content`."""
    return STANDING_OUT.frame(
        (
            row["who"],
            ", ".join(row["modalities"]) or None,
            row["beyond"],
            row["far"],
            round(row["z"], 2) if row["z"] else None,
            "; ".join(row["all_values"]) or None,
            "; ".join(row["excluded"]) or None,
        )
        for row in rows
    )


def _row(who: str, values: Sequence[StandingOut], excluded: Sequence[str]) -> dict[str, Any]:
    """One person; who stands out in several modalities, and by several limits, comes first."""
    modalities = modality_order({value.modality for value in values})
    ranked = sorted(values, key=lambda value: (not value.flagged, -_size(value)))
    beyond = sum(value.flagged for value in values)
    largest = max((_size(value) for value in values), default=0.0)
    written = [_value(value) for value in ranked]
    return {
        "who": who,
        "modalities": [text.modality(name) for name in modalities],
        "beyond": beyond,
        "far": len(values) - beyond,
        "z": largest,
        "largest": text.fixed(largest, 1) if largest else text.ABSENT,
        "values": written[:_NAMED],
        "all_values": written,
        "more": max(0, len(written) - _NAMED),
        "excluded": list(excluded),
        "order": (-len(modalities), -beyond, -largest, who),
    }


def _size(value: StandingOut) -> float:
    return abs(value.z) if value.z == value.z else 0.0


def _value(value: StandingOut) -> str:
    written = f"{check_label(value.check)} {text.number(value.value)}"
    visit = f" ({value.session})" if value.session else ""
    beyond = f", limit {text.limit(value.limit)}" if value.flagged else ""
    return f"{written}{visit}{beyond}"


def _excluded(results: Results) -> dict[str, list[str]]:
    excluded: dict[str, list[str]] = {}
    for row in results.tables["exclusions.tsv"].to_dict("records"):
        what = "everything" if row["modality"] in ("", ALL) else text.modality(row["modality"])
        said = excluded.setdefault(str(row["participant_id"]), [])
        if (line := f"{what}: {row['rule']}") not in said:
            said.append(line)
    return excluded


def _notes(results: Results) -> list[dict[str, Any]]:
    """What the steps noted, summed up by modality."""
    by_modality: dict[str, list[tuple[str, str]]] = {}
    for record in results.quality:
        by_modality.setdefault(record.modality, []).extend(
            (record.participant_id, note) for note in record.notes
        )
    return [
        {
            "modality": text.modality(name),
            "sentence": note.sentence,
            "n": len(note.people),
            "people": note.people,
        }
        for name in modality_order(set(by_modality))
        for note in summed_notes(by_modality[name])
    ]
