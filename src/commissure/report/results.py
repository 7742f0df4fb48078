"""Read a run's output folder; what is absent is an empty table, never an error."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from commissure.errors import DatasetError
from commissure.markers.ratings import Rating, read_ratings
from commissure.markers.status import read_statuses
from commissure.modalities import MODALITIES
from commissure.outputs import (
    ACQUISITION,
    BEST_RESPONSE,
    COMPLETENESS,
    DEFINITIONS,
    EXCLUSIONS,
    FALSIFICATION,
    IMPORTANCE,
    LABELS,
    LESIONS,
    MARKERS,
    METRICS,
    NORMATIVE_CHARTS,
    NORMATIVE_CURVES,
    NORMATIVE_DEVIATIONS,
    NORMATIVE_PEOPLE,
    NORMATIVE_RECORD,
    PREDICTIONS,
    QC_FC,
    QC_FC_RECORD,
    QUALITY,
    RECOVERY,
    RECOVERY_FALSE_POSITIVES,
    RECOVERY_ORACLE,
    RECOVERY_PAIRS,
    RESPONSE,
    RUN,
    SUBTYPES_ASSIGNMENTS,
    SUBTYPES_CANONICAL,
    SUBTYPES_INDICES,
    SUBTYPES_RECORD,
    TOOL_QUALITY,
    VISITS,
    VULNERABILITY,
    VULNERABILITY_RECORD,
    Output,
)
from commissure.rows import read_markers

#: The tables that the report reads, beside ``markers.tsv``.
TABLES = (
    COMPLETENESS, EXCLUSIONS, VISITS, RECOVERY, RECOVERY_PAIRS, RECOVERY_ORACLE, LABELS,
    PREDICTIONS, IMPORTANCE, VULNERABILITY, QC_FC, QUALITY, ACQUISITION, TOOL_QUALITY,
    NORMATIVE_DEVIATIONS, NORMATIVE_PEOPLE, NORMATIVE_CHARTS, NORMATIVE_CURVES,
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
    susceptibility
        How the distortion of a BOLD run was corrected: ``PEPOLAR``, ``PHASEDIFF``, ``MAPPED`` or
        ``none``; empty where the engine does not say so.
    echo_times_s
        Echo times of a BOLD run whose echoes were combined; empty for one echo.
    echo_components
        What a program made of the echoes' components: ``Program``, how many ``Rejected``; else
        empty.
    strategy, strategy_source
        Which confounds were taken out of a BOLD run, and where that is published; empty where it
        gives no connectivity.
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
    susceptibility: str = ""
    echo_times_s: Sequence[float] = ()
    echo_components: Mapping[str, Any] = field(default_factory=dict)
    strategy: str = ""
    strategy_source: str = ""


@dataclass(frozen=True)
class Results:
    """Everything that a run left behind, as far as it is there.

    Attributes
    ----------
    folder
        The output folder.
    markers
        As in ``markers.tsv``.
    definitions
        ``markers.json``.
    tables
        The tables of :data:`TABLES` by file name; an absent file is an empty table.
    quality
        Quality records of the images that were measured, in the order of their paths.
    tool_quality
        Records of what another tool says of images: a row of checks each visit and modality.
    figures
        Figures of people, in the order of their paths.
    metrics, falsification, false_positives, vulnerability, normative, qc_fc, subtypes, provenance
        The JSON files of the models, of the group test, of the vulnerability indices, of the
        reference charts, of motion in connectivity, of groups among people and of the run; empty
        where absent.
    absent
        Names of the files that are not there.
    left
        People whose folder stands in the output, of whom this run has no image: they left the
        dataset, or never were in it. Nothing else here is theirs.
    pages
        People who have a page of their own.
    ratings
        What raters said of the scans.
    """

    folder: Path
    markers: pd.DataFrame
    definitions: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, pd.DataFrame]
    quality: Sequence[QualityRecord]
    tool_quality: Sequence[QualityRecord]
    figures: Sequence[Path]
    metrics: Mapping[str, Any]
    falsification: Mapping[str, Any]
    false_positives: Mapping[str, Any]
    vulnerability: Mapping[str, Any]
    normative: Mapping[str, Any]
    subtypes: Mapping[str, Any]
    qc_fc: Mapping[str, Any]
    provenance: Mapping[str, Any]
    absent: Sequence[str]
    left: Sequence[str] = ()
    pages: Collection[str] = ()
    ratings: Sequence[Rating] = ()


def read_results(
    folder: Path,
    statuses: Iterable[Path | str],
    *,
    ratings: Iterable[Path | str] = (),
    study: str = "",
) -> Results:
    """Read an output folder.

    Parameters
    ----------
    folder
        The run's output folder.
    statuses
        Status tables of all batches: what they name is shown, whatever else lies in the folder.
    ratings, study
        Files of ratings, and the identity of the study that they carry.

    Raises
    ------
    DatasetError
        A file is there but cannot be read, or a table lacks a column of its contract.
    """
    absent: list[str] = []

    def present(output: Output) -> bool:
        if (folder / output.path).is_file():
            return True
        absent.append(output.path)
        return False

    def content(output: Output) -> dict:
        return _read_json(folder / output.path) if present(output) else {}

    # Groups are looked for on request only: nothing is missed where there are none.
    searched = (folder / SUBTYPES_RECORD.path).is_file()
    markers = MARKERS.frame().astype({"value": float})
    if present(MARKERS):
        markers = read_markers(folder / MARKERS.path)
    rows = [row for table in statuses for row in read_statuses(table)]
    files = sorted(
        folder / row.folder / name for row in rows if row.state == "present" for name in row.files
    )
    people = {row.participant_id for row in rows}
    # Lesions are followed on request, too.
    followed = any(row.modality == "lesion" for row in rows)
    tables = {
        output.path: output.read(folder) if present(output) else output.frame() for output in TABLES
    }
    tables |= {
        output.path: output.read(folder) if searched and present(output) else output.frame()
        for output in (SUBTYPES_ASSIGNMENTS, SUBTYPES_INDICES, SUBTYPES_CANONICAL)
    }
    tables |= {
        output.path: output.read(folder) if followed and present(output) else output.frame()
        for output in (LESIONS, RESPONSE, BEST_RESPONSE)
    }
    return Results(
        folder=folder,
        markers=markers,
        definitions=content(DEFINITIONS),
        tables=tables,
        quality=[read_quality(path, folder) for path in files if path.match("*_qc.json")],
        tool_quality=_tool_records(tables[TOOL_QUALITY.path]),
        figures=[path for path in files if path.match("figures/*.svg") and path.is_file()],
        metrics=content(METRICS),
        falsification=content(FALSIFICATION),
        false_positives=content(RECOVERY_FALSE_POSITIVES),
        vulnerability=content(VULNERABILITY_RECORD),
        normative=content(NORMATIVE_RECORD),
        subtypes=content(SUBTYPES_RECORD) if searched else {},
        qc_fc=content(QC_FC_RECORD),
        provenance=content(RUN),
        absent=absent,
        left=sorted(path.name for path in folder.glob("sub-*") if path.name not in people),
        pages=people & {path.stem for path in (folder / "pages").glob("sub-*.html")},
        ratings=read_ratings(ratings, study=study, people=people)[0],
    )


def place(path: Path, folder: Path) -> tuple[str, str, str]:
    """Person, session and modality of a file below ``sub-*/[ses-*/]<modality>/``."""
    parts = path.relative_to(folder).parts
    session = parts[1] if parts[1].startswith("ses-") else ""
    level = 2 if session else 1
    return parts[0], session, parts[level] if len(parts) > level + 1 else ""


def modality_order(names: Sequence[str] | set[str]) -> list[str]:
    """Modalities in their order, unknown ones after them by name."""
    known = [name for name in MODALITIES if name in names]
    return known + sorted(set(names) - set(known))


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


def _tool_records(table: pd.DataFrame) -> list[QualityRecord]:
    """Records of the checks of :data:`commissure.outputs.TOOL_QUALITY`, by visit and modality."""
    records = []
    for visit, rows in table.groupby(["participant_id", "session", "modality"], sort=True):
        checks = [
            {
                "name": str(row["check"]),
                "value": row["value"],
                "limit": str(row["limit"]),
                "passed": {"true": True, "false": False}.get(str(row["passed"]).lower()),
            }
            for row in rows.to_dict("records")
        ]
        flags = [str(check["name"]) for check in checks if check["passed"] is False]
        who, session, modality = map(str, visit)  # type: ignore[arg-type]
        records.append(QualityRecord(who, session, modality, "MRIQC", checks, flags, [], {}))
    return records


def read_quality(path: Path, folder: Path) -> QualityRecord:
    """Read the quality record of one scan."""
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
        susceptibility=content.get("susceptibility_distortion_correction") or "",
        echo_times_s=content.get("echo_times_s") or (),
        echo_components=content.get("echo_components") or {},
        strategy=content.get("strategy") or "",
        strategy_source=content.get("strategy_source") or "",
    )
