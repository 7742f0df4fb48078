"""Write the report: read, compute, render, in one file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from commissure.files import write_text
from commissure.report import text as words
from commissure.report.cohort import Cohort, characteristics, cohort
from commissure.report.plots.svg import POINTS
from commissure.report.results import Results, modality_order, read_results
from commissure.report.sections.individuals import persons
from commissure.report.sections.markers import differences
from commissure.report.sections.models import area_words, falsification, fitted, main_model, models
from commissure.report.sections.people import losses, totals
from commissure.report.sections.quality import quality
from commissure.report.sections.recovery import recovery
from commissure.report.sections.reporting import checklist, tally
from commissure.report.sections.spectroscopy import spectroscopy
from commissure.report.sections.summary import summary
from commissure.report.settings import ReportSettings

if TYPE_CHECKING:
    import pandas as pd

_TEMPLATES = Path(__file__).parent / "templates"

#: Sections in their order: anchor and heading.
SECTIONS = (
    ("summary", "Summary"),
    ("people", "Who went in, and who was lost"),
    ("quality", "Quality of the measurements"),
    ("markers", "Markers by group"),
    ("models", "Models"),
    ("falsification", "Attempts to prove it wrong"),
    ("recovery", "True and recovered markers"),
    ("individuals", "Individual figures"),
    ("methods", "What the markers mean"),
    ("spectroscopy", "Reporting of spectroscopy"),
    ("reporting", "Reporting checklist"),
    ("rerun", "Versions, configuration, rerun"),
)


_PROVENANCE = {
    "version": "Version of Commissure",
    "commit": "Commit of the code",
    "python": "Python",
    "system": "System",
    "started": "Started",
    "finished": "Finished",
    "written": "Finished",
    "command": "Command",
}


def write_report(
    output: Path,
    page: Path,
    *,
    participants: pd.DataFrame,
    settings: ReportSettings,
    config_text: str,
) -> None:
    """Write the report of a run as one self-contained HTML file.

    Parameters
    ----------
    output
        The run's output folder; files that are absent leave their section with a sentence.
    page
        Where the report goes.
    participants
        ``participants.tsv`` of the run, one row per person; without ``group`` or ``site``, these
        are unknown.
    settings
        Options of the report.
    config_text
        The merged configuration as YAML; absolute paths in it are shortened.

    Raises
    ------
    DatasetError
        A file of the output folder is there but cannot be read.
    """
    results = read_results(output)
    people = cohort(
        participants,
        results.tables["fusion/labels.tsv"],
        question=results.metrics.get("question") or {},
    )
    content = contents(results, people, settings)
    content["characteristics"] = characteristics(people)
    content["config"] = words.without_paths(config_text).strip()
    write_text(render(content), page)


def contents(results: Results, people: Cohort, settings: ReportSettings) -> dict[str, Any]:
    """Everything that the page shows, by section."""
    qc = quality(results.quality, people)
    verdicts = falsification(results)
    truth = recovery(results, settings)
    provenance = results.provenance
    spectra = spectroscopy(results.quality)
    shown = {"recovery": truth["known"], "spectroscopy": bool(spectra)}
    items = checklist(fitted=fitted(results), facts=_facts(results, people))
    return {
        "title": settings.title,
        "sections": [s for s in SECTIONS if shown.get(s[0], True)],
        "absent": results.absent,
        "most_points": POINTS,
        "summary": summary(
            results, people, falsified=verdicts, recovered=truth, flagged=len(qc["flagged"])
        ),
        "people": losses(results, people),
        "quality": qc,
        "markers": differences(results, people, settings),
        "models": models(results, people),
        "falsification": verdicts,
        "recovery": truth,
        "individuals": persons(results, settings),
        "definitions": _definitions(results),
        "spectroscopy": spectra,
        "checklist": items,
        "tally": tally(items),
        "fitted": fitted(results),
        "versions": sorted((provenance.get("versions") or {}).items()),
        "run": [
            (name, words.without_paths(provenance[key]))
            for key, name in _PROVENANCE.items()
            if provenance.get(key)
        ],
        "changed": bool(provenance.get("uncommitted_changes")),
        "command": words.without_paths(provenance.get("command") or "snakemake --cores all"),
        "written": str(provenance.get("written") or provenance.get("finished") or "")[:10],
    }


def render(content: dict[str, Any]) -> str:
    """Fill the templates; whatever is no number becomes a dash, never a word of the machine."""
    import jinja2

    def shown(value: Any) -> Any:
        if value is None or (isinstance(value, float) and not words.is_number(value)):
            return words.ABSENT
        return value

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        listed=words.listed,
        capital=words.capital,
        some=words.some,
        count=words.count,
        words=words.count_words,
    )
    environment.globals.update(
        style=(_TEMPLATES / "style.css").read_text(encoding="utf-8"),
        behaviour=(_TEMPLATES / "page.js").read_text(encoding="utf-8"),
    )
    return environment.get_template("page.html").render(content)


def _definitions(results: Results) -> list[dict[str, str]]:
    order = modality_order({d.get("modality", "") for d in results.definitions.values()})
    rows = [
        {
            "marker": name,
            "modality": words.modality(d.get("modality", "")),
            "at": str(order.index(d.get("modality", ""))),
            "unit": words.unit(d.get("unit")) or "pure number",
            "description": words.without_paths(d.get("description") or ""),
            "source": words.without_paths(d.get("source") or ""),
            "role": "measurement" if d.get("role") == "confound" else "marker",
        }
        for name, d in results.definitions.items()
    ]
    return sorted(rows, key=lambda row: (row["at"], row["role"], row["marker"]))


def _facts(results: Results, people: Cohort) -> dict[str, str]:
    counts = totals(results.tables["completeness.tsv"])
    groups = words.listed(f"{group.n} {group.name}" for group in people.groups)
    n = len(people.people)
    markers = len(results.markers.groupby(["modality", "marker", "region"]))
    facts = {
        "people": f"{words.count(n, 'person', 'people')}: {groups}." if n else "No people.",
        "sites": f"{words.count(len(people.sites), 'site')}: {words.some(people.sites)}."
        if people.known_sites
        else "No site is known.",
        "outcome": f"{people.positive} against {people.negative}.".capitalize(),
        "predictors": f"{words.count(markers, 'marker')} of "
        f"{words.count(results.markers['modality'].nunique(), 'modality', 'modalities')}.",
        "missing": f"{counts['missing']} missing and {counts['failed']} failed products are listed "
        "with their causes; an absent value is never taken for zero.",
        "performance": "",
    }
    if fitted(results):
        name = main_model(results.metrics)
        area = results.metrics["models"][name].get("auc_within_site")
        facts["performance"] = f"AUC within site {area_words(area)}; sites left out in turn."
    return facts
