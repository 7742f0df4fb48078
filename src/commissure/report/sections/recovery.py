"""True against recovered markers, where the truth is known."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from commissure.definitions import RecoveryGoal
from commissure.evaluation.auc import auc
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.markers.recovery import ALPHA
from commissure.markers.registry import recovery_goals
from commissure.report import text
from commissure.report.metrics import main_model, with_interval
from commissure.report.plots import marker_figures
from commissure.report.results import Results, modality_order
from commissure.report.section import Content, ReportInput
from commissure.report.sections.markers import Key, main_keys
from commissure.report.shortfalls import Resolution, resolution_of
from commissure.study.splits import CV

#: What a marker of a lab's table is expected to reach.
_GOAL_OF_TABLES = RecoveryGoal(r_min=0.7, bias_percent_max=10.0)


def content(run: ReportInput, below: Mapping[str, Content]) -> Content | None:
    """Everything that the section on recovery shows; None where no truth is known."""
    results = run.results
    table, pairs = results.tables["recovery.tsv"], results.tables["recovery_pairs.tsv"]
    if table.empty:
        return None
    known = resolution_of(results)
    rows = [_row({str(k): v for k, v in row.items()}, known) for row in table.to_dict("records")]
    keys = list(dict.fromkeys(row["key"] for row in rows))
    main = main_keys(keys, run.settings.main_markers)
    return {
        "rows": rows,
        "modalities": [_modality(name, rows) for name in modality_order({k[0] for k in keys})],
        "shortfalls": [row for row in rows if row["shortfalls"]],
        "resolution": [] if known is None else known.summary(rows),
        "coarse": known is not None,
        "scatters": _scatters(main, pairs, rows),
        "forest": _forest(main, rows),
        "oracle": _oracle(results),
        "chance": _chance(results, rows),
        "contrasts": [c for c in dict.fromkeys(row["contrast"] for row in rows) if c],
        "expected": [
            {
                "modality": text.modality(name),
                "r": text.fixed(goal.r_min, 1),
                "bias": f"{text.number(goal.bias_percent_max)} %"
                if goal.bias_percent_max
                else "not judged",
            }
            for name, goal in recovery_goals().items()
        ],
    }


def _row(row: Mapping[str, Any], known: Resolution | None) -> dict[str, Any]:
    goal = recovery_goals().get(row["modality"], _GOAL_OF_TABLES)
    least, most = goal.r_min, goal.bias_percent_max
    r, bias = row["r"], row["bias_percent"]
    shortfalls = []
    if text.is_number(r) and r < least:
        shortfalls.append(f"r {text.fixed(r)} is below {text.fixed(least, 1)}")
    if most is not None and text.is_number(bias) and abs(bias) > most:
        shortfalls.append(f"bias {text.fixed(bias, 1)} % is beyond ±{text.number(most)} %")
    true, low, high = row["true_d"], row["recovered_d_low"], row["recovered_d_high"]
    if all(text.is_number(v) for v in (true, low, high)) and not low <= true <= high:
        shortfalls.append(
            f"the true d of {text.fixed(true)} lies outside the recovered interval "
            f"({text.interval(low, high)})"
        )
    key = (row["modality"], row["marker"], row["region"])
    allowed, verdict = known.words(key, r, bias, goal) if known and shortfalls else ([], "")
    return {
        "key": key,
        "modality": row["modality"],
        "title": text.capital(text.modality(row["modality"])),
        "name": text.marker_name(row["marker"], row["region"]),
        "unit": text.unit(row["unit"]) or text.ABSENT,
        "n": int(row["n"]) if text.is_number(row["n"]) else 0,
        "bias": text.number(row["bias"], 2),
        "bias_percent": text.fixed(bias, 1) if most is not None else text.ABSENT,
        "rmse": text.number(row["rmse"], 2),
        "slope": text.fixed(row["slope"]),
        "r": text.fixed(r),
        "icc": text.fixed(row["icc_a1"]),
        "reliability": text.fixed(row.get("reliability")),
        "true_d": text.fixed(true),
        "recovered_d": text.fixed(row["recovered_d"]),
        "recovered_interval": text.interval(low, high),
        "contrast": str(row["contrast"]).replace(" - ", " − "),
        "shortfalls": shortfalls,
        "allowed": allowed,
        "verdict": verdict,
        "numbers": dict(row),
    }


def _modality(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    of_modality = list({row["key"]: row for row in rows if row["modality"] == name}.values())

    def median(field: str) -> float | None:
        numbers = [row["numbers"][field] for row in of_modality]
        numbers = [number for number in numbers if text.is_number(number)]
        return statistics.median(numbers) if numbers else None

    biases = [row["numbers"]["bias_percent"] for row in of_modality]
    biases = [abs(bias) for bias in biases if text.is_number(bias)]
    judged = recovery_goals().get(name, _GOAL_OF_TABLES).bias_percent_max is not None
    return {
        "name": text.modality(name),
        "markers": len(of_modality),
        "r": text.fixed(median("r")),
        "icc": text.fixed(median("icc_a1")),
        "bias": f"{text.fixed(statistics.median(biases), 1)} %"
        if biases and judged
        else text.ABSENT,
        "short": sum(bool(row["shortfalls"]) for row in of_modality),
    }


def _oracle(results: Results) -> dict[str, Any] | None:
    """AUC within site of the oracle, of what is learned from the truth, and of the main model.

    Of the same people: those whom the main model predicted.
    """
    main, known = main_model(results.metrics), results.tables["recovery_oracle.tsv"]
    predicted = results.tables["fusion/predictions.tsv"]
    if main is None or known.empty:
        return None
    scored = predicted[(predicted["model"] == main) & (predicted["scheme"] == CV)]
    people = scored.drop_duplicates("participant_id").merge(known, on="participant_id")
    if people.empty:
        return None
    labels = (people["label"] == "resistant").astype(int).to_numpy()
    sites = people["site"].to_numpy(str)
    lines = [
        (name, auc([pairwise_comparisons(labels, people[column].to_numpy(float), sites)]).record())
        for name, column in (
            ("the oracle: all true markers, their distribution known", "oracle"),
            ("ridge logistic regression learned from the true markers", "learned"),
        )
    ]
    lines.append((f"the main model ({main})", results.metrics["models"][main]["auc_within_site"]))
    values = [(record or {}).get("value") for _, record in lines]
    steps = ["learning from so few people", "measurement, and the model's own way"]
    losses = [
        f"{text.fixed(before - after)} by {step}"
        for before, after, step in zip(values, values[1:], steps, strict=False)
        if text.is_number(before) and text.is_number(after)
    ]
    return {
        "n": len(people),
        "rows": [{"name": name, "area": with_interval(record)} for name, record in lines],
        "lost": losses,
    }


def _chance(results: Results, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence on how often the group test finds a difference by chance."""
    test = results.false_positives
    if not test.get("tests"):
        return None
    p = [row["numbers"].get("recovered_p") for row in rows]
    p = [value for value in p if text.is_number(value)]
    return (
        f"Between patients relabelled at random the group test calls "
        f"{text.fixed(100 * test['rate'], 1)} % of {test['tests']} tests positive at p < {ALPHA:g} "
        f"({text.fixed(100 * test['low'], 1)} to {text.fixed(100 * test['high'], 1)} %). As "
        f"labelled, {sum(value < ALPHA for value in p)} of {len(p)} markers are."
    )


