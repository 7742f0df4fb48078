"""Who is measured again where the tolerances of markers are asked for."""

from __future__ import annotations

from collections.abc import Iterable

from commissure.dataset.index import Entry


def chosen_people(entries: Iterable[Entry], number: int) -> list[str]:
    """Whom to measure again: those with most modalities, by their identifiers."""
    modalities: dict[str, set[str]] = {}
    for entry in entries:
        if entry.used:
            modalities.setdefault(entry.participant_id, set()).add(entry.modality)
    ordered = sorted(modalities, key=lambda person: (-len(modalities[person]), person))
    return sorted(ordered[:number])
