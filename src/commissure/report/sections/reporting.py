"""What a run can say towards TRIPOD+AI, and what only its authors can."""

from __future__ import annotations

from collections.abc import Mapping

from commissure.report.checklists import tripod
from commissure.report.checklists.facts import facts
from commissure.report.checklists.item import filled, tally
from commissure.report.methods_text.record import run_record
from commissure.report.metrics import fitted
from commissure.report.section import Content, ReportInput


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on reporting shows."""
    record = run_record(run.results, statuses=(), configuration=run.configuration, acquired={})
    known = facts(run, record)
    items = filled(tripod.ITEMS, known, fitted=fitted(run.results.metrics))
    return {"checklist": items, "tally": tally(items)}
