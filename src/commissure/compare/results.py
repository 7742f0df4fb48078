"""Results of two runs beyond the markers: every table and JSON file, and the AUC of the models."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from commissure.compare.agreement import DIFFERENT, EQUIVALENT, IDENTICAL
from commissure.compare.runs import Run, flattened
from commissure.evaluation.auc import auc, auc_difference
from commissure.evaluation.held_out import HeldOut
from commissure.outputs import (
    COMPLETENESS,
    EXCLUSIONS,
    MARKERS,
    METRICS,
    OUTPUTS,
    PREDICTIONS,
    PROVENANCE,
    TOLERANCES,
    Output,
)
from commissure.study.splits import CV

#: Compared on their own, or records of the run and no result of it.
_ASIDE = {MARKERS, COMPLETENESS, EXCLUSIONS, TOLERANCES, *PROVENANCE}
#: Columns that name a run and not a result.
_NO_RESULT = ("command",)


def changed_files(a: Run, b: Run) -> list[dict[str, Any]]:
    """Every declared table and JSON file that both runs have: whether it is the same.

    Returns
    -------
    list of dict
        ``file``, ``verdict`` (``identical`` or ``different``), ``cells`` that differ, ``largest``
        absolute difference of a number, and ``reason``. A file of one run alone is different.
    """
    rows = []
    for output in OUTPUTS.values():
        table = output.path.endswith(".tsv")
        if output in _ASIDE or "*" in output.path or not (table or output.path.endswith(".json")):
            continue
        present = [run.has(output) for run in (a, b)]
        if not any(present):
            continue
        if not all(present):
            where = "A" if present[0] else "B"
            cells, largest, reason = 0, math.nan, f"the file stands in run {where} alone"
        else:
            cells, largest, reason = (_tables if table else _documents)(a, b, output)
        verdict = DIFFERENT if cells or reason else IDENTICAL
        rows.append({"file": output.path, "verdict": verdict, "cells": cells, "largest": largest,
                     "reason": reason})  # fmt: skip
    return rows


def _tables(a: Run, b: Run, output: Output) -> tuple[int, float, str]:
    first, second = (
        pd.read_csv(run.folder / output.path, sep="\t", dtype=str, keep_default_na=False)
        for run in (a, b)
    )
    first, second = (
        table.drop(columns=[name for name in _NO_RESULT if name in table])
        for table in (first, second)
    )
    if list(first) != list(second):
        return 0, math.nan, f"other columns: {', '.join(sorted({*first} ^ {*second}))}"
    if len(first) != len(second):
        return 0, math.nan, f"{len(first)} rows in A, {len(second)} in B"
    unequal = first.to_numpy() != second.to_numpy()
    pairs = zip(first.to_numpy()[unequal], second.to_numpy()[unequal], strict=True)
    return int(unequal.sum()), _largest(pairs), ""


def _documents(a: Run, b: Run, output: Output) -> tuple[int, float, str]:
    try:
        first, second = (
            dict(flattened(json.loads((run.folder / output.path).read_text(encoding="utf-8"))))
            for run in (a, b)
        )
    except ValueError:
        return 0, math.nan, "one of the two is no JSON"
    names = first.keys() & second.keys()
    unequal = [name for name in names if first[name] != second[name]]
    alone = len(first.keys() ^ second.keys())
    largest = _largest((first[name], second[name]) for name in unequal)
    return len(unequal) + alone, largest, f"{alone} entries stand in one run alone" if alone else ""


def _largest(pairs: Any) -> float:
    """Largest absolute difference of the pairs that are numbers; NaN where none is."""
    gaps = []
    for x, y in pairs:
        try:
            gap = abs(float(x) - float(y))
        except (TypeError, ValueError):
            continue
        if math.isfinite(gap):
            gaps.append(gap)
    return max(gaps, default=math.nan)


def auc_change(a: Run, b: Run) -> dict[str, Any] | None:
    """By how much the main model's AUC within site differs, on the people whom both runs score.

    The interval is DeLong's, paired: both runs score the same people. The tolerance is derived:
    the standard deviation of run A's AUC over the repeats of its cross-validation, which differ
    by nothing but how the folds were dealt.

    Returns
    -------
    dict or None
        ``model``, ``a`` and ``b`` (the AUCs), ``difference``, ``ci_low``, ``ci_high``,
        ``n_compared``, ``tolerance``, ``people_a``, ``people_b``, ``verdict``, ``reason``; None
        where no run has such a model.
    """
    metrics = [_metrics(run) for run in (a, b)]
    primary = [content.get("primary") for content in metrics]
    if not all(primary):
        return None
    tables = [run.table(PREDICTIONS) for run in (a, b)]
    if any(table is None for table in tables) or any(m.get("kind") != "binary" for m in metrics):
        return None
    chosen = [
        table[(table["model"] == name) & (table["scheme"] == CV)]
        for table, name in zip(tables, primary, strict=True)
        if table is not None
    ]
    positive = metrics[0]["question"]["positive"]
    people = sorted({*chosen[0]["participant_id"]} & {*chosen[1]["participant_id"]})
    known = [{*table["participant_id"]} for table in chosen]
    row: dict[str, Any] = {
        "model": primary[0], "people_a": len(known[0]), "people_b": len(known[1]),
    }  # fmt: skip
    if primary[0] != primary[1] or metrics[0]["question"] != metrics[1]["question"]:
        # Asked of other people or by another model: two numbers, no difference.
        what = "model" if primary[0] != primary[1] else "question"
        return {**row, "verdict": DIFFERENT, "reason": f"the {what} is another"}
    first, second = (_repeats(table, people, positive) for table in chosen)
    shared = sorted(first.keys() & second.keys())
    if not shared:
        return {**row, "verdict": DIFFERENT, "reason": "no repeat stands in both runs"}
    left, right = ([side[r].comparisons() for r in shared] for side in (first, second))
    gap = auc_difference(left, right)
    by_repeat = [auc([one]).value for one in left]
    tolerance = float(np.std(by_repeat, ddof=1)) if len(by_repeat) > 1 else 0.0
    row |= {
        "a": auc(left).value, "b": auc(right).value, "difference": -gap.value,
        "ci_low": -gap.ci_high, "ci_high": -gap.ci_low, "n_compared": gap.n_compared,
        "tolerance": tolerance,
    }  # fmt: skip
    return {**row, **_judged(row, known)}


def _judged(row: Mapping[str, Any], known: list[set[str]]) -> dict[str, str]:
    if known[0] != known[1]:
        count = len(known[0] ^ known[1])
        return {"verdict": DIFFERENT, "reason": f"{count} people are scored in one run alone"}
    if row["a"] == row["b"] and row["difference"] == 0:
        return {"verdict": IDENTICAL, "reason": ""}
    covers = row["ci_low"] <= 0 <= row["ci_high"]
    if covers and abs(row["difference"]) <= row["tolerance"]:
        return {"verdict": EQUIVALENT, "reason": ""}
    why = "it exceeds what the dealing of folds scatters by" if covers else "its interval leaves 0"
    return {"verdict": DIFFERENT, "reason": why}


def _metrics(run: Run) -> dict[str, Any]:
    try:
        content = json.loads((run.folder / METRICS.path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("status") == "fitted" else {}


def _repeats(table: pd.DataFrame, people: list[str], positive: str) -> dict[str, HeldOut]:
    """Held-out scores of the same people in each repeat."""
    repeats = {}
    for repeat, rows in table.groupby(table["repeat"].astype(str)):
        rows = rows.drop_duplicates("participant_id").set_index("participant_id").reindex(people)
        scored = rows["label"].notna().to_numpy()
        labels = np.where(scored, (rows["label"] == positive).to_numpy(), -1).astype(int)
        share = rows["probability"].to_numpy(float).clip(1e-12, 1 - 1e-12)
        repeats[str(repeat)] = HeldOut(
            labels, rows["site"].fillna("").to_numpy(str), rows["fold"].astype(str).to_numpy(),
            np.log(share / (1 - share)),
        )  # fmt: skip
    return repeats
