"""The main result at each site, and among people of each sex and age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from commissure.report import text
from commissure.report.metrics import fitted, main_model, with_interval
from commissure.report.plots import marker_figures
from commissure.report.section import Content, ReportInput
from commissure.study.splits import CV, LEAVE_SITE_OUT

#: Series of the figure: colour and shape of each scheme, as in the figure of the models.
_SERIES = {CV: 2, LEAVE_SITE_OUT: 1}
_WORDS = {CV: "within site", LEAVE_SITE_OUT: "with the site left out of training"}
_GROUPS = {"sex": "Sex", "age": "Age, years"}


def content(run: ReportInput, below: Mapping[str, Content]) -> Content | None:
    """Everything that the section shows; None where no model was fitted."""
    metrics = run.results.metrics
    schemes = metrics.get("by_site") or {}
    if not fitted(metrics) or not schemes.get(CV, {}).get("sites"):
        return None
    several = len(schemes[CV]["sites"]) > 1
    return {
        "main": main_model(metrics),
        "positive": run.people.positive_name,
        "several": several,
        "left_out": LEAVE_SITE_OUT in schemes,
        "forest": _forest(schemes) if several else "",
        "new_site": any(
            text.is_number(part["random_effects"].get("prediction_low"))
            for part in schemes.values()
        ),
        "rows": _site_rows(schemes),
        "summaries": [
            _summary(scheme, schemes[scheme]["random_effects"])
            for scheme in _SERIES
            if several and scheme in schemes
        ],
        "groups": [
            {"by": _GROUPS.get(row["by"], row["by"]), "group": row["group"],
             "area": with_interval(row["auc_within_site"]), **_people(row), **_calibration(row)}
            for row in metrics.get("by_group") or []
        ],
    }  # fmt: skip


def _site_rows(schemes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per site: people, AUCs, and calibration where the site was left out, if it was."""
    away = {row["site"]: row for row in schemes.get(LEAVE_SITE_OUT, {}).get("sites", [])}
    rows = []
    for row in schemes[CV]["sites"]:
        elsewhere = away.get(row["site"])
        rows.append({
            "site": row["site"],
            **_people(row),
            "within": with_interval(row["auc"]),
            "pairs": row["auc"].get("pairs", text.ABSENT),
            "left_out": with_interval((elsewhere or {}).get("auc")),
            **_calibration(elsewhere or row),
        })  # fmt: skip
    return rows


def _people(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"n": row["n"], "n_positive": row["n_positive"]}


def _calibration(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "predicted": text.fixed(row.get("predicted")),
        "observed": text.fixed(row.get("observed")),
        "slope": text.fixed(row.get("calibration_slope")),
        "intercept": text.fixed(row.get("calibration_intercept")),
    }


def _summary(scheme: str, result: Mapping[str, Any]) -> str:
    """What one scheme says of sites in general, in a sentence or two."""
    if not text.is_number(result.get("value")):
        return f"The AUC {_WORDS[scheme]} is known at fewer than two sites: no mean is given."
    sentence = (
        f"The AUC {_WORDS[scheme]} is {with_interval(result)} in the mean of {result['sites']} "
        f"sites; {text.percent(result['i2'], 1)} of the variance between them is more than chance "
        f"(I²; τ = {text.fixed(max(result['tau2'], 0.0) ** 0.5)})."
    )
    if text.is_number(result.get("prediction_low")):
        ends = text.interval(result["prediction_low"], result["prediction_high"])
        sentence += f" A new site would see an AUC of {ends} (95 % prediction interval)."
    return sentence


def _forest(schemes: Mapping[str, Any]) -> str:
    """AUC of each site, and below them the mean and the prediction interval."""
    names = [row["site"] for row in schemes[CV]["sites"]]
    drawn = [scheme for scheme in _SERIES if scheme in schemes]
    by_site = {
        scheme: {row["site"]: row["auc"] for row in schemes[scheme]["sites"]} for scheme in drawn
    }
    rows: list[tuple[str, Sequence[marker_figures.Bar]]] = []
    for name in names:
        bars = [
            marker_figures.Bar(area["value"], area["ci_low"], area["ci_high"], _SERIES[scheme])
            for scheme in drawn
            if text.is_number((area := by_site[scheme].get(name) or {}).get("value"))
        ]
        if bars:
            rows.append((name, bars))
    headings = [(0, "Sites"), (len(rows), "All sites")]
    totals = {scheme: schemes[scheme]["random_effects"] for scheme in drawn}
    for label, low, high in (
        ("mean", "ci_low", "ci_high"), ("a new site", "prediction_low", "prediction_high"),
    ):  # fmt: skip
        bars = [
            marker_figures.Bar(total["value"], total[low], total[high], _SERIES[scheme])
            for scheme, total in totals.items()
            if text.is_number(total.get("value")) and text.is_number(total.get(low))
        ]
        if bars:
            rows.append((label, bars))
    if not rows:
        return ""
    written = "; ".join(
        f"{name} " + " and ".join(with_interval(by_site[scheme].get(name)) for scheme in drawn)
        for name in names
    )
    return marker_figures.forest(
        rows,
        reference=0.5,
        label="area under the curve (95 % interval); 0.5 is chance",
        key="by-site",
        description=f"AUC of the main model at each site. {written}",
        limits=(0.0, 1.0),
        headings=[(place, words) for place, words in headings if place < len(rows)],
    )
