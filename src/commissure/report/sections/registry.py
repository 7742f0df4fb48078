"""The sections of the report, in their order on the page."""

from __future__ import annotations

from commissure.report.section import ReportSection
from commissure.report.sections import (
    acquisition,
    falsification,
    individuals,
    lesions,
    markers,
    methods,
    models,
    normative,
    outliers,
    people,
    qc_fc,
    quality,
    ratings,
    recovery,
    reporting,
    rerun,
    sites,
    spectroscopy,
    subtypes,
    summary,
    vulnerability,
)

SECTIONS = (
    ReportSection("summary", "Summary", summary.content),
    ReportSection("people", "Who went in, and who was lost", people.content),
    ReportSection("outliers", "People who stand out", outliers.content),
    ReportSection("ratings", "Ratings of the scans", ratings.content),
    ReportSection("acquisition", "How the images were acquired", acquisition.content),
    ReportSection("quality", "Quality of the measurements", quality.content),
    ReportSection("qc_fc", "Head motion in connectivity", qc_fc.content),
    ReportSection("markers", "Markers by group", markers.content),
    ReportSection("lesions", "Lesions over time", lesions.content),
    ReportSection("vulnerability", "Vulnerability indices", vulnerability.content),
    ReportSection("normative", "Deviations from healthy people", normative.content),
    ReportSection("subtypes", "Groups among people", subtypes.content),
    ReportSection("models", "Models", models.content),
    ReportSection("sites", "Results by site, sex and age", sites.content),
    ReportSection("falsification", "Attempts to prove it wrong", falsification.content),
    ReportSection("recovery", "True and recovered markers", recovery.content),
    ReportSection("individuals", "Individual figures", individuals.content),
    ReportSection("methods", "What the markers mean", methods.content),
    ReportSection("spectroscopy", "Reporting of spectroscopy", spectroscopy.content),
    ReportSection("reporting", "Reporting checklist", reporting.content),
    ReportSection("rerun", "Versions, configuration, rerun", rerun.content),
)
