"""What a section of the report is: a module, a template and an anchor of one name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from commissure.report.cohort import Cohort
from commissure.report.results import Results
from commissure.report.settings import ReportSettings


@dataclass(frozen=True)
class ReportInput:
    """What every section is written from.

    Attributes
    ----------
    results
        The run's output folder.
    people
        The people, their groups and sites.
    settings
        Options of the report.
    configuration
        The complete configuration as YAML.
    """

    results: Results
    people: Cohort
    settings: ReportSettings
    configuration: str = ""


#: What a template shows: it finds it under the section's anchor.
Content = Mapping[str, Any]


@dataclass(frozen=True)
class ReportSection:
    """A section of the page.

    Attributes
    ----------
    anchor
        Name of its anchor, of its module in ``sections/`` and of its template in
        ``templates/sections/``.
    heading
        What stands above it.
    content
        Makes what its template shows, from the run and from the content of the sections below it
        on the page; None leaves the section out.
    """

    anchor: str
    heading: str
    content: Callable[[ReportInput, Mapping[str, Content]], Content | None]
