"""Files that a finished run has lost since: their batches run again.

Snakemake sees the status tables of the batches and not the files of each person. The main process
compares what the tables name with what is there, and gives a batch that has lost something another
mark. The mark is a parameter of the batch's rule: Snakemake runs a rule again whose parameters
changed, and inside the batch only what was lost is computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from commissure.files import write_json
from commissure.flow.records import lost_files
from commissure.markers.status import read_statuses


def read_marks(work: Path) -> dict[str, int]:
    """Marks of the batches that were opened again, by status table."""
    path = work / "reopened.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def reopen(tables: Iterable[str], output_dir: Path) -> dict[str, list[str]]:
    """Give a new mark to every batch whose people have lost files.

    Parameters
    ----------
    tables
        Status tables of the batches by their path below ``work/status``; those that were not
        written yet are passed over.
    output_dir
        The run's output folder.

    Returns
    -------
    dict
        Paths of the lost files below the output, by status table.
    """
    work = output_dir / "work"
    marks = read_marks(work)
    before = dict(marks)
    lost: dict[str, list[str]] = {}
    for name in tables:
        path = work / "status" / name
        if not path.exists():
            continue
        for row in read_statuses(path):
            files = lost_files(row.files, f"{output_dir}/{row.folder}")
            if files:
                lost.setdefault(name, []).extend(f"{row.folder}/{file}" for file in files)
        # The same loss seen twice is one mark: the table is written anew when its batch has run.
        if name in lost:
            marks[name] = path.stat().st_mtime_ns
    if marks != before:
        write_json(marks, work / "reopened.json")
    return lost
