"""Write all checklists of a run: Markdown to read, CSV to go on with."""

from __future__ import annotations

from pathlib import Path

from commissure.files import write_text
from commissure.report.checklists import imaging, probast, spectroscopy, tripod
from commissure.report.checklists.facts import facts
from commissure.report.checklists.item import as_csv, as_markdown, filled
from commissure.report.methods_text.record import RunRecord
from commissure.report.metrics import fitted
from commissure.report.section import ReportInput


def write_checklists(run: ReportInput, record: RunRecord, folder: Path) -> None:
    """Write ``tripod_ai``, ``probast_ai``, ``cobidas`` and ``mrsinmrs``.

    Parameters
    ----------
    run
        What the report is written from.
    record
        What the run left of its methods.
    folder
        Where they go. ``mrsinmrs.csv`` has a row per spectrum; the others a row per item.
    """
    known, has_model = facts(run, record), fitted(run.results.metrics)
    for name, module in (("tripod_ai", tripod), ("probast_ai", probast)):
        lines = filled(module.ITEMS, known, fitted=has_model)
        write_text(as_markdown(module.TITLE, module.INTRODUCTION, lines), folder / f"{name}.md")
        write_text(as_csv(lines), folder / f"{name}.csv")
    images = imaging.items(record)
    write_text(as_markdown(imaging.TITLE, imaging.INTRODUCTION, images), folder / "cobidas.md")
    write_text(as_csv(images), folder / "cobidas.csv")
    spectra = spectroscopy.items(record)
    page = as_markdown(spectroscopy.TITLE, spectroscopy.INTRODUCTION, spectra)
    write_text(page, folder / "mrsinmrs.md")
    write_text(spectroscopy.table(record), folder / "mrsinmrs.csv")
