"""A lab's own tables (FreeSurfer, LCModel, clinical scores ...) as marker rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from commissure.delimited import MISSING
from commissure.files import read_table
from commissure.markers.lab_check import check_table
from commissure.markers.settings import TableSettings
from commissure.rows import COLUMNS, read_markers


def lab_table(settings: TableSettings) -> tuple[pd.DataFrame, list[str]]:
    """Read a lab's table as marker rows.

    Parameters
    ----------
    settings
        Where it is and how it is laid out.

    Returns
    -------
    rows
        The columns :data:`commissure.rows.COLUMNS`.
    cautions
        Sentences for the reader; no person is named.

    Raises
    ------
    ConfigError, DatasetError
        The table is refused by :func:`commissure.markers.lab_check.check_table`.
    """
    checked = check_table(settings)
    path = Path(settings.file)
    if settings.layout == "tidy":
        rows = read_markers(path)
        rows[["participant_id", "session"]] = list(
            zip(checked.people, checked.sessions, strict=True)
        )
        return rows, list(checked.cautions)
    table = read_table(path, text=filter(None, (settings.participant, settings.session)))
    visits = pd.MultiIndex.from_arrays(
        [list(checked.people), list(checked.sessions)], names=["participant_id", "session"]
    )
    wide = table[list(checked.columns)].apply(_numbers).set_axis(visits)
    rows = wide.rename(columns=lambda c: c.removeprefix(settings.prefix)).melt(
        var_name="region", value_name="value", ignore_index=False
    )
    rows = rows.reset_index().assign(
        modality=settings.modality, marker=settings.marker, unit=settings.unit, quality="ok"
    )
    return rows[list(COLUMNS)], list(checked.cautions)


def _numbers(column: pd.Series) -> pd.Series:
    """A column of numbers, among which cells of blanks may stand for nothing."""
    if column.dtype.kind == "O":
        column = column.map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
        column = column.mask(column.isin(MISSING))
    return column.astype(float)
