"""What people say of scans that they looked at: ratings of the pages, as a rule that leaves out.

Planning reads them, too: the standard library serves here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from commissure.errors import DatasetError
from commissure.modalities import MODALITIES
from commissure.names import participant_label
from commissure.tables.delimited import MISSING, Cells, plain_cell, read_cells
from commissure.tables.identifiers import compare_people

#: Columns of a file of ratings.
RATING_COLUMNS = ("study", "participant_id", "session", "modality", "rating", "rater", "comment")

#: What a rater may say of a scan.
KEEP, DROP, UNSURE = "keep", "drop", "unsure"
CHOICES = (KEEP, DROP, UNSURE)

#: How several raters decide together: not at all, one for all, or more of them against than for.
Decision = Literal["off", "any", "majority"]

#: The option that reads them, as the table of exclusions names it.
OPTION = "ratings"


@dataclass(frozen=True)
class Rating:
    """What one rater says of the scans of one modality of a person's visit."""

    participant_id: str
    session: str
    modality: str
    rating: str
    rater: str
    comment: str = ""

    @property
    def scan(self) -> tuple[str, str, str]:
        """What is rated: person, visit and modality."""
        return self.participant_id, self.session, self.modality


def rating_files(output_dir: Path | str) -> list[Path]:
    """The files of ratings in an output folder: ``ratings.tsv`` and ``ratings_<rater>.tsv``."""
    folder = Path(output_dir)
    return sorted([*folder.glob("ratings.tsv"), *folder.glob("ratings_*.tsv")])


def read_ratings(
    files: Iterable[Path | str], *, study: str, people: Collection[str] = ()
) -> tuple[list[Rating], list[str]]:
    """Read what raters said.

    Parameters
    ----------
    files
        Tables with the columns :data:`RATING_COLUMNS`. A rater without a name is called as the
        file: ``ratings_anna.tsv`` is of ``anna``.
    study
        Identity of the study that reads them.
    people
        Everybody in the study; empty where that is not known yet.

    Returns
    -------
    ratings, cautions
        In the order of the files; sentences on people whom the study does not have.

    Raises
    ------
    DatasetError
        A file is of another study, lacks a column, or says what no rater can say; or a rater says
        two things of one scan.
    """
    ratings: list[Rating] = []
    cautions: list[str] = []
    said: dict[tuple[str, ...], str] = {}
    for path in map(Path, files):
        table = read_cells(path)
        _check(table, study)
        who = [participant_label(_text(cell)) for cell in table.column("participant_id")]
        cautions += compare_people(who, people, file=path.name)
        for number, rating in enumerate(_rows(table, who)):
            if people and rating.participant_id not in people:
                continue
            key = (rating.rater, *rating.scan)
            if said.setdefault(key, rating.rating) != rating.rating:
                raise DatasetError(
                    table.where(number, rating.participant_id),
                    found=f"{rating.rater} says '{said[key]}' and '{rating.rating}' of "
                    f"{rating.modality}",
                    wanted="one rating of each scan by each rater",
                    mend=f"Remove one of the two from {path.name}, or name the raters apart",
                )
            ratings.append(rating)
    return ratings, cautions


def left_out(
    ratings: Sequence[Rating], decision: Decision
) -> list[tuple[tuple[str, str, str], int]]:
    """Scans that the raters leave out together, each with how many say so.

    Who is unsure says neither. By ``any``, one rater who drops a scan is enough; by ``majority``,
    more must drop it than keep it.
    """
    if decision == "off":
        return []
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for rating in ratings:
        counts.setdefault(rating.scan, Counter())[rating.rating] += 1
    return [
        (scan, of[DROP])
        for scan, of in sorted(counts.items())
        if of[DROP] and (decision == "any" or of[DROP] > of[KEEP])
    ]


def _text(cell: str) -> str:
    text = plain_cell(cell.strip())
    return "" if text in MISSING else text


def _check(table: Cells, study: str) -> None:
    """Refuse a file that is no ratings, or those of another study."""
    missing = [name for name in RATING_COLUMNS if name not in table.header]
    if missing:
        raise DatasetError(
            table.path.name,
            found=f"the columns {missing} are missing",
            wanted="a file of ratings as a person's page gives it",
            mend="Download it again from a page of a person",
        )
    for number, cell in enumerate(table.column("study")):
        if _text(cell) != study:
            raise DatasetError(
                table.where(number),
                found=f"the ratings are of the study '{_text(cell)}'",
                wanted=f"ratings of this study, '{study}'",
                mend=f"Remove {table.path.name} from the output folder; if it is of these people "
                "all the same, write that identity into its column study",
            )


def _rows(table: Cells, who: Sequence[str]) -> Iterable[Rating]:
    columns = [table.column(name) for name in RATING_COLUMNS[2:]]
    by_file = table.path.stem.partition("_")[2] or "rater"
    for number, cells in enumerate(zip(*columns, strict=True)):
        session, modality, rating, rater, comment = map(_text, cells)
        for name, value, known in (
            ("rating", rating, CHOICES), ("modality", modality, tuple(MODALITIES)),
        ):  # fmt: skip
            if value not in known:
                raise DatasetError(
                    table.where(number, who[number]),
                    found=f"{name} is '{value}'",
                    wanted=f"one of {', '.join(known)}",
                    mend=f"Correct the row in {table.path.name}",
                )
        if session and not session.startswith("ses-"):
            session = f"ses-{session}"
        yield Rating(who[number], session, modality, rating, rater or by_file, comment)
