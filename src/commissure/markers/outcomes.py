"""What the batches left: which image came how far, and where its results are."""

from __future__ import annotations

import csv
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from commissure.markers.status import STATUS
from commissure.names import bids_name, parse_name

_TEXT = STATUS[: STATUS.index("cpu_s")]
_COLUMNS = [*_TEXT, "cpu_s", "wall_s"]


def outcomes(statuses: Iterable[Path | str], output_dir: Path | str) -> pd.DataFrame:
    """Read the status tables of all batches.

    Parameters
    ----------
    statuses
        Tables of :mod:`commissure.markers.status`.
    output_dir
        The run's output folder.

    Returns
    -------
    pandas.DataFrame
        One row per image and step: ``participant_id session modality scan step state cause cpu_s
        wall_s status markers qc``; the last three are paths, empty strings stand for nothing. The
        name of an image that is refused may be of any kind, and gives no paths.
    """
    parts = [
        pd.read_csv(
            status, sep="\t", usecols=_COLUMNS, dtype=dict.fromkeys(_TEXT, str),
            na_values=["n/a"], keep_default_na=False, quoting=csv.QUOTE_NONE,
        ).assign(status=str(status))
        for status in statuses
    ]  # fmt: skip
    columns = [*_COLUMNS, "status"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table[list(_TEXT)] = table[list(_TEXT)].fillna("")
    for name, extension in (("markers", ".tsv"), ("qc", ".json")):
        table[name] = [
            ""
            if row["state"] == "refused"
            else str(_result(Path(output_dir), row, name, extension))
            for row in table.to_dict("records")
        ]
    return table


def _result(output_dir: Path, row: Mapping[Hashable, str], suffix: str, extension: str) -> Path:
    entities, _, _ = parse_name(row["scan"].rsplit("/", 1)[-1])
    folder = output_dir / row["participant_id"] / row["session"] / row["modality"]
    return folder / bids_name(entities, suffix, extension)


def marker_files(table: pd.DataFrame) -> list[Path]:
    """Marker rows of every image whose measurement is there.

    Parameters
    ----------
    table
        Of :func:`outcomes`.
    """
    measured = table[(table["step"] == "measure") & (table["state"] == "present")]
    return [Path(path) for path in measured["markers"]]
