"""Who is in which batch, in brief: what every job on a node must know of the dataset.

The index has a row for each image. Of a large study it takes seconds to read, and each job on a
node would read it. The main process writes down the few numbers that the rules need.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from commissure.dataset.index import Entry
from commissure.files import as_json, write_text
from commissure.flow.repeated_people import chosen_people
from commissure.flow.settings import Settings
from commissure.markers.visit_choice import names_order, session_files


@dataclass(frozen=True)
class Batches:
    """The batches of a study.

    Attributes
    ----------
    numbers
        Numbers of the batches that have images of a modality, as they stand in file names.
    people
        How many people each batch has.
    repeated
        Who is measured again where the tolerances of markers are asked for.
    session_files
        Tables of acquisition times, where neither settings nor names order the sessions.
    rows
        Rows of the table of people; 0 where there is none.
    """

    numbers: Mapping[str, Sequence[str]]
    people: Mapping[str, int]
    repeated: Sequence[str]
    session_files: Sequence[str]
    rows: int

    @classmethod
    def of(cls, entries: Sequence[Entry], settings: Settings) -> Batches:
        """The batches by the index of the dataset."""
        numbers: dict[str, set[str]] = {name: set() for name in settings.modalities}
        people: dict[str, set[str]] = defaultdict(set)
        for entry in entries:
            if entry.modality in numbers:
                batch = f"{entry.batch:04d}"
                numbers[entry.modality].add(batch)
                people[batch].add(entry.participant_id)
        return cls(
            {name: sorted(of_modality) for name, of_modality in numbers.items()},
            {batch: len(people[batch]) for batch in sorted(people)},
            chosen_people(entries, settings.tolerances.people),
            _session_files(entries, settings),
            _rows_of_people(settings.participants_file()),
        )

    @classmethod
    def read(cls, path: Path) -> Batches | None:
        """What the main process wrote down; None where it has not, or not whole."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write it down for jobs on nodes, unless the file already says the same."""
        write_changed(as_json(asdict(self)), path)

    @property
    def everybody(self) -> int:
        """How many people have an image of the study: each is in one batch."""
        return sum(self.people.values())

    @property
    def in_the_study(self) -> int:
        """How many people the study has, with or without an image."""
        return max(self.everybody, self.rows)


def write_changed(text: str, path: Path) -> None:
    """Write a file, unless it already says the same."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(text, path)


def _session_files(entries: Iterable[Entry], settings: Settings) -> list[str]:
    visits = {(entry.participant_id, entry.session) for entry in entries}
    if settings.bids is None or names_order(visits, settings.sessions):
        return []
    return [str(file) for file in session_files(settings.bids, visits)]


def _rows_of_people(table: Path | None) -> int:
    if table is None or not table.is_file():
        return 0
    with table.open("rb") as lines:
        return max(0, sum(1 for line in lines if line.strip()) - 1)