def _scatters(
    main: Sequence[Key], pairs: pd.DataFrame, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    by_key = {row["key"]: row for row in reversed(rows)}
    panels = []
    for key in main:
        # As in recovery.tsv, everybody's first visit counts.
        drawn = (
            pairs[
                (pairs["modality"] == key[0])
                & (pairs["marker"] == key[1])
                & (pairs["region"] == key[2])
            ]
            .dropna(subset=["true", "recovered"])
            .sort_values("session", kind="stable")
            .drop_duplicates("participant_id")
        )
        if len(drawn) < 3:
            continue
        row = by_key[key]
        caption = f"r = {row['r']}, slope {row['slope']}, {len(drawn)} people"
        panels.append(
            {
                "title": row["name"],
                "caption": caption,
                "short": bool(row["shortfalls"]),
                "figure": marker_figures.recovery_scatter(
                    drawn["true"].to_numpy(float),
                    drawn["recovered"].to_numpy(float),
                    slope=row["numbers"]["slope"],
                    label="" if row["unit"] == text.ABSENT else row["unit"],
                    key=f"truth-{key[0]}-{key[1]}-{key[2]}",
                    description=f"True against recovered {row['name']}: {caption}",
                ),
            }
        )
    return panels


def _forest(main: Sequence[Key], rows: Sequence[Mapping[str, Any]]) -> str:
    lines: list[tuple[str, list[marker_figures.Bar]]] = []
    headings, last = [], ""
    by_key = {
        row["key"]: row for row in reversed(rows) if text.is_number(row["numbers"]["recovered_d"])
    }
    for key in main:
        if key not in by_key:
            continue
        row = by_key[key]
        bars = [
            bar
            for series, name in ((3, "true_d"), (2, "recovered_d"))
            if (bar := _bar(row["numbers"], name, series))
        ]
        if key[0] != last:
            headings.append((len(lines), text.capital(text.modality(key[0]))))
            last = key[0]
        lines.append((row["name"], bars))
    if not lines:
        return ""
    written = "; ".join(
        f"{name}: {' and '.join(text.fixed(b.value) for b in bars)}" for name, bars in lines
    )
    return marker_figures.forest(
        lines,
        reference=0,
        label="standardised difference d (95 % interval)",
        key="true-effects",
        description=f"True and recovered group differences. {written}",
        headings=headings,
    )


def _bar(numbers: Mapping[str, Any], name: str, series: int) -> marker_figures.Bar | None:
    if not text.is_number(numbers[name]):
        return None
    ends = (numbers[f"{name}_low"], numbers[f"{name}_high"])
    low, high = (float(end) if text.is_number(end) else None for end in ends)
    return marker_figures.Bar(float(numbers[name]), low, high, series)
