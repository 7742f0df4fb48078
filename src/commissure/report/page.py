"""Write the report: read a run, fill the sections, and put them into one file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from commissure.files import write_table, write_text
from commissure.outputs import STANDING_OUT
from commissure.report.cohort import cohort
from commissure.report.metrics import fitted
from commissure.report.plots.svg import POINTS
from commissure.report.results import read_results
from commissure.report.section import Content, ReportInput
from commissure.report.sections.outliers import outlier_table
from commissure.report.sections.registry import SECTIONS
from commissure.report.settings import ReportSettings
from commissure.report.templating import template_environment


def write_report(
    output: Path,
    page: Path,
    *,
    statuses: Iterable[Path | str],
    participants: pd.DataFrame,
    settings: ReportSettings,
    config_text: str,
    ratings: Iterable[Path | str] = (),
    study: str = "",
    unfinished: bool = False,
) -> None:
    """Write the report of a run as one self-contained HTML file.

    Parameters
    ----------
    output
        The run's output folder; files that are absent leave their section with a sentence.
    page
        Where the report goes; ``standing_out.tsv``, of whose rows it shows the first, lies beside
        it.
    statuses
        Status tables of all batches.
    participants
        ``participants.tsv`` of the run, one row per person; without ``group`` or ``site``, these
        are unknown.
    settings
        Options of the report.
    config_text
        The complete configuration as YAML; absolute paths in it are shortened.
    ratings, study
        Files of ratings, and the identity of the study that they carry.
    unfinished
        Whether the run failed, which the page then says first.

    Raises
    ------
    DatasetError
        A file of the output folder is there but cannot be read.
    """
    results = read_results(output, statuses, ratings=ratings, study=study)
    people = cohort(
        participants,
        results.tables["fusion/labels.tsv"],
        question=results.metrics.get("question") or {},
    )
    content = contents(ReportInput(results, people, settings, config_text))
    write_table(outlier_table(content["outliers"]["rows"]), page.parent / STANDING_OUT.path)
    write_text(render({**content, "unfinished": unfinished}), page)


def contents(run: ReportInput) -> dict[str, Any]:
    """Everything that the page shows: what all templates share, and each section by its anchor.

    Sections are made from the last to the first, so that one may speak of those below it.
    """
    sections: dict[str, Content] = {}
    for section in reversed(SECTIONS):
        content = section.content(run, sections)
        if content is not None:
            sections[section.anchor] = content
    provenance = run.results.provenance
    return {
        "title": run.settings.title,
        "sections": [(s.anchor, s.heading) for s in SECTIONS if s.anchor in sections],
        "absent": run.results.absent,
        "unfinished": False,
        "most_points": POINTS,
        "fitted": fitted(run.results.metrics),
        "written": str(provenance.get("written") or provenance.get("finished") or "")[:10],
        **sections,
    }


def render(content: dict[str, Any]) -> str:
    """Fill the templates."""
    return template_environment().get_template("page.html").render(content)
