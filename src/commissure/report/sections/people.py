"""Who went in, and who was lost where and why."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from commissure.markers.selection import kept_rows, people_excluded
from commissure.report import text
from commissure.report.characteristics import characteristics
from commissure.report.cohort import Cohort
from commissure.report.outcome_words import outcome_words
from commissure.report.plots import marker_figures
from commissure.report.results import Results, modality_order
from commissure.report.section import Content, ReportInput

STATES = ("present", "missing", "failed")

# The product of a person who has no image of a modality; its absence is the dataset's, not a loss.
_IMAGE = "image"


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on the flow of participants shows."""
    results, people = run.results, run.people
    table = results.tables["completeness.tsv"]
    rules = results.tables["exclusions.tsv"]
    modalities = modality_order(
        set(table["modality"])
        | set(results.markers["modality"])
        | set(rules["modality"]) - {"", "all"}
    )
    return {
        "model": _modelled(results.metrics, people),
        "entered": len(people.people),
        "characteristics": characteristics(people),
        "groups": [{"name": group.name, "n": group.n} for group in people.groups],
        "modalities": [_modality(name, results, people) for name in modalities],
        "products": _products(table),
        "by_group": _by_group(results, people, modalities),
        "causes": _causes(table),
        "exclusions": [_exclusion(row) for row in rules.to_dict("records")],
        "left": list(results.left),
        "unlabelled": _unlabelled(results.tables["fusion/labels.tsv"], people),
    }


def _modelled(metrics: Mapping[str, Any], people: Cohort) -> dict[str, Any] | None:
    """The people whom the models learn from; None where no model was fitted."""
    question = metrics.get("question") or {}
    if metrics.get("status") != "fitted" or not question.get("n"):
        return None
    words, n_positive = outcome_words(metrics), question.get("n_positive") or 0
    two_labels = f"{n_positive} {people.positive_name}, {question['n'] - n_positive} "
    two_labels += people.negative_name
    return {
        "n": question["n"],
        "told_apart": two_labels if words is None else words.people(question),
        "outcome": "a clear label" if words is None else "the outcome",
        "controls": question.get("n_controls") or 0,
        "indeterminate": question.get("n_indeterminate") or 0,
    }


def _exclusion(row: Mapping[Hashable, Any]) -> dict[str, str]:
    value = row["value"]
    return {
        "who": f"{row['participant_id']} {row['session']}".strip(),
        "modality": text.modality(row["modality"]) if row["modality"] else "all",
        "rule": row["rule"],
        "limit": row["limit"] or text.ABSENT,
        "value": value if isinstance(value, str) else text.number(value),
    }


def _modality(name: str, results: Results, people: Cohort) -> dict[str, Any]:
    """Count the people of a modality from scan to marker; each number is of people."""
    table = results.tables["completeness.tsv"]
    known = set(people.people.index)
    products = table[(table["modality"] == name) & table["participant_id"].isin(known)]
    with_scan = set(products.loc[products["scan"] != "", "participant_id"])
    measured = set(results.markers.loc[results.markers["modality"] == name, "participant_id"])
    measured &= known
    with_scan |= measured
    states = products.groupby("participant_id")["state"].agg(set)
    failed = {who for who, reached in states.items() if "failed" in reached}
    partly = {who for who in with_scan - failed if "missing" in states.get(who, set())}
    complete = with_scan - failed - partly
    rules = results.tables["exclusions.tsv"]
    kept = kept_rows(results.markers[results.markers["modality"] == name], rules)
    used = set(kept["participant_id"]) & known
    left_out = (people_excluded(rules, name) & with_scan) - used
    return {
        "name": text.modality(name),
        "scanned": len(with_scan),
        "unscanned": len(people.people) - len(with_scan),
        "complete": len(complete),
        "partly": len(partly),
        "failed": len(failed & with_scan),
        "excluded": len(left_out),
        "measured": len(measured),
        "used": len(used),
    }


def _products(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for modality in modality_order(set(table["modality"])):
        expected = table[(table["modality"] == modality) & (table["product"] != _IMAGE)]
        for product in expected["product"].unique():
            counts = expected.loc[expected["product"] == product, "state"].value_counts()
            parts = [(state, int(counts.get(state, 0))) for state in STATES]
            shares = text.listed(f"{n} {state}" for state, n in parts)
            rows.append(
                {
                    "modality": text.modality(modality),
                    "product": product or text.ABSENT,
                    "counts": [n for _, n in parts],
                    "bar": marker_figures.share_bar(parts, f"{product}: {shares}"),
                }
            )
    return rows


def _by_group(results: Results, people: Cohort, modalities: Sequence[str]) -> dict[str, Any]:
    """Share of each group that has markers of each modality: does absence go with the group."""
    rows = []
    for modality in modalities:
        rows_of = results.markers["modality"] == modality
        who = set(results.markers.loc[rows_of, "participant_id"])
        cells = []
        for group in people.groups:
            members = people.people.index[people.people["group"] == group.name]
            n = len(who & set(members))
            cells.append(f"{n} of {group.n} ({text.percent(n, group.n)})")
        rows.append([text.modality(modality), *cells])
    return {"columns": [group.name for group in people.groups], "rows": rows}


def _causes(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Losses gathered by cause, the most frequent first; commands are listed per cause."""
    lost = table[table["state"] != "present"]
    gathered: dict[tuple, dict[str, Any]] = {}
    for row in lost.to_dict("records"):
        cause = _general(row["cause"], row["participant_id"])
        key = (row["modality"], row["state"], cause)
        entry = gathered.setdefault(key, {"who": [], "products": [], "commands": []})
        for field, value in (
            ("who", f"{row['participant_id']} {row['session']}".strip()),
            ("products", row["product"]),
            ("commands", text.without_paths(row["command"])),
        ):
            if value and value not in entry[field]:
                entry[field].append(value)
    order = sorted(gathered.items(), key=lambda item: (-len(item[1]["who"]), item[0]))
    return [
        {
            "modality": text.modality(modality),
            "state": state,
            "cause": text.sentence(cause) if cause else "No cause was recorded.",
            "n": len(entry["who"]),
            "who": entry["who"],
            "products": text.listed(entry["products"]),
            "commands": entry["commands"],
        }
        for (modality, state, cause), entry in order
    ]


def _general(cause: str, who: str) -> str:
    """Leave the person out of the head of a cause, so that equal causes are one."""
    shortened = text.without_paths(cause)
    head, colon, rest = shortened.partition(": ")
    if colon and head.split() and head.split()[0] == who:
        return rest
    return shortened


def _unlabelled(labels: pd.DataFrame, people: Cohort) -> list[dict[str, Any]]:
    """Reasons why people carry neither of the two labels, with how many they concern."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in labels.to_dict("records"):
        who, label = row["participant_id"], row["label"]
        if label in (people.positive, people.negative) or not row["reason"]:
            continue
        if people.people["role"].get(who) == "control":
            continue
        reasons.setdefault((label, _general(row["reason"], who)), []).append(who)
    return [
        {"label": label or "no label", "reason": text.sentence(reason), "who": who, "n": len(who)}
        for (label, reason), who in sorted(reasons.items(), key=lambda item: -len(item[1]))
    ]


def totals(table: pd.DataFrame) -> Mapping[str, int]:
    """Number of products in each state; images that the dataset does not have are not counted."""
    counts = table.loc[table["product"] != _IMAGE, "state"].value_counts()
    return {state: int(counts.get(state, 0)) for state in STATES}
