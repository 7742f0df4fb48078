"""The marker row: one measured number of one person, and what it means."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from commissure.errors import DatasetError
from commissure.files import read_table, write_text
from commissure.names import Scan
from commissure.tables.delimited import safe_cell

if TYPE_CHECKING:
    import pandas as pd

#: Columns of markers.tsv and of every modality's ``*_markers.tsv``, in this order.
COLUMNS = (
    "participant_id", "session", "modality", "region", "marker", "value", "unit", "quality",
)  # fmt: skip

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
        ``anat``, ``func``, ``dwi``, ``mrs``, ``lesion``, or ``table`` for a lab's own columns.
    region
        Where, in the terms of the atlas: ``Hippocampus_L``, ``ACR_R``, ``GCC``, ``ACC``. A side is
        ``_L`` or ``_R`` at the end; a hyphen only joins a pair of networks, as ``Vis-SomMot``.
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

    @classmethod
    def of(
        cls,
        scan: Scan,
        modality: str,
        *,
        region: str,
        marker: str,
        value: float,
        unit: str,
        flagged: bool = False,
    ) -> Marker:
        """A number measured in the image ``scan``; ``flagged`` where a quality check failed."""
        quality: Quality = "flag" if flagged else "ok"
        return cls(
            scan.participant_id, scan.session, modality, region, marker, value, unit, quality
        )


def write_markers(rows: Iterable[Marker], path: Path | str) -> None:
    """Write marker rows as a TSV with the columns :data:`COLUMNS`.

    Values keep 10 significant digits, so that equal runs give equal files.
    """
    lines = ["\t".join(COLUMNS)]
    for row in rows:
        value = f"{row.value:.10g}" if math.isfinite(row.value) else "n/a"
        names = (row.participant_id, row.session or "n/a", row.modality, row.region, row.marker)
        cells = [*map(safe_cell, names), value, safe_cell(row.unit), row.quality]
        lines.append("\t".join(cells))
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
