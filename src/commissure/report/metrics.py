"""What ``metrics.json`` says, as several sections of the report need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commissure.report import text

KINDS = ("fusion", "modality", "index", "baseline")


def fitted(metrics: Mapping[str, Any]) -> bool:
    """Whether the run has a fitted model."""
    return metrics.get("status") == "fitted" and bool(metrics.get("models"))


def main_model(metrics: Mapping[str, Any]) -> str | None:
    """The model that the summary speaks of: the one declared as primary, else the first fusion.

    It is chosen by its place, never by its result.
    """
    models = metrics.get("models", {})
    if metrics.get("primary") in models:
        return metrics["primary"]
    for kind in KINDS[:2]:
        for name, model in models.items():
            if model.get("kind") == kind:
                return name
    return next(iter(models), None)


def with_interval(record: Mapping[str, Any] | None) -> str:
    """A number with its interval: ``0.66 (0.48 to 0.82)``."""
    value, ends = value_and_interval(record)
    return f"{value} ({ends})" if ends else value


def value_and_interval(record: Mapping[str, Any] | None) -> tuple[str, str]:
    """A number and its interval apart, the latter empty where there is none."""
    if not record or not text.is_number(record.get("value")):
        return text.ABSENT, ""
    low, high = record.get("ci_low"), record.get("ci_high")
    known = text.is_number(low) and text.is_number(high)
    return text.fixed(record["value"]), text.interval(low, high) if known else ""


def people_needed(metrics: Mapping[str, Any], *, predictors: int, auc: float) -> int | None:
    """People that a model asks for (Riley et al. 2019), where the run computed it."""
    for row in (metrics.get("sample_size") or {}).get("rows") or []:
        if row["auc"] == auc:
            return row["people_needed"].get(str(predictors))
    return None
