"""How far a person's markers lie from healthy people, on the page of the person."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from commissure.report import text
from commissure.report.results import modality_order
from commissure.report.sections.normative import verdict

#: Standard deviations that the drawing reaches to either side.
_REACH = 4.0
_WIDTH, _HEIGHT, _EDGE = 220, 26, 8


def deviations_of(
    who: str, deviations: pd.DataFrame, charts: pd.DataFrame, record: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The deviations of one person, those that are extreme apart and first.

    Parameters
    ----------
    who
        The person.
    deviations, charts, record
        ``normative/deviations.tsv``, ``normative/charts.tsv`` and ``normative/normative.json``.

    Returns
    -------
    dict or None
        None where no charts were fitted. ``rows`` is empty, with a reason, where charts do not
        reach the person.
    """
    if not record or "reason" in record:
        return None
    rows = deviations[deviations["participant_id"] == who]
    extreme = float(record["extreme"])
    units = {
        (row["modality"], row["region"], row["marker"]): row["unit"]
        for row in charts.to_dict("records")
    }
    order = {name: at for at, name in enumerate(modality_order(set(rows["modality"])))}
    lines = [
        {
            "name": text.marker_name(row["marker"], row["region"]),
            "modality": text.modality(row["modality"]),
            "value": text.with_unit(
                row["value"], units.get((row["modality"], row["region"], row["marker"]))
            ),
            "z": text.fixed(row["z"], 1),
            "centile": centile_in_words(row["centile"]),
            "strip": deviation_strip(
                text.marker_name(row["marker"], row["region"]), row["z"], row["centile"], extreme
            ),
            "extreme": abs(row["z"]) > extreme,
            "order": (order[row["modality"]], -abs(row["z"])),
        }
        for row in rows.dropna(subset=["z"]).to_dict("records")
    ]
    lines.sort(key=lambda line: line["order"])
    return {
        "rows": lines,
        "extreme": [line for line in lines if line["extreme"]],
        "beyond": text.number(extreme),
        "expected": text.fixed(len(lines) * record["held_out"]["expected_percent"] / 100, 1)
        if record["held_out"].get("expected_percent") is not None
        else "",
        "verdict": verdict(record),
    }


def centile_in_words(centile: float) -> str:
    """Say a centile: ``higher than 97 % of healthy people``."""
    if centile != centile:
        return text.ABSENT
    if centile >= 50:
        return f"higher than {_share(centile)} of healthy people"
    return f"lower than {_share(100 - centile)} of healthy people"


def _share(percent: float) -> str:
    # A share that would round to everybody keeps a place.
    places = 1 if percent > 99 else 0
    return f"{text.fixed(min(percent, 99.9), places)} %"


def deviation_strip(name: str, z: float, centile: float, extreme: float) -> str:
    """A small drawing: where most healthy people lie, and where this person does."""
    at = {
        number: _EDGE + (_WIDTH - 2 * _EDGE) * (number + _REACH) / (2 * _REACH)
        for number in (-_REACH, -extreme, 0.0, extreme, _REACH)
    }
    here = _EDGE + (_WIDTH - 2 * _EDGE) * (max(-_REACH, min(_REACH, z)) + _REACH) / (2 * _REACH)
    mid = _HEIGHT / 2
    words = f"{name}: {text.fixed(z, 1)} standard deviations, {centile_in_words(centile)}"
    return (
        f'<svg class="strip" role="img" aria-label="{escape(words)}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<path d="M{at[-_REACH]:.1f} {mid}H{at[_REACH]:.1f}" class="reach"/>'
        f'<rect x="{at[-extreme]:.1f}" y="{mid - 5}" '
        f'width="{at[extreme] - at[-extreme]:.1f}" height="10" class="half"/>'
        f'<path d="M{at[0.0]:.1f} {mid - 6}v12" class="middle"/>'
        f'<path d="M{here:.1f} {mid - 6}l5 6l-5 6l-5 -6z" class="here"/></svg>'
    )
