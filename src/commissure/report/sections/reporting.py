"""What a run can say towards TRIPOD+AI, and what only its authors can.

Items after Collins et al. 2024, BMJ 385:e078378 (27 items); the wording here is our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from commissure.report import text
from commissure.report.metrics import fitted, main_model, with_interval
from commissure.report.outcome_words import outcome_words
from commissure.report.section import Content, ReportInput
from commissure.report.sections.people import totals

State = Literal["here", "partly", "authors"]


@dataclass(frozen=True)
class ChecklistItem:
    """One line of the checklist.

    Attributes
    ----------
    number
        As in the statement: ``12f``.
    topic
        In a few words.
    state
        ``here`` (this page says it), ``partly``, or ``authors``.
    text
        What the page says, or what the authors must add; names in braces are facts of the run.
    section
        Anchor in the page, empty where there is none.
    without_model
        Stands in place of ``text`` where no model was fitted, and the item is then the authors'.
    """

    number: str
    topic: str
    state: State
    text: str
    section: str = ""
    without_model: str = ""


_NOT_FITTED = "No model was fitted."
_NOT_EVALUATED = "No model was evaluated."

ITEMS = (
    ChecklistItem(
        "1–2", "Title and abstract", "authors", "Name the design, population and outcome."
    ),
    ChecklistItem(
        "3", "Background, setting of use, health inequalities", "authors",
        "Say for which decision, in whom and before what the prediction would be used.",
    ),
    ChecklistItem("4", "Objectives", "partly", "{outcome}", "summary"),
    ChecklistItem(
        "5", "Source and dates of the data", "authors",
        "Name the cohorts, the dates of accrual and of follow-up.",
    ),
    ChecklistItem(
        "6", "Setting, eligibility, treatments", "partly",
        "{sites} Inclusion criteria and the care given are for the authors.", "people",
    ),
    ChecklistItem(
        "7", "Data preparation", "here",
        "The steps and their parameters are in the configuration and the files’ sidecars.", "rerun",
    ),
    ChecklistItem(
        "8", "Outcome: definition, assessors, blinding", "partly",
        "The rule for the label is in the configuration; who assessed it, and whether blind to the "
        "images, is for the authors.", "people",
    ),
    ChecklistItem(
        "9", "Predictors: definition, timing, blinding", "partly",
        "{predictors} Measurement is automatic and does not read labels; the time between image "
        "and outcome is for the authors.", "methods",
    ),
    ChecklistItem(
        "10", "Sample size", "partly",
        "{people} Why this number, and whether it is enough, is for the authors.", "summary",
    ),
    ChecklistItem("11", "Missing data", "here", "{missing}", "people"),
    ChecklistItem(
        "12a–d", "Use of the data, handling of predictors, model building", "here",
        "Folds keep all scans of a person together; everything learnt is learnt inside the fold.",
        "models", "No model was built.",
    ),
    ChecklistItem(
        "12e", "Differences between sites", "here",
        "{by_site}", "sites", _NOT_EVALUATED,
    ),
    ChecklistItem(
        "12f–g", "Measures of performance, updating", "partly",
        "The measure within site with intervals, errors and calibration; no model was updated.",
        "models", _NOT_EVALUATED,
    ),
    ChecklistItem("13", "Class imbalance", "here", "{people}", "models", "{people}"),
    ChecklistItem(
        "14", "Fairness", "partly",
        "{by_group} Other groups, and whether differences matter, are for the authors; groups of "
        "this size rarely allow a judgement.", "sites", _NOT_EVALUATED,
    ),
    ChecklistItem(
        "15", "Output of the model", "here",
        "A probability, a number or a relative risk; no threshold is recommended.", "models",
        _NOT_FITTED,
    ),
    ChecklistItem(
        "16", "Differences between training and evaluation data", "partly",
        "Evaluation is internal; a cohort of its own is still needed.", "models", _NOT_FITTED,
    ),
    ChecklistItem("17", "Ethical approval", "authors", "Name the committee and the consent."),
    ChecklistItem(
        "18", "Funding, interests, protocol, registration, data, code", "partly",
        "Versions, command and configuration are given; the rest is for the authors.", "rerun",
    ),
    ChecklistItem(
        "19", "Patient and public involvement", "authors",
        "Say what it was, or that there was none.",
    ),
    ChecklistItem("20", "Participants: flow, characteristics", "here", "{people}", "people"),
    ChecklistItem(
        "21", "Numbers used in model development", "here", "{people}", "models", "{people}"
    ),
    ChecklistItem(
        "22", "Specification of the model", "partly",
        "The fitted model, where it was kept, lies in the folder fusion/model of the output.",
        "models", _NOT_FITTED,
    ),
    ChecklistItem(
        "23", "Performance with intervals, by cluster", "here", "{performance}", "sites",
        _NOT_EVALUATED,
    ),
    ChecklistItem(
        "24", "Results of updating", "here", "No model was updated.", "", _NOT_FITTED
    ),
    ChecklistItem(
        "25", "Interpretation, fairness in context", "authors",
        "Weigh the result against earlier studies.",
    ),
    ChecklistItem(
        "26", "Limitations", "partly", "What the numbers cannot show is stated in the summary.",
        "summary",
    ),
    ChecklistItem(
        "27", "Usability", "authors",
        "Say what input is required and how poor input is handled in care.",
    ),
)  # fmt: skip


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on reporting shows."""
    items = checklist(fitted=fitted(run.results.metrics), facts=_facts(run))
    return {
        "checklist": items,
        "tally": {
            state: sum(item.state == state for item in items)
            for state in ("here", "partly", "authors")
        },
    }


