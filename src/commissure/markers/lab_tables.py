"""A lab's own tables (FreeSurfer, LCModel, clinical scores ...) as marker rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from commissure.markers.lab_check import CheckedTable, check_table
from commissure.markers.settings import TableSettings
from commissure.rows import COLUMNS


def lab_table(
    settings: TableSettings, say: Callable[[str], None] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Read a lab's table as marker rows.

    Parameters
    ----------
    settings
        Where it is and how it is laid out.
    say
        Takes a line on what was taken and one on what was left out.

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
    for line in checked.log:
        if say is not None:
            say(line)
    rows = _tidy(checked) if settings.layout == "tidy" else _wide(checked, settings)
    return rows[list(COLUMNS)], list(checked.cautions)


def _tidy(checked: CheckedTable) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": list(checked.people),
            "session": list(checked.sessions),
            "value": checked.numbers["value"],
            **{name: list(cells) for name, cells in checked.words.items()},
        }
    )


def _wide(checked: CheckedTable, settings: TableSettings) -> pd.DataFrame:
    people, kinds = len(checked.people), settings.kinds()
    parts = []
    for marker, columns in checked.columns.items():
        if not columns:
            continue
        kind = kinds.get(marker)
        unit = kind.unit if kind else next(
            k.unit for k in kinds.values() if k.adjust == "head_size"
        )  # fmt: skip
        regions = np.array([checked.regions[name] for name in columns], dtype=object)
        count = len(columns)
        parts.append(
            pd.DataFrame(
                {
                    "participant_id": np.tile(np.array(checked.people, dtype=object), count),
                    "session": np.tile(np.array(checked.sessions, dtype=object), count),
                    "modality": settings.modality,
                    "region": np.repeat(regions, people),
                    "marker": marker,
                    "value": np.concatenate([checked.numbers[name] for name in columns]),
                    "unit": unit,
                    "quality": "ok",
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
