"""What is read of a tool's output folder, and who of it."""

from __future__ import annotations

import fnmatch
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commissure.errors import DatasetError
from commissure.names import participant_label
from commissure.rows import Marker

_PERSON = re.compile(r"(?:^|[_/])sub-([a-zA-Z0-9]+)")
_SESSION = re.compile(r"(?:^|[_/])ses-([a-zA-Z0-9]+)")
_TASK = re.compile(r"_task-([a-zA-Z0-9]+)")


@dataclass(frozen=True)
class Absence:
    """What a tool owes of a person and did not leave whole.

    Attributes
    ----------
    participant_id, session
        With their prefixes; ``session`` is empty where there is none.
    product
        What is absent, in the tool's terms, as ``aseg.stats``.
    state
        ``missing`` where it is not there, ``failed`` where the tool or the file broke off.
    cause
        One sentence.
    """

    participant_id: str
    session: str
    product: str
    state: str
    cause: str


@dataclass
class Ingested:
    """Rows of markers of a tool, and what is to be said of its folder.

    Attributes
    ----------
    rows
        Markers of everybody.
    absences
        What is not there.
    versions
        Version of the tool by visit (person and session); empty where the files do not say it.
    notes
        Sentences for the reader; no person is named.
    """

    rows: list[Marker] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)
    versions: dict[tuple[str, str], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def people(self) -> list[str]:
        """Everybody of whom something is there, once, in order."""
        return sorted({row.participant_id for row in self.rows})

    def version_notes(self, title: str) -> list[str]:
        """What is to be said of the tool's versions."""
        counts = Counter(self.versions.values())
        unknown = counts.pop("", 0)
        notes = []
        if len(counts) > 1:
            told = ", ".join(f"{version} ({count})" for version, count in sorted(counts.items()))
            notes.append(
                f"{title}: results of several versions stand in one study: {told}. Their numbers "
                "do not compare, and who was measured by which may go with the label."
            )
        if unknown:
            notes.append(
                f"{title}: the version of {unknown} of {len(self.versions)} results is not known."
            )
        return notes


def tell_lost_regions(ingested: Ingested) -> None:
    """Tell who lacks a region that most people have: a cortical table says no number of rows."""
    of: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    products: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in ingested.rows:
        who = (row.participant_id, row.session)
        kind = row.marker if row.region[-2:] not in ("_L", "_R") else row.marker + row.region[-2:]
        of[who].add((kind, row.region))
        products[who][kind] += 1
    counts = Counter(region for regions in of.values() for region in regions)
    common = {region for region, count in counts.items() if 2 * count > len(of)}
    for who, regions in of.items():
        lost = sorted(region for kind, region in common - regions if products[who][kind] > 1)
        if lost:
            cause = f"{len(set(lost))} regions that most people have are not there, as {lost[0]}"
            ingested.absences.append(Absence(*who, "regions", "missing", cause))


def person_of(path: str, session: str | None) -> tuple[str, str] | None:
    """Person and visit that a path below the tool's folder names; None where it names nobody."""
    person = _PERSON.findall(path)
    if not person:
        return None
    visit = _SESSION.findall(path)
    return participant_label(person[-1]), f"ses-{visit[-1]}" if visit else session or ""


def task_matches(name: str, tasks: Sequence[str]) -> bool:
    """Whether a file's task is among patterns; a name without a task is none."""
    task = _TASK.search(name)
    return task is not None and any(fnmatch.fnmatchcase(task[1], pattern) for pattern in tasks)


def files_below(folder: Path, suffixes: Iterable[str], *, depth: int) -> Iterator[str]:
    """Paths below a folder whose names end with one of the suffixes, not deeper than ``depth``.

    Hidden folders, and those called ``work``, ``logs`` and ``figures``, are passed over.
    """
    ends = tuple(suffixes)
    for root, folders, files in os.walk(folder, followlinks=True):
        below = Path(root).relative_to(folder)
        if len(below.parts) >= depth:
            folders.clear()
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in ("work", "logs", "figures")
        )
        for name in sorted(files):
            if name.endswith(ends):
                yield (below / name).as_posix()


def text_of(path: Path) -> str:
    """The text of a tool's file.

    Raises
    ------
    DatasetError
        It cannot be opened, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            path.name,
            found=f"it cannot be read as text ({type(error).__name__})",
            wanted="the table that the tool wrote",
            mend=f"Copy {path.name} again",
        ) from error


def number_of(cell: str, *, path: Path, what: str) -> float:
    """A number of a tool's table.

    Raises
    ------
    DatasetError
        The cell is none; a comma before the decimals is named.
    """
    try:
        return float(cell)
    except ValueError:
        comma = re.fullmatch(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", cell.strip()) is not None
        raise DatasetError(
            path.name,
            found=f"{what} is '{cell.strip()}'" + (", with a decimal comma" if comma else ""),
            wanted="a number with a decimal point, as the tool writes it",
            mend=f"Take the file that the tool wrote in place of {path.name}, not one that a "
            "spreadsheet saved"
            if comma
            else f"Make {path.name} again",
        ) from None
