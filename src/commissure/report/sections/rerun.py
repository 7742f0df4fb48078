"""Versions, configuration and command: how to repeat the run and compare it."""

from __future__ import annotations

from collections.abc import Mapping

from commissure.report import text
from commissure.report.section import Content, ReportInput

_RECORD = {
    "version": "Version of Commissure",
    "commit": "Commit of the code",
    "python": "Python",
    "system": "System",
    "started": "Started",
    "finished": "Finished",
    "written": "Finished",
    "command": "Command",
}


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on repeating the run shows."""
    provenance = run.results.provenance
    return {
        "record": [
            (name, text.without_paths(provenance[key]))
            for key, name in _RECORD.items()
            if provenance.get(key)
        ],
        "changed": bool(provenance.get("uncommitted_changes")),
        "command": text.without_paths(provenance.get("command") or "snakemake --cores all"),
        "versions": sorted((provenance.get("versions") or {}).items()),
        "configuration": text.without_paths(run.configuration).strip(),
    }
