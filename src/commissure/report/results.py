"""Read a run's output folder; what is absent is an empty table, never an error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.modalities import MODALITIES
from commissure.rows import COLUMNS, read_markers

if TYPE_CHECKING:
    import pandas as pd

#: Columns of each table that the report reads, in the order of the files.
TABLES: Mapping[str, tuple[str, ...]] = {
    "completeness.tsv": (
        "participant_id", "session", "modality", "scan", "product", "state", "cause", "command",
    ),
    "exclusions.tsv": ("participant_id", "session", "modality", "rule", "limit", "value"),
    "recovery.tsv": (
        "modality", "region", "marker", "unit", "n", "bias", "bias_percent", "rmse", "slope", "r",
        "icc_a1", "true_d", "true_d_low", "true_d_high", "recovered_d", "recovered_d_low",
        "recovered_d_high", "contrast",
    ),
    "recovery_pairs.tsv": (
        "participant_id", "session", "modality", "region", "marker", "unit", "true", "recovered",
    ),
    "fusion/labels.tsv": ("participant_id", "label", "reason"),
    "fusion/predictions.tsv": (
        "participant_id", "model", "scheme", "repeat", "fold", "site", "label", "probability",
    ),
    "fusion/importance.tsv": ("model", "modality", "region", "marker", "weight"),
}  # fmt: skip

_TEXT = (
    "participant_id", "session", "modality", "scan", "product", "state", "cause", "command", "rule",
    "limit", "region", "marker", "unit", "contrast", "label", "reason", "model", "scheme", "fold",
    "site",
)  # fmt: skip


@dataclass(frozen=True)
class QualityRecord:
    """The quality record of one scan.

    Attributes
    ----------
    participant_id, session, modality
        Taken from the path ``sub-*/[ses-*/]<modality>/``.
    scan
        Name of the record without ``_qc.json``.
    checks
        As :func:`commissure.checks.write_quality` writes them.
    flags, notes
        Names of failed checks; sentences for the reader.
    missing
        Products that could not be computed, with their causes.
    reporting
        Rows of the MRSinMRS table: ``section``, ``item``, ``value``, ``unit``; empty for images.
    """

    participant_id: str
    session: str
    modality: str
    scan: str
    checks: Sequence[Mapping[str, Any]]
    flags: Sequence[str]
    notes: Sequence[str]
    missing: Mapping[str, str]
    reporting: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Results:
    """Everything that a run left behind, as far as it is there.

    Attributes
    ----------
    folder
        The output folder.
    markers
        Columns of :data:`commissure.rows.COLUMNS`.
    definitions
        ``markers.json``.
    tables
        The tables of :data:`TABLES` by file name; an absent file is an empty table.
    quality
        All quality records, in the order of their paths.
    figures
        All figures of people, in the order of their paths.
    metrics, falsification, provenance
        The JSON files of the fusion and ``provenance/run.json``; empty where absent.
    absent
        Names of the files that are not there.
    """

    folder: Path
    markers: pd.DataFrame
    definitions: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, pd.DataFrame]
    quality: Sequence[QualityRecord]
    figures: Sequence[Path]
    metrics: Mapping[str, Any]
    falsification: Mapping[str, Any]
    provenance: Mapping[str, Any]
    absent: Sequence[str]

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return name not in self.absent


def read_results(folder: Path) -> Results:
    """Read an output folder.

    Raises
    ------
    DatasetError
        A file is there but cannot be read, or a table lacks a column of its contract.
    """
    import pandas as pd

    absent: list[str] = []
    tables = {}
    for name, columns in TABLES.items():
        if (folder / name).is_file():
            tables[name] = _read_contract(folder / name, columns)
        else:
            absent.append(name)
            tables[name] = pd.DataFrame(columns=list(columns))

    def content(name: str) -> dict:
        if (folder / name).is_file():
            return _read_json(folder / name)
        absent.append(name)
        return {}

    if (folder / "markers.tsv").is_file():
        markers = read_markers(folder / "markers.tsv")
    else:
        absent.append("markers.tsv")
        markers = pd.DataFrame(columns=list(COLUMNS)).astype({"value": float})
    people = sorted(folder.glob("sub-*"))
    return Results(
        folder=folder,
        markers=markers,
        definitions=content("markers.json"),
        tables=tables,
        quality=[
            _read_quality(path, folder)
            for person in people
            for path in sorted(person.rglob("*_qc.json"))
        ],
        figures=[path for person in people for path in sorted(person.rglob("figures/*.svg"))],
        metrics=content("fusion/metrics.json"),
        falsification=content("fusion/falsification.json"),
        provenance=content("provenance/run.json"),
        absent=absent,
    )


def place(path: Path, folder: Path) -> tuple[str, str, str]:
    """Person, session and modality of a file below ``sub-*/[ses-*/]<modality>/``."""
    parts = path.relative_to(folder).parts
    session = parts[1] if parts[1].startswith("ses-") else ""
    at = 2 if session else 1
    return parts[0], session, parts[at] if len(parts) > at + 1 else ""


def modality_order(names: Sequence[str] | set[str]) -> list[str]:
    """Modalities in the order of the road, unknown ones after them by name."""
    known = [name for name in MODALITIES if name in names]
    return known + sorted(set(names) - set(known))


def _read_contract(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    table = read_table(path, text=_TEXT)
    missing = [name for name in columns if name not in table]
    if missing:
        raise DatasetError(
            path.name,
            found=f"the columns {missing} are missing",
            wanted=f"the columns {list(columns)}",
            mend="Run the step that writes the file again",
        )
    text = [name for name in table if name in _TEXT]
    table[text] = table[text].fillna("")
    return table


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            path.name,
            found=f"the file cannot be read as JSON ({error})",
            mend="Run the step that writes the file again",
        ) from error
    if not isinstance(content, dict):
        raise DatasetError(
            path.name,
            found=f"the file holds a JSON {type(content).__name__}",
            wanted="an object with named fields",
            mend="Run the step that writes the file again",
        )
    return content


def _read_quality(path: Path, folder: Path) -> QualityRecord:
    person, session, modality = place(path, folder)
    content = _read_json(path)
    return QualityRecord(
        participant_id=person,
        session=session,
        modality=modality,
        scan=path.name.removesuffix("_qc.json"),
        checks=content.get("checks", []),
        flags=content.get("flags", []),
        notes=content.get("notes", []),
        missing=content.get("missing", {}),
        reporting=content.get("mrsinmrs", []),
    )
