"""What earlier jobs of a run say in their status tables; a damaged table says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from commissure.markers.status import Status, read_statuses
from commissure.modalities import STEPS


def rows_of(table: Path) -> list[Status]:
    """The rows of a status table; none where it is not there or not whole."""
    try:
        return read_statuses(table)
    except (OSError, ValueError):
        return []


def rows_of_modality(output_dir: Path, modality: str) -> Iterator[Status]:
    """The rows of all steps and batches of a modality."""
    for step in STEPS:
        for table in sorted((output_dir / "work/status" / f"{modality}_{step}").glob("*.tsv")):
            yield from rows_of(table)
