"""Records of what was computed: for each image and step its key, its files and what it took.

A step whose record has the same key and whose files are all there is not computed again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from commissure.dataset.index import Entry
from commissure.files import write_json


def lost_files(files: Mapping[str, int], folder: Path | str) -> list[str]:
    """Names of those ``files`` that are not in ``folder`` any more, or have another size.

    Parameters
    ----------
    files
        Sizes in bytes by path below ``folder``.
    """
    lost = []
    for name, size in files.items():
        try:
            if os.stat(f"{folder}/{name}").st_size != size:
                lost.append(name)
        except OSError:
            lost.append(name)
    return lost


@dataclass(frozen=True)
class Record:
    """What one step left of one image.

    Attributes
    ----------
    key
        Digest of everything that the result depends on.
    files
        Sizes in bytes by path below the image's folder.
    cpu_s, wall_s
        What it took, seconds.
    environment
        Digest of what it was computed in (:mod:`commissure.flow.environment`).
    """

    key: str
    files: Mapping[str, int]
    cpu_s: float = 0.0
    wall_s: float = 0.0
    environment: str = ""

    def holds(self, key: str, folder: Path) -> bool:
        """Whether the step need not be computed again to give ``key``."""
        return self.key == key and not lost_files(self.files, folder)


class Records:
    """The records of a run, one small file for each image and step.

    Parameters
    ----------
    work
        The run's folder for internal files.
    """

    def __init__(self, work: Path) -> None:
        self.folder = work / "records"

    def path(self, entry: Entry, step: str) -> Path:
        """Where the record of an image's step lies."""
        name = entry.scan.rsplit("/", 1)[-1].split(".")[0]
        return self.folder / f"{entry.modality}_{step}" / f"{name}.json"

    def read(self, entry: Entry, step: str) -> Record | None:
        """The record, or None where the step did not succeed yet or the record is damaged."""
        try:
            record = Record(**json.loads(self.path(entry, step).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return record if isinstance(record.files, dict) else None

    def write(self, record: Record, entry: Entry, step: str) -> None:
        """Keep a record."""
        write_json(vars(record), self.path(entry, step))

    def discard(self, entry: Entry, step: str, folder: Path) -> None:
        """Remove what an earlier attempt left: the record, then the files that it names."""
        record = self.read(entry, step)
        self.path(entry, step).unlink(missing_ok=True)
        for name in record.files if record else ():
            (folder / name).unlink(missing_ok=True)
