"""The tables from which the pages of people are written: of a whole run, or of some people of it.

A job writes the pages of one batch. What it reads must not grow with the study: the quality values
are those that its own people's records hold, and the distributions of the cohort are read as they
were stored once.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.dataset.index import rows_of
from commissure.files import atomic, read_table
from commissure.markers.outcomes import outcomes, quality_table
from commissure.outputs import (
    COMPLETENESS,
    EXCLUSIONS,
    NORMATIVE_CHARTS,
    NORMATIVE_DEVIATIONS,
    NORMATIVE_RECORD,
    PARTICIPANTS,
    QUALITY,
    TOOL_QUALITY,
    Output,
)
from commissure.report.standing import Distribution, Distributions, with_tools

#: Between modality and check in the name of a stored array; no modality has one in its name.
_BETWEEN = "/"


@dataclass(frozen=True)
class PageTables:
    """The tables of a run from which the pages are written.

    Attributes
    ----------
    quality
        ``quality.tsv``, and below it ``tool_quality.tsv``.
    exclusions, completeness, participants
        ``exclusions.tsv``, ``completeness.tsv``, ``participants.tsv``.
    deviations, charts, normative
        ``normative/deviations.tsv``, ``normative/charts.tsv``, ``normative/normative.json``.
    """

    quality: pd.DataFrame
    exclusions: pd.DataFrame
    completeness: pd.DataFrame
    participants: pd.DataFrame
    deviations: pd.DataFrame
    charts: pd.DataFrame
    normative: Mapping[str, Any]


def read_page_tables(output_dir: Path) -> PageTables:
    """Read them from an output folder; one that is not there is empty."""
    return _tables(_read(QUALITY, output_dir), output_dir, None)


def page_tables_of(
    people: Collection[str], output_dir: Path, statuses: Iterable[Path | str]
) -> PageTables:
    """The rows of some people: what their records hold, and their rows of the other tables.

    Parameters
    ----------
    people
        Whose rows are wanted.
    output_dir
        The run's output folder.
    statuses
        Status tables of their batches.
    """
    quality = quality_table(outcomes(statuses, output_dir))
    quality = quality.astype({"value": float}).fillna({"session": "", "limit": "", "passed": ""})
    return _tables(quality[quality["participant_id"].isin(set(people))], output_dir, people)


def _tables(quality: pd.DataFrame, output_dir: Path, people: Collection[str] | None) -> PageTables:
    tools, exclusions, completeness, participants, deviations = (
        _read(table, output_dir, people)
        for table in (TOOL_QUALITY, EXCLUSIONS, COMPLETENESS, PARTICIPANTS, NORMATIVE_DEVIATIONS)
    )
    charts, normative = _charts(output_dir)
    return PageTables(
        with_tools(quality, tools), exclusions, completeness, participants, deviations, charts,
        normative,
    )  # fmt: skip


def _charts(output_dir: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The reference charts, one row a marker, and their record."""
    record = output_dir / NORMATIVE_RECORD.path
    content = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    return _read(NORMATIVE_CHARTS, output_dir), content


def imaged_people(index: Path, modalities: Collection[str]) -> list[str]:
    """Who has an image of a modality of the study, sorted, by the index of the dataset."""
    rows = rows_of(index)
    return sorted({row["participant_id"] for row in rows if row["modality"] in modalities})


def write_distributions(known: Distributions, path: Path | str) -> None:
    """Store the distributions of all checks in one step."""
    arrays: dict[str, Any] = {_BETWEEN.join(key): known[key].values for key in known}
    scales = [(known[key].median, known[key].spread) for key in known]
    with atomic(path) as draft, draft.open("wb") as file:
        np.savez(file, scales=np.reshape(scales, (-1, 2)), **arrays)


def read_distributions(path: Path | str) -> Distributions:
    """Read back what :func:`write_distributions` stored."""
    with np.load(path) as stored:
        names = [name for name in stored.files if name != "scales"]
        return {
            _key(name): Distribution(stored[name], float(median), float(spread))
            for name, (median, spread) in zip(names, stored["scales"], strict=True)
        }


def _key(name: str) -> tuple[str, str]:
    modality, _, check = name.partition(_BETWEEN)
    return modality, check


def _read(table: Output, output_dir: Path, people: Collection[str] | None = None) -> pd.DataFrame:
    """A table of the run, or the rows of some people of it; empty where it is not there."""
    path = output_dir / table.path
    if not path.is_file():
        return table.frame()
    if people is None:
        return _columns_of(table, path)
    with tempfile.TemporaryDirectory() as folder, path.open(encoding="utf-8", newline="") as whole:
        part = Path(folder) / path.name
        rows = csv.reader(whole, delimiter="\t")
        header = next(rows)
        place = header.index("participant_id")
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow(header)
            writer.writerows(row for row in rows if row[place] in people)
        return _columns_of(table, part)


def _columns_of(table: Output, path: Path) -> pd.DataFrame:
    # A study that has no table of people has their identifiers alone.
    return read_table(path, text=table.text) if table is PARTICIPANTS else table.read_file(path)
