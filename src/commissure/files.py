"""Files that are never half there: text, JSON and tables, written in one step."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commissure.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its name only when the block succeeds.

    The extension is kept, because many writers choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{os.getpid()}-partial.{path.name}")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(text: str, path: Path | str) -> None:
    """Write a text file in one step (UTF-8)."""
    with atomic(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(content: Mapping[str, Any], path: Path | str) -> None:
    """Write a JSON file in one step; numbers that are not finite become ``null``."""
    write_text(json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n", path)


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


def write_table(table: pd.DataFrame, path: Path | str) -> None:
    """Write a TSV in one step, missing values as ``n/a``."""
    with atomic(path) as draft:
        table.to_csv(draft, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def read_table(path: Path | str, *, text: Iterable[str] = ("participant_id",)) -> pd.DataFrame:
    """Read a TSV (or CSV, by extension); the columns named in ``text`` stay strings.

    Participant identifiers are strings: those of some cohorts exceed 64 bits.

    Raises
    ------
    DatasetError
        The file is missing, empty, or not a table.
    """
    import pandas as pd

    path = Path(path)
    try:
        return pd.read_csv(
            path,
            sep="," if path.suffix == ".csv" else "\t",
            na_values=["n/a", "N/A", "NaN", "nan", ""],
            keep_default_na=False,
            dtype=dict.fromkeys(text, str),
        )
    except (OSError, ValueError) as error:
        raise DatasetError(
            path.name,
            found=f"the file cannot be read as a table ({error})",
            wanted="a tab-separated table with a header line",
            mend=f"Mend or replace {path}",
        ) from error
