"""Delimited text, read strictly: what a spreadsheet or an editor did to a table is told in words.

Cells stay text here. Reads with the standard library alone, because planning does, too.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commissure.errors import DatasetError

#: What stands for nothing in a table.
MISSING = ("n/a", "N/A", "NaN", "nan", "")
_NOTHING = frozenset(MISSING)

# The first bytes of what is no table of text.
_MAGIC = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF document"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
_SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons"}

# Lines of numbers. Nothing of it is tried twice: a word behind many numbers is found at once.
_PLAIN_NUMBERS = re.compile(
    r"(?>(?>[+-]?(?>[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?>[eE][+-]?[0-9]++)?)?+(?:\n|\Z))*+"
)
# A spreadsheet runs a cell that starts so, unless it is a number.
_FORMULA = re.compile(r"['\s]*[=+\-@]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-](inf|nan)")


def safe_cell(text: str) -> str:
    """A cell as it is written: text that a spreadsheet would run as a formula gets an apostrophe.

    :func:`plain_cell` takes it away again, whatever the text was.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def plain_cell(text: str) -> str:
    """The text of a cell that :func:`safe_cell` wrote."""
    if text[:1] == "'" and _FORMULA.match(text) and not _NUMBER.fullmatch(text[1:]):
        return text[1:]
    return text


def plain_numbers(joined: str) -> bool:
    """Whether lines are all numbers as a program reads them, or empty."""
    return _PLAIN_NUMBERS.fullmatch(joined) is not None


@dataclass(frozen=True)
class Row:
    """One row of a table: the line of the file on which it ends, and its cells."""

    line: int
    cells: Sequence[str]


@dataclass(frozen=True)
class Cells:
    """A table as text.

    Attributes
    ----------
    path
        The file.
    header
        Names of the columns, without blanks around them; each has a name of its own.
    rows
        As many cells each as the header.
    """

    path: Path
    header: Sequence[str]
    rows: Sequence[Row]
    _columns: dict[str, list[str]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def column(self, name: str) -> list[str]:
        """Cells of a column without blanks around them, empty where they mean nothing."""
        if name not in self._columns:
            position = self.header.index(name)
            cells = (row.cells[position].strip() for row in self.rows)
            self._columns[name] = ["" if cell in _NOTHING else cell for cell in cells]
        return self._columns[name]

    def where(self, number: int, who: str = "") -> str:
        """Place of a row, for an error: ``participants.tsv, line 3 (sub-01)``."""
        return f"{self.path.name}, line {self.rows[number].line}" + (f" ({who})" if who else "")


def read_cells(path: Path | str) -> Cells:
    """Read a TSV (or CSV, by extension) as text.

    Raises
    ------
    DatasetError
        As :func:`table_text` and :class:`TableReader` raise it.
    """
    path = Path(path)
    (_, header), *rows = TableReader(table_text(path), path)
    return Cells(path, header, [Row(line, cells) for line, cells in rows])


def separator(path: Path) -> str:
    """What stands between the cells of a table, by its extension."""
    return "," if path.suffix.lower() == ".csv" else "\t"


def table_text(path: Path) -> str:
    """Text of a table without its byte-order mark.

    Raises
    ------
    DatasetError
        The file cannot be read, or is no UTF-8 text.
    """
    if path.exists() and not path.is_file():
        raise _unreadable(path, "it is no file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    for start, kind in _MAGIC:
        if content.startswith(start):
            raise _unreadable(path, f"it is {kind}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(
            path,
            f"line {line} is no UTF-8 (byte {content[error.start]:#x}, as in Latin-1 or a binary "
            "file)",
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _unreadable(path, f"line {line} has a byte of value 0")
    return text


class TableReader:
    """The rows of a table, the header first, as pairs of line number and cells.

    Lines without any text are passed over, and so are columns without name and cells, and a first
    column without name: R and pandas number the rows there. A leading apostrophe that
    :func:`safe_cell` wrote is taken away.

    Parameters
    ----------
    text, path
        Content of the file, and where it stands.

    Attributes
    ----------
    altered
        Whether a row was given otherwise than it stands in the text.

    Raises
    ------
    DatasetError
        The table is empty, its cells are separated otherwise than its extension says, a row has
        more or fewer cells than the header, a quotation mark is not closed, or a column has no name
        or that of another one.
    """

    def __init__(self, text: str, path: Path) -> None:
        self.text, self.path = text, path
        self.altered = text.startswith(("\n", "\r"))
        self._reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=separator(path), strict=True
        )

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        try:
            yield from self._rows()
        except csv.Error as error:
            raise _unreadable(self.path, f"line {self._reader.line_num}: {error}") from None

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        escaped = "'" in self.text
        header: list[str] = []
        nameless: list[int] = []
        for cells in self._reader:
            if not cells or (len(cells) > 1 and not any(map(str.strip, cells))):
                self.altered = True
                continue
            given = [plain_cell(cell) for cell in cells] if escaped else cells
            if not header:
                header = [cell.strip() for cell in given]
                nameless = [number for number, name in enumerate(header) if not name]
                self.altered |= bool(nameless) or header != cells
                if len(nameless) == len(header):
                    raise _unreadable(self.path, "its first line names no column")
                _check_header(header, self.path)
                yield self._reader.line_num, _without(header, nameless)
                continue
            if len(given) != len(header):
                raise _ragged(self.path, self._reader.line_num, given, header)
            lost = next((number for number in nameless if number and given[number].strip()), 0)
            if lost:
                raise DatasetError(
                    self.path.name,
                    found=f"column {lost + 1} has no name",
                    wanted="a name in the first line for every column",
                    mend=f"Name the column in {self.path}, or remove it",
                )
            self.altered |= given != cells
            yield self._reader.line_num, _without(given, nameless)
        if not header:
            raise _unreadable(self.path, "it is empty")


def _without(cells: list[str], positions: Sequence[int]) -> list[str]:
    return [c for i, c in enumerate(cells) if i not in positions] if positions else cells


def _check_header(header: Sequence[str], path: Path) -> None:
    own = separator(path)
    if len(header) == 1:
        for other, word in _SEPARATORS.items():
            if other != own and other in header[0]:
                raise DatasetError(
                    path.name,
                    found=f"its cells are separated by {word}",
                    wanted=f"{_SEPARATORS[own]} in a {path.suffix or 'table'}",
                    mend=f"Save {path} as .tsv with tabs or as .csv with commas, and decimal "
                    "points in its numbers",
                )
    counts = Counter(header)
    twice = next((name for name in header if name and counts[name] > 1), None)
    if twice is not None:
        raise DatasetError(
            path.name,
            found=f"two columns are called '{twice}'",
            wanted="a name of its own for every column",
            mend=f"Rename or remove one of them in {path}",
        )


def _ragged(path: Path, line: int, cells: Sequence[str], header: Sequence[str]) -> DatasetError:
    more = len(cells) > len(header)
    empty = more and not any(cell.strip() for cell in cells[len(header) :])
    return DatasetError(
        f"{path.name}, line {line}",
        found=f"it has {len(cells)} cells, the header {len(header)}"
        + (" (the last are empty: a separator stands at the end of the line)" if empty else ""),
        wanted="as many cells in every line as in the header",
        mend=f"Mend the line in {path}; what is missing is n/a",
    )


def _unreadable(path: Path, why: str) -> DatasetError:
    return DatasetError(
        path.name,
        found=f"the file cannot be read as a table ({why})",
        wanted="a tab-separated table in UTF-8 with a header line",
        mend=f"Mend or replace {path}",
    )
