"""Files that are never half there: text, JSON and tables, written in one step."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from commissure.errors import DatasetError
from commissure.tables.delimited import MISSING, TableReader, safe_cell, separator, table_text

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its name only when the block succeeds.

    After a power cut the file is the old one or the new one: its content is on the disk before it
    takes the name. The extension is kept, because many writers choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{os.getpid()}-partial.{path.name}")
    try:
        yield draft
        on_disk(draft)
        os.replace(draft, path)
        on_disk(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def on_disk(path: Path | str) -> None:
    """Wait until a file's content, or a folder's list of names, would survive a power cut."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        # Some network and container file systems cannot say so of a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(number)


def remove_drafts(folder: Path) -> None:
    """Remove what writers left in a folder that were killed in the middle of a file."""
    for draft in folder.glob(".*-partial.*"):
        draft.unlink(missing_ok=True)


def write_text(text: str, path: Path | str) -> None:
    """Write a text file in one step (UTF-8)."""
    with atomic(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(content: Mapping[str, Any], path: Path | str) -> None:
    """Write a JSON file in one step; numbers that are not finite become ``null``."""
    write_text(as_json(content), path)


def as_json(content: Mapping[str, Any]) -> str:
    """The text of a JSON file, as :func:`write_json` writes it."""
    return json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays, paths and non-finite numbers into what JSON knows."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def write_visit_tables(tables: Mapping[Path | str, pd.DataFrame]) -> None:
    """Write tables by their paths; a column ``session`` has n/a where a dataset has no visits."""
    for path, table in tables.items():
        if "session" in table:
            table = table.assign(session=table["session"].map(lambda cell: cell or None))
        write_table(table, path)


def write_table(table: pd.DataFrame, path: Path | str) -> None:
    """Write a TSV in one step, missing values as ``n/a``.

    Text that a spreadsheet would run as a formula is written so that it does not
    (:func:`commissure.tables.delimited.safe_cell`); :func:`read_table` gives it back as it was.
    """
    quoting: Literal[0, 1] = csv.QUOTE_MINIMAL
    safe = table.set_axis([safe_cell(str(name)) for name in table], axis=1)
    for number, kind in enumerate(table.dtypes):
        if kind.kind in "biufc":
            continue
        words = {cell for cell in table.iloc[:, number].unique() if isinstance(cell, str)}
        changed = {cell: safe_cell(cell) for cell in words if safe_cell(cell) != cell}
        if changed:
            column = table.iloc[:, number].astype(object)
            safe.isetitem(
                number, column.map(lambda cell, to=changed: to.get(cell, cell)).to_numpy()
            )
        # The writer itself quotes a cell for every other sign that would break its line.
        if any("\r" in cell for cell in words):
            quoting = csv.QUOTE_ALL
    with atomic(path) as draft:
        safe.to_csv(
            draft, sep="\t", index=False, na_rep="n/a", lineterminator="\n", quoting=quoting
        )


def read_table(path: Path | str, *, text: Iterable[str] = ("participant_id",)) -> pd.DataFrame:
    """Read a TSV (or CSV, by extension) strictly; the columns named in ``text`` stay strings.

    Participant identifiers are strings: those of some cohorts exceed 64 bits.

    Raises
    ------
    DatasetError
        The file is missing, empty, or not as :class:`~commissure.tables.delimited.TableReader` asks
        for.
    """
    import pandas as pd

    path = Path(path)
    rows = TableReader(table_text(path), path)
    for _ in rows:
        pass
    content = _as_read(rows) if rows.altered else rows.text
    try:
        return pd.read_csv(
            io.StringIO(content),
            sep=separator(path),
            na_values=list(MISSING),
            keep_default_na=False,
            dtype=dict.fromkeys(text, str),
            index_col=False,
        )
    except ValueError as error:
        raise DatasetError(
            path.name,
            found=f"the file cannot be read as a table ({error})",
            wanted="a tab-separated table with a header line",
            mend=f"Mend or replace {path}",
        ) from error


def _as_read(rows: TableReader) -> str:
    """A table's text with the rows as they are given."""
    content = io.StringIO()
    writer = csv.writer(content, delimiter=separator(rows.path), quoting=csv.QUOTE_ALL)
    writer.writerows(cells for _, cells in TableReader(rows.text, rows.path))
    return content.getvalue()
