"""What a finished run has lost since, or could not do for a reason that may pass: it runs again.

Snakemake sees the status tables of the batches and not the files of each person, and of its own
outputs whether they are there and not whether they are whole. The main process compares what the
tables and records name with what is there, and gives a batch or rule that has lost something
another mark. The mark is a parameter of the rule: Snakemake runs a rule again whose parameters
changed, and inside a batch only what was lost is computed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from commissure.files import write_json
from commissure.flow.records import lost_files
from commissure.markers.status import read_statuses


def read_marks(work: Path) -> dict[str, int]:
    """Marks of what was opened again, by status table or rule; none where the file is damaged."""
    try:
        return dict(json.loads((work / "reopened.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


@dataclass(frozen=True)
class Loss:
    """Why a batch or a rule runs again.

    Attributes
    ----------
    lost
        Paths below the output that are gone, or are not as they were written.
    interrupted
        Images whose step ended for a reason that may pass, as a full disk.
    """

    lost: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.interrupted)


def reopen(
    tables: Iterable[str], output_dir: Path, *, rules: Iterable[str] = ()
) -> dict[str, Loss]:
    """Give a new mark to every batch and rule that has lost something.

    Parameters
    ----------
    tables
        Status tables of the batches by their path below ``work/status``; those that were not
        written yet are passed over.
    output_dir
        The run's output folder.
    rules
        Names of records of :func:`write_outputs`.

    Returns
    -------
    dict
        What was lost, by status table or rule.
    """
    work = output_dir / "work"
    marks = read_marks(work)
    before = dict(marks)
    losses: dict[str, Loss] = {}
    for name in tables:
        path = work / "status" / name
        # The same loss seen twice is one mark: the table is written anew when its batch has run.
        if path.exists() and (loss := _of_batch(path, output_dir)):
            losses[name], marks[name] = loss, path.stat().st_mtime_ns
    for name in rules:
        path = outputs_record(work, name)
        if path.exists() and (changed := changed_outputs(path)):
            losses[name], marks[name] = Loss(changed), path.stat().st_mtime_ns
    if marks != before:
        write_json(marks, work / "reopened.json")
    return losses


def _of_batch(path: Path, output_dir: Path) -> Loss:
    loss = Loss()
    try:
        rows = read_statuses(path)
    except (OSError, ValueError):
        return Loss([str(path.relative_to(output_dir))])
    for row in rows:
        files = lost_files(row.files, f"{output_dir}/{row.folder}")
        loss.lost.extend(f"{row.folder}/{file}" for file in files)
        if row.state == "interrupted":
            loss.interrupted.append(row.folder)
    return loss


def outputs_record(work: Path, name: str) -> Path:
    """Where a rule records what it wrote."""
    return work / "outputs" / f"{name}.json"


def write_outputs(outputs: Iterable[Path | str], record: Path) -> None:
    """Record size, time and digest of what a rule wrote; of a folder, of every file below it.

    Parameters
    ----------
    outputs
        Files and folders below the run's output folder.
    record
        Of :func:`outputs_record`.
    """
    output_dir = record.parents[2]
    files = [
        file
        for path in map(Path, outputs)
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.is_file()
    ]
    content = {
        str(file.relative_to(output_dir)): {
            "bytes": file.stat().st_size,
            "time_ns": file.stat().st_mtime_ns,
            "sha256": _digest(file),
        }
        for file in files
    }
    write_json(content, record)


def changed_outputs(record: Path) -> list[str]:
    """Paths below the output whose file is gone or has another content than the rule wrote.

    A file of the same size and time counts as the same; of the others the digest decides.
    """
    output_dir = record.parents[2]
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        return [name for name, file in content.items() if not _is_whole(output_dir / name, file)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return [str(record.relative_to(output_dir))]


def _is_whole(path: Path, file: dict) -> bool:
    if not path.is_file():
        return False
    found = path.stat()
    if found.st_size != file["bytes"]:
        return False
    return found.st_mtime_ns == file["time_ns"] or _digest(path) == file["sha256"]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
