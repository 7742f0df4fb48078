"""``commissure index``: who has what in a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from commissure.cli.errors import readable
from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.errors import DatasetError
from commissure.modalities import MODALITIES


def index(
    bids: Annotated[Path, typer.Argument(help="BIDS dataset.")],
) -> None:
    """Show who has what in a dataset, and which images would not be used, with the reason."""
    with readable():
        if not bids.is_dir():
            raise DatasetError(str(bids), found="there is no such folder", wanted="a BIDS dataset")
        entries, passed_over = survey(bids, tree_of(bids))
    table = Table("participant", "session", *MODALITIES)
    for visit in sorted({(e.participant_id, e.session) for e in entries}):
        scans = [e for e in entries if (e.participant_id, e.session) == visit]
        counts = [sum(e.modality == m and e.used for e in scans) for m in MODALITIES]
        table.add_row(*visit, *(str(n) if n else "-" for n in counts))
    console = Console()
    console.print(table)
    for entry in entries:
        if not entry.used:
            console.print(f"not used: {entry.scan}: {entry.note}", highlight=False, markup=False)
    for message in passed_over:
        console.print(message, highlight=False, markup=False)
