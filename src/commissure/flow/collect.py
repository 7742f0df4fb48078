"""Gathering what the batches left: which image came how far, and where its results are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from commissure.flow.job import Job
from commissure.names import bids_name, parse_name

_TEXT = ("participant_id", "session", "modality", "scan", "step", "state", "cause")


def outcomes(statuses: Iterable[Path | str], output_dir: Path | str) -> pd.DataFrame:
    """Read the status tables of all batches.

    Parameters
    ----------
    statuses
        Tables written by :func:`commissure.flow.batch.run_batch`.
    output_dir
        The run's output folder.

    Returns
    -------
    pandas.DataFrame
        One row per image and step: ``participant_id session modality scan step state cause cpu_s
        wall_s status markers qc``; the last three are paths, empty strings stand for nothing.
    """
    parts = []
    for status in statuses:
        part = pd.read_csv(
            status, sep="\t", dtype=dict.fromkeys(_TEXT, str), na_values=["n/a"],
            keep_default_na=False,
        )  # fmt: skip
        parts.append(part.assign(status=str(status)))
    columns = [*_TEXT, "cpu_s", "wall_s", "status"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table[list(_TEXT)] = table[list(_TEXT)].fillna("")
    for name, extension in (("markers", ".tsv"), ("qc", ".json")):
        table[name] = [
            str(_derived(Path(output_dir), row, name, extension))
            for row in table.to_dict("records")
        ]
    return table


def _derived(output_dir: Path, row: Mapping[Hashable, str], suffix: str, extension: str) -> Path:
    entities, _, _ = parse_name(row["scan"].rsplit("/", 1)[-1])
    folder = output_dir / row["participant_id"] / row["session"] / row["modality"]
    return folder / bids_name(entities, suffix, extension)


def measured(table: pd.DataFrame, column: str) -> list[Path]:
    """Paths in ``column`` of every image whose measurement is there."""
    done = table[(table["step"] == "measure") & (table["state"] == "present")]
    return [Path(path) for path in done[column]]


def optional(item: object) -> Path | None:
    """Path of an input that may be absent: Snakemake gives an empty list for an absent file."""
    return Path(str(item)) if str(item) else None


def study_tables(job: Job) -> dict[str, Any]:
    """The tables of the study, as :func:`commissure.study.tables.read_study` takes them.

    Parameters
    ----------
    job
        A job of the fusion room.
    """
    return {
        "markers": Path(job.input.markers),
        "definitions": Path(job.input.definitions),
        "exclusions": Path(job.input.exclusions),
        "participants": Path(job.input.people),
        "treatments": optional(job.input.treatments),
        "treatment_columns": job.params.treatment_columns,
    }
