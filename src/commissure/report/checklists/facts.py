"""Short texts from a run that items of checklists are filled with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commissure.report import text
from commissure.report.methods_text.citations import without_citations
from commissure.report.methods_text.models import label
from commissure.report.methods_text.record import RunRecord, counted
from commissure.report.metrics import fitted, main_model, with_interval
from commissure.report.outcome_words import outcome_words
from commissure.report.section import ReportInput
from commissure.report.sections.people import totals

#: Names that :func:`facts` gives.
NAMES = (
    "adjustments", "balance", "by_group", "by_site", "calibration", "cautions", "dataset",
    "exclusions", "falsification", "folds", "full_model", "heterogeneity", "indeterminate",
    "label", "measures", "missing", "missing_models", "model", "needed", "outcome", "output",
    "people", "performance", "predictors", "preparation", "protocols", "recalibrated", "sites",
    "software", "treatments", "tuning",
)  # fmt: skip


def facts(run: ReportInput, record: RunRecord) -> dict[str, str]:
    """Texts by name; empty where the run cannot say it.

    Parameters
    ----------
    run
        What the report is written from.
    record
        What the run left of its methods.
    """
    known = dict.fromkeys(NAMES, "")
    known.update(_people(run))
    known.update(_data(run, record))
    known.update(_outcome(run, record))
    if fitted(run.results.metrics):
        known.update(_models(run, record))
        known.update(_results(run.results.metrics, run.results.falsification))
    return known


def _people(run: ReportInput) -> dict[str, str]:
    people = run.people
    n = len(people.people)
    groups = text.listed(f"{group.n} {group.name}" for group in people.groups)
    return {
        "people": f"{text.count(n, 'person', 'people')}: {groups}." if n else "No people.",
        "sites": f"{text.count(len(people.sites), 'site')}: {text.some(people.sites)}."
        if people.known_sites
        else "No site is known.",
        "dataset": f"One BIDS dataset of {text.count(n, 'person', 'people')}." if n else "",
    }


def _data(run: ReportInput, record: RunRecord) -> dict[str, str]:
    results = run.results
    counts = totals(results.tables["completeness.tsv"])
    markers = results.markers
    n_markers = len(markers.groupby(["modality", "marker", "region"]))
    out = results.tables["exclusions.tsv"]
    rules = out["rule"].value_counts()
    version = results.provenance.get("version")
    engines = text.listed(
        f"{name}: {record.option(name, 'engine', 'builtin')}" for name in record.preprocessed
    )
    return {
        "predictors": f"{text.count(n_markers, 'marker')} of "
        f"{text.count(markers['modality'].nunique(), 'modality', 'modalities')}.",
        "missing": f"{counts['missing']} missing and {counts['failed']} failed products are listed "
        "with their causes; an absent value is never taken for zero.",
        "exclusions": f"{text.count(len(out), 'exclusion')} by rule, with the measured value: "
        + text.listed(f"{n} by {rule}" for rule, n in rules.items())
        + "."
        if len(out)
        else "No image was left out by a rule.",
        "preparation": f"Engines ({engines}), steps and parameters are in provenance/config.yaml "
        "and the files’ sidecars; each image has its checks of quality (*_qc.json).",
        "software": f"Commissure {version}; versions, commit and command are in "
        "provenance/run.json."
        if version
        else "",
        "protocols": _protocols(record),
    }


def _protocols(record: RunRecord) -> str:
    """Scanners of the raw images, where their sidecars were at hand."""
    named = [
        {"scanner": " ".join(str(s.get(k) or "") for k in _SCANNER).strip() or None}
        for sidecars in record.acquired.values()
        for s in sidecars
    ]
    scanners = counted(named, "scanner")
    if not scanners:
        return ""
    return "Scanners: " + text.listed(f"{name} ({n} images)" for name, n in scanners) + "."


_SCANNER = ("Manufacturer", "ManufacturersModelName")


def _outcome(run: ReportInput, record: RunRecord) -> dict[str, str]:
    metrics, people = run.results.metrics, run.people
    question = metrics.get("question") or {}
    outcome = text.sentence(f"{people.positive_people} against {people.negative_people}")
    words = outcome_words(metrics)
    if words is not None:
        outcome = words.people(question).capitalize() + "."
    if not fitted(metrics):
        outcome += " No model was fitted in this run."
    rule = without_citations(" ".join(label(record)) if metrics else "")
    rule = rule.partition("TO THE AUTHORS")[0]
    grey = question.get("n_indeterminate")
    source = (record.option("fusion", "label") or {}).get("source")
    return {
        "outcome": outcome,
        "label": rule.strip(),
        "indeterminate": f"{text.count(grey, 'person', 'people')} could not be labelled."
        if grey is not None
        else "",
        "treatments": "The treatment history of the dataset gives drug, dose, weeks and scores."
        if source in ("treatments", "depression")
        else "",
    }


def _models(run: ReportInput, record: RunRecord) -> dict[str, str]:
    metrics = run.results.metrics
    main = main_model(metrics)
    option = record.configuration.get("fusion") or {}
    adjusted = {
        "head_size": "Volumes are freed of head size.",
        "combat": "Sites are harmonised by ComBat in the fold.",
    }
    adjustments = [
        words for key, words in adjusted.items() if option.get(key) not in (None, "none", False)
    ]
    removed = option.get("remove_confounds")
    if removed:
        adjustments.append(f"{text.listed(removed)} are regressed out in the fold.")
    families = (record.option("participants", "family")) is not None
    question = metrics.get("question") or {}
    n, positive = question.get("n"), question.get("n_positive")
    balance = f"{text.count(n, 'person', 'people')}" if n is not None else ""
    if n is not None and positive is not None:
        balance += f", {positive} of them {question.get('positive_name') or 'with the outcome'}"
    # Without a word the logits of `late` are recalibrated.
    recalibrated = option.get("recalibrate", None)
    if recalibrated is None:
        recalibrated = main == "late"
    return {
        "model": f"Declared before the results: {main}, "
        f"“{metrics['models'][main]['description']}”; "
        f"{text.count(len(metrics['models']) - 1, 'other')} beside it.",
        "tuning": f"Penalties {text.listed(f'{p:g}' for p in option['penalties'])} are chosen by "
        f"{record.number('fusion', 'inner_folds')} folds inside training people."
        if option.get("penalties")
        else "",
        "folds": f"{record.number('fusion', 'outer_folds')}-fold cross-validation, "
        f"{record.number('fusion', 'repeats')} times, seed {record.number('fusion', 'seed')}; "
        "all scans of a person"
        + (", and of a family," if families else "")
        + " stay in one fold; whatever is learnt is learnt inside the fold.",
        "adjustments": " ".join(adjustments),
        "balance": balance + "." if balance else "",
        "missing_models": "A model takes the modalities that a person has; results are given by "
        "pattern of missing modalities, and what missingness alone tells.",
        "recalibrated": ", but for a recalibration of the stored model by out-of-fold predictions"
        if recalibrated
        else "",
    }


def _results(metrics: Mapping[str, Any], falsification: Mapping[str, Any]) -> dict[str, str]:
    question = metrics.get("question") or {}
    several = len(question.get("sites") or {}) > 1
    columns = sorted({row["by"] for row in metrics.get("by_group") or []})
    words = outcome_words(metrics)
    key, name = (words.key, words.name) if words else ("auc", "AUC")
    main = metrics["models"][main_model(metrics)]
    performance = f"{name} within site {with_interval(main.get(f'{key}_within_site'))}"
    checks = falsification.get("checks") or []
    failed = [check["name"] for check in checks if check.get("passed") is False]
    undecided = sum(check.get("passed") is None for check in checks)
    pooled = ((metrics.get("by_site") or {}).get("cv") or {}).get("random_effects") or {}
    needed = (metrics.get("sample_size") or {}).get("rows") or []
    slope = main.get("calibration_slope")
    return {
        "performance": performance + ("; sites left out in turn." if several else "."),
        "by_site": "The model is evaluated within site and on a site left out, site by site."
        if several
        else "All people come from one site: differences between sites are not known.",
        "by_group": f"Results by {text.listed(columns)} are given."
        if columns
        else "Neither sex nor age is known.",
        "measures": f"{name} within site, pooled and with sites left out, each with an interval; "
        "Brier score, calibration, decision curve."
        if words is None
        else f"{name} within site, pooled and with sites left out, each with an interval.",
        "calibration": f"Calibration slope {text.fixed(slope)}." if text.is_number(slope) else "",
        "output": "A probability; no threshold is recommended."
        if words is None
        else "A number, class or relative risk; no threshold is recommended.",
        "full_model": "fusion/model holds the fitted model, its plain numbers where it is a sum, "
        "and its card (fusion/model/card.md).",
        "heterogeneity": f"Between {pooled['sites']} sites τ² = {text.number(pooled.get('tau2'))} "
        f"and I² = {text.number(pooled.get('i2'))}."
        if pooled
        else ("" if several else "One site."),
        "cautions": " ".join(text.without_paths(c) for c in metrics.get("cautions") or ()),
        "needed": " ".join(
            f"A model with an AUC of {text.fixed(row['auc'])} and 10 predictors asks for "
            f"{row['people_needed']['10']} people (Riley et al. 2019)."
            for row in needed[:1]
            if "10" in (row.get("people_needed") or {})
        ),
        "falsification": f"{len(checks)} checks, among them permuted labels, noise in place of "
        f"markers and site alone; {text.listed(failed) + ' failed' if failed else 'none failed'}"
        + (f", {undecided} not decided." if undecided else ".")
        if checks
        else "",
    }
