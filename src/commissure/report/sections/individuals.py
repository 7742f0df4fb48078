"""Whose figures are shown, and how they come into the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commissure.report import text
from commissure.report.figure_files import data_address, figure_caption
from commissure.report.results import Results, modality_order, place
from commissure.report.section import Content, ReportInput


def chosen(results: Results, most: int) -> list[tuple[str, str]]:
    """People whose figures are shown, each with the reason.

    First the flagged, those with most flags before the others, but leaving one place for each
    modality; then unflagged people until every modality is shown; then others in order.
    """
    shown: dict[str, set[str]] = {}
    for path in results.figures:
        who, _, modality = place(path, results.folder)
        shown.setdefault(who, set()).add(modality)
    flags: dict[str, int] = {}
    for record in [*results.quality, *results.tool_quality]:
        flags[record.participant_id] = flags.get(record.participant_id, 0) + len(record.flags)
    doubtful = sorted((w for w in shown if flags.get(w)), key=lambda w: (-flags[w], w))
    clean = sorted(w for w in shown if not flags.get(w))
    modalities = modality_order({m for modalities_of in shown.values() for m in modalities_of})
    kept_free = min(len(modalities), len(clean), most // 2)
    picked = [
        (who, text.count_words(flags[who], "quality value") + " beyond a limit")
        for who in doubtful[: most - kept_free]
    ]
    uncovered = list(modalities)
    while uncovered and len(picked) < most:
        left = [who for who in clean if who not in dict(picked)]
        best = max(left, key=lambda who: len(shown[who] & set(uncovered)), default=None)
        if best is None or not shown[best] & set(uncovered):
            break
        picked.append((best, "nothing beyond a limit"))
        uncovered = [m for m in uncovered if m not in shown[best]]
    for who in [*doubtful, *clean]:
        if len(picked) >= most:
            break
        if who not in dict(picked):
            reason = "nothing beyond a limit" if who in clean else "a value beyond a limit"
            picked.append((who, reason))
    return picked[:most]


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on individual figures shows."""
    results, settings = run.results, run.settings
    budget = settings.figures_mb * 1e6
    entries: dict[str, Mapping[str, Any]] = {}
    too_large: list[str] = []
    picked = dict(chosen(results, settings.subjects_with_figures))
    for who in _from_both_ends(list(picked)):
        reason = picked[who]
        images = []
        for path in results.figures:
            person, session, modality = place(path, results.folder)
            if person != who:
                continue
            address = data_address(path)
            if len(address) > budget:
                too_large.append(path.relative_to(results.folder).as_posix())
                continue
            budget -= len(address)
            images.append(
                {
                    "address": address,
                    "modality": text.modality(modality),
                    "caption": figure_caption(path, session, modality),
                }
            )
        if images:
            entries[who] = {"who": who, "reason": reason, "images": images}
    people = {place(path, results.folder)[0] for path in results.figures}
    return {
        "people": [entries[who] for who in picked if who in entries],
        "too_large": too_large,
        "others": len(people) - len(entries),
        "figures": len(results.figures),
    }


def _from_both_ends(names: list[str]) -> list[str]:
    """First, last, second, last but one ...: flagged and unflagged people share the space."""
    ends = [name for pair in zip(names, reversed(names), strict=True) for name in pair]
    return list(dict.fromkeys(ends))
