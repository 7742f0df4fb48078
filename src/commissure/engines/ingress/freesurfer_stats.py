"""Reading a table of FreeSurfer's ``stats`` folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commissure.engines.ingress.results import number_of, text_of
from commissure.errors import DatasetError

#: A version as FreeSurfer writes it.
VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?(?:-?[a-z]\w*)?")


@dataclass(frozen=True)
class StatsTable:
    """A table of ``stats``: its measures (value and unit), columns, rows and version."""

    path: Path
    measures: Mapping[str, tuple[float, str]]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    version: str

    def column(self, name: str) -> Iterator[tuple[str, float]]:
        """Structure and value of each row."""
        where, structure = self.columns.index(name), self.columns.index("StructName")
        for row in self.rows:
            what = f"{name} of {row[structure]}"
            yield row[structure], number_of(row[where], path=self.path, what=what)


def stats_table(path: Path) -> StatsTable:
    """Read a table whole.

    Raises
    ------
    DatasetError
        It is cut off, or holds what is no number.
    """
    text = text_of(path)
    if not text.endswith("\n"):
        raise _cut(path, "it ends within a line")
    lines = text.splitlines()
    measures: dict[str, tuple[float, str]] = {}
    version, columns, declared = "", [], None
    for line in lines:
        if not line.startswith("#"):
            continue
        words = line[1:].split()
        if words[:1] == ["Measure"]:
            parts = [part.strip() for part in line[1:].strip().removeprefix("Measure").split(",")]
            if len(parts) < 4:
                raise _cut(path, f"the line of {parts[0]} ends early")
            key = parts[1]
            measures[key] = (number_of(parts[-2], path=path, what=key), parts[-1])
        elif words[:1] == ["ColHeaders"]:
            columns = words[1:]
        elif words[:1] == ["NRows"]:
            declared = int(words[1])
        elif words[:1] == ["cvs_version"]:
            version = _version(words[1:])
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if not columns:
        raise _cut(path, "it has no line ColHeaders")
    short = next((row for row in rows if len(row) != len(columns)), None)
    if short is not None:
        raise _cut(
            path, f"the row of {' '.join(short)[:40]} has {len(short)} of {len(columns)} cells"
        )
    if not rows or (declared is not None and declared != len(rows)):
        raise _cut(path, f"it has {len(rows)} rows, and its head says {declared}")
    return StatsTable(path, measures, columns, rows, version)


def _version(words: Sequence[str]) -> str:
    """FreeSurfer's version: 7.0.0, or of earlier ones that of the program."""
    match = VERSION.fullmatch(words[-1]) if words else None
    if match:
        return match[0]
    told = re.search(r"\$Id: (\S+),v (\S+)", " ".join(words))
    return f"before 7 ({told[1]} {told[2]})" if told else ""


def _cut(path: Path, found: str) -> DatasetError:
    return DatasetError(
        path.name,
        found=found,
        wanted="a whole table",
        mend=f"Copy {path.name} again, or let the tool make it again",
    )
