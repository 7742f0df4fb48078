"""A lab's own tables (FreeSurfer, LCModel, clinical scores ...) as marker rows."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from commissure.errors import ConfigError, DatasetError
from commissure.files import read_table
from commissure.markers.settings import TableSettings
from commissure.names import participant_label
from commissure.rows import COLUMNS, read_markers


def lab_table(settings: TableSettings) -> pd.DataFrame:
    """Read a lab's table as marker rows.

    Parameters
    ----------
    settings
        Where it is and how it is laid out.

    Returns
    -------
    pandas.DataFrame
        The columns :data:`commissure.rows.COLUMNS`.

    Raises
    ------
    ConfigError
        A column that the settings name is not in the file, or none matches.
    DatasetError
        The file cannot be read, or names a person (and visit) twice.
    """
    path = Path(settings.file)
    if settings.layout == "tidy":
        rows = read_markers(path)
        rows["participant_id"] = rows["participant_id"].map(participant_label)
        return rows
    text = [settings.participant] + ([settings.session] if settings.session else [])
    table = read_table(path, text=text)
    for key, name in (("participant", settings.participant), ("session", settings.session)):
        if name is not None and name not in table:
            raise ConfigError(
                f"tables ({path.name}).{key}",
                found=f"the file has no column '{name}'",
                wanted=f"one of {_headings(table)}",
                mend=f"Change tables[].{key} in config.yaml",
            )
    columns = _value_columns(table, settings, path, text)
    table = table.dropna(subset=[settings.participant])
    wide = table[columns].set_axis(_visits(table, settings, path))
    rows = wide.rename(columns=lambda c: c.removeprefix(settings.prefix)).melt(
        var_name="region", value_name="value", ignore_index=False
    )
    rows = rows.reset_index().assign(
        modality=settings.modality, marker=settings.marker, unit=settings.unit, quality="ok"
    )
    rows["value"] = rows["value"].astype(float)
    return rows[list(COLUMNS)]


def _headings(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table][:12]


def _value_columns(
    table: pd.DataFrame, settings: TableSettings, path: Path, text: Sequence[str]
) -> list[str]:
    """Numeric columns that the settings name."""
    columns = [str(name) for name in table.select_dtypes("number") if name not in text]
    patterns = settings.columns
    if patterns is not None:
        columns = [
            name
            for name in columns
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        ]
    if not columns:
        raise ConfigError(
            f"tables ({path.name}).columns",
            found=f"no numeric column matches {patterns}",
            wanted=f"patterns for some of {_headings(table)}",
            mend="Change tables[].columns in config.yaml",
        )
    return columns


def _visits(table: pd.DataFrame, settings: TableSettings, path: Path) -> pd.MultiIndex:
    """Person and session of each row, none of them twice."""
    people = table[settings.participant].map(participant_label)
    sessions = (
        table[settings.session].fillna("").map(_session_label)
        if settings.session
        else pd.Series("", index=table.index)
    )
    twice = pd.DataFrame({"person": people, "session": sessions}).duplicated()
    if twice.any():
        raise DatasetError(
            path.name,
            found=f"{people[twice].iloc[0]} {sessions[twice].iloc[0]} has several rows",
            wanted="one row per person and visit",
            mend=f"Remove the rows that are too many from {path.name}",
        )
    return pd.MultiIndex.from_arrays([people, sessions], names=["participant_id", "session"])


def _session_label(session: str) -> str:
    return f"ses-{session}" if session and session[:4] != "ses-" else session