def checklist(*, fitted: bool, facts: Mapping[str, str]) -> Sequence[ChecklistItem]:
    """The items in their order, with what the run says.

    Parameters
    ----------
    fitted
        Whether a model was fitted; without one the items on models stay open.
    facts
        Short texts from the run under ``people``, ``sites``, ``outcome``, ``predictors``,
        ``missing``, ``performance``, ``by_site``, ``by_group``.
    """
    items = []
    for item in ITEMS:
        if not fitted and item.without_model:
            item = replace(item, state="authors", text=item.without_model)
        items.append(replace(item, text=item.text.format(**facts)))
    return items


def _facts(run: ReportInput) -> dict[str, str]:
    results, people = run.results, run.people
    counts = totals(results.tables["completeness.tsv"])
    groups = text.listed(f"{group.n} {group.name}" for group in people.groups)
    n_people = len(people.people)
    n_markers = len(results.markers.groupby(["modality", "marker", "region"]))
    n_modalities = results.markers["modality"].nunique()
    outcome = text.sentence(f"{people.positive_people} against {people.negative_people}")
    performance = ""
    several = len((results.metrics.get("question") or {}).get("sites") or {}) > 1
    columns = sorted({row["by"] for row in results.metrics.get("by_group") or []})
    words = outcome_words(results.metrics)
    if words is not None:
        outcome = words.people(results.metrics["question"]).capitalize() + "."
    if fitted(results.metrics):
        main = results.metrics["models"][main_model(results.metrics)]
        key, name = (words.key, words.name) if words else ("auc", "AUC")
        performance = f"{name} within site {with_interval(main.get(f'{key}_within_site'))}"
        performance += "; sites left out in turn." if several else "."
    else:
        outcome += " No model was fitted in this run."
    return {
        "people": f"{text.count(n_people, 'person', 'people')}: {groups}."
        if n_people
        else "No people.",
        "sites": f"{text.count(len(people.sites), 'site')}: {text.some(people.sites)}."
        if people.known_sites
        else "No site is known.",
        "outcome": outcome,
        "predictors": f"{text.count(n_markers, 'marker')} of "
        f"{text.count(n_modalities, 'modality', 'modalities')}.",
        "missing": f"{counts['missing']} missing and {counts['failed']} failed products are listed "
        "with their causes; an absent value is never taken for zero.",
        "performance": performance,
        "by_site": "The model is evaluated within site and on a site left out, site by site."
        if several
        else "All people come from one site: differences between sites are not known.",
        "by_group": f"Results by {text.listed(columns)} are given."
        if columns
        else "Neither sex nor age is known.",
    }
