"""What a run writes for a paper: the text of methods and the checklists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from commissure.dataset.index import read_entries
from commissure.errors import DatasetError
from commissure.modalities import MODALITIES
from commissure.names import read_sidecars
from commissure.outputs import METHODS_BIBTEX, METHODS_LATEX, METHODS_TEXT, TRIPOD_PAGE
from commissure.report.checklists.write import write_checklists
from commissure.report.cohort import cohort
from commissure.report.methods_text.record import run_record
from commissure.report.methods_text.write import write_methods
from commissure.report.results import read_results
from commissure.report.section import ReportInput
from commissure.report.settings import ReportSettings


def write_reporting(
    output: Path,
    *,
    statuses: Iterable[Path | str],
    participants: pd.DataFrame,
    config_text: str,
    bids: Path | None,
    manifests: Iterable[Path | str],
) -> None:
    """Write ``methods.*`` and ``checklists/`` into the output folder.

    Parameters
    ----------
    output
        The run's output folder.
    statuses
        Status tables of all batches.
    participants
        ``participants.tsv`` of the run.
    config_text
        The complete configuration as YAML.
    bids
        The dataset, whose sidecars say how images were acquired; None for a study of tables.
    manifests
        Lists of the images of all batches.
    """
    statuses = list(statuses)
    results = read_results(output, statuses)
    people = cohort(
        participants,
        results.tables["fusion/labels.tsv"],
        question=results.metrics.get("question") or {},
    )
    record = run_record(
        results,
        statuses=statuses,
        configuration=config_text,
        acquired=acquired(bids, manifests) if bids is not None else {},
    )
    write_methods(
        record,
        markdown=output / METHODS_TEXT.path,
        latex=output / METHODS_LATEX.path,
        bibtex=output / METHODS_BIBTEX.path,
    )
    run = ReportInput(results, people, ReportSettings(), config_text)
    write_checklists(run, record, (output / TRIPOD_PAGE.path).parent)


def acquired(bids: Path, manifests: Iterable[Path | str]) -> dict[str, list[Mapping[str, Any]]]:
    """Merged sidecars of the images that a run uses, by modality; unreadable ones are left out."""
    found: dict[str, list[Mapping[str, Any]]] = {name: [] for name in MODALITIES}
    for path in manifests:
        for entry in read_entries(Path(path)):
            if not entry.used or entry.modality not in found:
                continue
            try:
                paths = [bids / name for name in entry.sidecars]
                found[entry.modality].append(read_sidecars(paths, who=entry.participant_id))
            except (OSError, DatasetError):
                continue
    return found
