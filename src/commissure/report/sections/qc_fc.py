"""How much of head motion each strategy of denoising leaves in connectivity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from commissure.report import text
from commissure.report.plots import motion_figures
from commissure.report.plots.motion_figures import StrategyMotion
from commissure.report.section import Content, ReportInput


def content(run: ReportInput, below: Mapping[str, Content]) -> Content | None:
    """Everything that the section on motion in connectivity shows; None without connectivity."""
    record, table = run.results.qc_fc, run.results.tables["qc_fc.tsv"]
    if not record.get("people"):
        return None
    moved = record["mean_fd_mm"]
    return {
        "sentence": record["sentence"],
        "rule": record["rule"],
        "people": record["people"],
        "covariates": text.listed(record["covariates"]),
        "moved": f"median {text.fixed(moved['median'])} mm, {text.fixed(moved['low'])} to "
        f"{text.fixed(moved['high'])}",
        "rows": [_row(row) for _, row in table.iterrows()],
        "figures": _figures(table, record["curves"]) if record["people"] >= 8 else [],
    }


def _row(row: pd.Series) -> dict[str, Any]:
    measured = text.is_number(row["median_abs_r"])
    chance = text.interval(row["chance_low"], row["chance_high"], 3)
    left = "yes" if row["motion_left"] in (True, "True") else "no"
    return {
        "strategy": row["strategy"],
        "in_use": bool(row["in_use"]),
        "people": text.number(row["people"]),
        "degrees": text.number(row["degrees_of_freedom"]),
        "median": f"{text.fixed(row['median_abs_r'], 3)} ({chance})" if measured else text.ABSENT,
        "significant": text.fixed(row["significant_percent_fdr"], 1),
        "rho": f"{text.fixed(row['distance_rho'])} (p {text.p_value(row['p_distance'])})"
        if measured
        else text.ABSENT,
        "left": left if measured else text.ABSENT,
        "affordable": "yes" if row["affordable"] else "no",
    }


def _figures(table: pd.DataFrame, curves: Mapping[str, Any]) -> list[dict[str, str]]:
    shown = [
        StrategyMotion(
            row["strategy"],
            row["median_abs_r"],
            row["chance_low"],
            row["chance_high"],
            row["motion_left"] in (True, "True"),
            curves[row["strategy"]],
        )
        for _, row in table.iterrows()
        if text.is_number(row["median_abs_r"])
    ]
    if not shown:
        return []
    of_medians = "; ".join(f"{each.name} {text.fixed(each.median, 3)}" for each in shown)
    return [
        {
            "title": "How far connectivity follows motion (red: motion is left)",
            "figure": motion_figures.medians(
                shown, key="qc-fc-medians",
                description=f"Median absolute correlation with displacement: {of_medians}",
            ),
        },
        {
            "title": "At which distance",
            "figure": motion_figures.over_distance(
                shown, key="qc-fc-distance",
                description="Mean correlation of connectivity with displacement, by the distance "
                "of the parcels",
            ),
        },
    ]  # fmt: skip
