"""True against recovered markers, where the truth is known."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commissure.definitions import RecoveryGoal
from commissure.evaluation.auc import area, compared_pairs
from commissure.markers.registry import recovery_goals
from commissure.report import text as words
from commissure.report.plots import marker_figures as figures
from commissure.report.results import Results, modality_order
from commissure.report.sections.markers import Key, main_keys
from commissure.report.sections.models import area_words, main_model
from commissure.report.settings import ReportSettings
from commissure.study.splits import CV

if TYPE_CHECKING:
    import pandas as pd

#: What a marker of a lab's table is expected to reach.
_GOAL_OF_TABLES = RecoveryGoal(r_min=0.7, bias_percent_max=10.0)


def recovery(results: Results, settings: ReportSettings) -> dict[str, Any]:
    """Everything that the section on recovery shows; ``known`` is false without a truth."""
    table, pairs = results.tables["recovery.tsv"], results.tables["recovery_pairs.tsv"]
    if table.empty:
        return {"known": False}
    rows = [_row({str(k): v for k, v in row.items()}) for row in table.to_dict("records")]
    keys = list(dict.fromkeys(row["key"] for row in rows))
    main = main_keys(keys, settings.main_markers)
    return {
        "known": True,
        "rows": rows,
        "modalities": [_modality(name, rows) for name in modality_order({k[0] for k in keys})],
        "shortfalls": [row for row in rows if row["shortfalls"]],
        "scatters": _scatters(main, pairs, rows),
        "forest": _forest(main, rows),
        "oracle": _oracle(results),
        "chance": _chance(results, rows),
        "contrasts": [c for c in dict.fromkeys(row["contrast"] for row in rows) if c],
        "expected": [
            {
                "modality": words.modality(name),
                "r": words.fixed(goal.r_min, 1),
                "bias": f"{words.number(goal.bias_percent_max)} %"
                if goal.bias_percent_max
                else "not judged",
            }
            for name, goal in recovery_goals().items()
        ],
    }


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    goal = recovery_goals().get(row["modality"], _GOAL_OF_TABLES)
    least, most = goal.r_min, goal.bias_percent_max
    r, bias = row["r"], row["bias_percent"]
    shortfalls = []
    if words.is_number(r) and r < least:
        shortfalls.append(f"r {words.fixed(r)} is below {words.fixed(least, 1)}")
    if most is not None and words.is_number(bias) and abs(bias) > most:
        shortfalls.append(f"bias {words.fixed(bias, 1)} % is beyond ±{words.number(most)} %")
    true, low, high = row["true_d"], row["recovered_d_low"], row["recovered_d_high"]
    if all(words.is_number(v) for v in (true, low, high)) and not low <= true <= high:
        shortfalls.append(
            f"the true d of {words.fixed(true)} lies outside the recovered interval "
            f"({words.interval(low, high)})"
        )
    return {
        "key": (row["modality"], row["marker"], row["region"]),
        "modality": row["modality"],
        "name": words.marker_name(row["marker"], row["region"]),
        "unit": words.unit(row["unit"]) or words.ABSENT,
        "n": int(row["n"]) if words.is_number(row["n"]) else 0,
        "bias": words.number(row["bias"], 2),
        "bias_percent": words.fixed(bias, 1) if most is not None else words.ABSENT,
        "rmse": words.number(row["rmse"], 2),
        "slope": words.fixed(row["slope"]),
        "r": words.fixed(r),
        "icc": words.fixed(row["icc_a1"]),
        "reliability": words.fixed(row.get("reliability")),
        "true_d": words.fixed(true),
        "recovered_d": words.fixed(row["recovered_d"]),
        "recovered_interval": words.interval(low, high),
        "contrast": str(row["contrast"]).replace(" - ", " − "),
        "shortfalls": shortfalls,
        "numbers": dict(row),
    }


def _modality(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    own = list({row["key"]: row for row in rows if row["modality"] == name}.values())

    def median(field: str) -> float | None:
        found = [row["numbers"][field] for row in own if words.is_number(row["numbers"][field])]
        return statistics.median(found) if found else None

    biases = [abs(row["numbers"]["bias_percent"]) for row in own
              if words.is_number(row["numbers"]["bias_percent"])]  # fmt: skip
    judged = recovery_goals().get(name, _GOAL_OF_TABLES).bias_percent_max is not None
    return {
        "name": words.modality(name),
        "markers": len(own),
        "r": words.fixed(median("r")),
        "icc": words.fixed(median("icc_a1")),
        "bias": f"{words.fixed(statistics.median(biases), 1)} %"
        if biases and judged
        else words.ABSENT,
        "short": sum(bool(row["shortfalls"]) for row in own),
    }


def _oracle(results: Results) -> dict[str, Any] | None:
    """AUC within site of the oracle, of what is learned from the truth, and of the main model.

    Of the same people: those whom the main model predicted.
    """
    main, known = main_model(results.metrics), results.tables["recovery_oracle.tsv"]
    predicted = results.tables["fusion/predictions.tsv"]
    if main is None or known.empty:
        return None
    own = predicted[(predicted["model"] == main) & (predicted["scheme"] == CV)]
    people = own.drop_duplicates("participant_id").merge(known, on="participant_id")
    if people.empty:
        return None
    labels = (people["label"] == "resistant").astype(int).to_numpy()
    sites = people["site"].to_numpy(str)
    lines = [
        (name, area([compared_pairs(labels, people[column].to_numpy(float), sites)]).record())
        for name, column in (
            ("the oracle: all true markers, their distribution known", "oracle"),
            ("ridge logistic regression learned from the true markers", "learned"),
        )
    ]
    lines.append((f"the main model ({main})", results.metrics["models"][main]["auc_within_site"]))
    values = [(record or {}).get("value") for _, record in lines]
    steps = ["learning from so few people", "measurement, and the model's own way"]
    lost = [
        f"{words.fixed(before - after)} by {step}"
        for before, after, step in zip(values, values[1:], steps, strict=False)
        if words.is_number(before) and words.is_number(after)
    ]
    return {
        "n": len(people),
        "rows": [{"name": name, "area": area_words(record)} for name, record in lines],
        "lost": lost,
    }


def _chance(results: Results, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence on how often the group test finds a difference by chance."""
    found = results.false_positives
    if not found.get("tests"):
        return None
    p = [row["numbers"].get("recovered_p") for row in rows]
    p = [value for value in p if words.is_number(value)]
    return (
        f"Between patients relabelled at random the group test calls "
        f"{words.fixed(100 * found['rate'], 1)} % of {found['tests']} tests positive at p < 0.05 "
        f"({words.fixed(100 * found['low'], 1)} to {words.fixed(100 * found['high'], 1)} %). As "
        f"labelled, {sum(value < 0.05 for value in p)} of {len(p)} markers are."
    )


