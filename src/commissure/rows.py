"""The marker row, the quality record, and writing files that are never half there."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from commissure.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

#: Columns of markers.tsv and of every room's ``*_markers.tsv``, in this order.
COLUMNS = (
    "participant_id", "session", "modality", "region", "marker", "value", "unit", "quality",
)  # fmt: skip

MODALITIES = ("anat", "func", "dwi", "mrs")

Quality = Literal["ok", "flag"]


@dataclass(frozen=True)
class Marker:
    """One measured number of one person.

    Attributes
    ----------
    participant_id
        With its prefix, as ``sub-01``.
    session
        With its prefix, as ``ses-1``; empty where the dataset has no sessions.
    modality
        ``anat``, ``func``, ``dwi``, ``mrs``, or ``table`` for a lab's own columns.
    region
        Where, in the terms of the atlas: ``Hippocampus_L``, ``Default``, ``GCC``, ``ACC``.
    marker
        What, as ``volume``, ``fc_within``, ``fa``, ``glu``.
    value
        The number; NaN is written as ``n/a``.
    unit
        Unit of the value, ``1`` for a pure number.
    quality
        ``ok``, or ``flag`` where the room's quality record names a doubt. Never a reason to
        drop a value silently.
    """

    participant_id: str
    session: str
    modality: str
    region: str
    marker: str
    value: float
    unit: str
    quality: Quality = "ok"


@dataclass(frozen=True)
class Definition:
    """What a marker means: the entry of ``markers.json`` under its name.

    Attributes
    ----------
    marker
        The name, as in the column ``marker``.
    modality
        As in the column ``modality``.
    unit
        As in the column ``unit``.
    description
        One sentence, with the region's meaning.
    source
        Where the method is published.
    role
        ``marker`` is a candidate predictor; ``confound`` describes the measurement (motion, noise,
        head size) and enters only confound models, corrections and quality control.
    """

    marker: str
    modality: str
    unit: str
    description: str
    source: str
    role: Literal["marker", "confound"] = "marker"


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


def write_markers(rows: Iterable[Marker], path: Path | str) -> None:
    """Write marker rows as a TSV with the columns :data:`COLUMNS`.

    Values keep 10 significant digits, so that equal runs give equal files.
    """
    lines = ["\t".join(COLUMNS)]
    for row in rows:
        value = f"{row.value:.10g}" if math.isfinite(row.value) else "n/a"
        cells = [row.participant_id, row.session or "n/a", row.modality, row.region, row.marker]
        lines.append("\t".join([*cells, value, row.unit, row.quality]))
    write_text("\n".join(lines) + "\n", path)


def read_markers(path: Path | str) -> pd.DataFrame:
    """Read marker rows; ``session`` is an empty string where there is none.

    Raises
    ------
    DatasetError
        The file lacks one of :data:`COLUMNS`, a value is not a number, or a row names nobody.
    """
    import pandas as pd

    text = [name for name in COLUMNS if name != "value"]
    table = read_table(path, text=text)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise DatasetError(
            Path(path).name,
            found=f"the columns {missing} are missing",
            wanted=f"the columns {list(COLUMNS)}",
        )
    table = table[list(COLUMNS)].copy()
    numbers = pd.to_numeric(table["value"], errors="coerce")
    bad = table.loc[numbers.isna() & table["value"].notna(), "value"]
    if len(bad):
        raise DatasetError(
            Path(path).name,
            found=f"'{bad.iloc[0]}' stands in the column value",
            wanted="a number or n/a",
        )
    nobody = int(table["participant_id"].isna().sum())
    if nobody:
        raise DatasetError(
            Path(path).name,
            found=f"{nobody} of {len(table)} rows have no participant_id",
            wanted="an identifier in every row",
        )
    table["value"] = numbers.astype(float)
    table["session"] = table["session"].fillna("")
    return table


@dataclass(frozen=True)
class Check:
    """One line of a quality record: a measured number against its limit.

    Attributes
    ----------
    name
        What was measured, with its unit in the name: ``mean_fd_mm``, ``snr``, ``tiv_ml``.
    value
        The number, or None where it could not be measured.
    limit
        The limit in words, as ``<= 0.55``; empty where none is set.
    passed
        Whether the value keeps the limit; None where no limit is set or nothing was measured.
    note
        One sentence for the reader, if there is something to say.
    """

    name: str
    value: float | None
    limit: str = ""
    passed: bool | None = None
    note: str = ""


def write_quality(
    checks: Iterable[Check],
    path: Path | str,
    *,
    notes: Iterable[str] = (),
    missing: Mapping[str, str] | None = None,
    **details: Any,
) -> None:
    """Write a room's quality record.

    The file has ``checks`` (a list of :class:`Check`), ``flags`` (names of the checks that
    failed), ``notes`` (sentences for the reader), ``missing`` (products that could not be
    computed, each with its cause in one sentence) and any further ``details`` of the method.
    """
    checks = list(checks)
    write_json(
        {
            "checks": [vars(check) for check in checks],
            "flags": [check.name for check in checks if check.passed is False],
            "notes": list(notes),
            "missing": dict(missing or {}),
            **details,
        },
        path,
    )