def _scatters(
    main: Sequence[Key], pairs: pd.DataFrame, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    by_key = {row["key"]: row for row in reversed(rows)}
    panels = []
    for key in main:
        own = pairs[
            (pairs["modality"] == key[0])
            & (pairs["marker"] == key[1])
            & (pairs["region"] == key[2])
        ].dropna(subset=["true", "recovered"])
        if len(own) < 3:
            continue
        row = by_key[key]
        told = f"r = {row['r']}, slope {row['slope']}, {len(own)} scans"
        panels.append(
            {
                "title": row["name"],
                "told": told,
                "short": bool(row["shortfalls"]),
                "figure": figures.recovery_scatter(
                    own["true"].to_numpy(float),
                    own["recovered"].to_numpy(float),
                    label="" if row["unit"] == words.ABSENT else row["unit"],
                    key=f"truth-{key[0]}-{key[1]}-{key[2]}",
                    description=f"True against recovered {row['name']}: {told}",
                ),
            }
        )
    return panels


def _forest(main: Sequence[Key], rows: Sequence[Mapping[str, Any]]) -> str:
    lines: list[tuple[str, list[figures.Bar]]] = []
    headings, last = [], ""
    for key in main:
        for row in rows:
            known = row["numbers"]
            if row["key"] != key or not words.is_number(known["recovered_d"]):
                continue
            bars = []
            for series, start in ((3, "true_d"), (2, "recovered_d")):
                ends = [known[f"{start}_low"], known[f"{start}_high"]]
                low, high = (float(e) if words.is_number(e) else None for e in ends)
                if words.is_number(known[start]):
                    bars.append(figures.Bar(float(known[start]), low, high, series))
            if key[0] != last:
                headings.append((len(lines), words.capital(words.modality(key[0]))))
                last = key[0]
            lines.append((row["name"], bars))
            break
    if not lines:
        return ""
    told = "; ".join(
        f"{name}: {' and '.join(words.fixed(b.value) for b in bars)}" for name, bars in lines
    )
    return figures.forest(
        lines,
        reference=0,
        label="standardised difference d (95 % interval)",
        key="true-effects",
        description=f"True and recovered group differences. {told}",
        headings=headings,
    )
