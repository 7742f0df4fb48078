"""Markers of change between two declared visits, and how far retest error makes them up.

``change`` is the follow-up minus the baseline, of some markers in parts of the baseline.
``residual_change`` is the follow-up freed of the baseline by a regression that is learnt in
training people: its rows hold the follow-up, and the baseline stands beside them for the
regression.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from commissure.markers.visits import BASELINE, FOLLOWUP, rows_of_visit

#: What follows the name of a modality: its change, its follow-up to be freed of the baseline, and
#: that baseline, which is no marker of its own.
CHANGE, RESIDUAL, BEFORE = "_change", "_residual_change", "_before"
#: Controls from whose two visits retest error is measured where none is stated.
MIN_CONTROLS = 10
#: Standard errors that a change must exceed to be no retest error in 19 of 20 (Jacobson and Truax).
SURE = 1.96

_KEYS = ["participant_id", "modality", "region", "marker"]


def rows_for_models(
    markers: pd.DataFrame,
    visits: pd.DataFrame,
    *,
    wanted: Collection[str],
    confounds: Collection[str],
    relative: Collection[str] = (),
) -> pd.DataFrame:
    """The rows that models see, of two visits.

    Parameters
    ----------
    markers
        Tidy rows of all visits, exclusions taken out.
    visits
        Of :func:`commissure.markers.visits.visit_table`.
    wanted
        ``baseline``, ``change``, ``residual_change``.
    confounds
        Markers that are confounds: those of the baseline are always there, and do not change.
    relative
        Markers whose change is taken in parts of the baseline.
    """
    baseline = rows_of_visit(markers, visits, BASELINE)
    is_confound = baseline["marker"].isin(list(confounds))
    parts = [baseline if "baseline" in wanted else baseline[is_confound]]
    both = two_visits(markers[~markers["marker"].isin(list(confounds))], visits)
    if "change" in wanted:
        parts.append(_as_rows(both, _change(both, relative), CHANGE))
    if "residual_change" in wanted:
        parts += [_as_rows(both, both["after"], RESIDUAL), _as_rows(both, both["before"], BEFORE)]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def two_visits(markers: pd.DataFrame, visits: pd.DataFrame) -> pd.DataFrame:
    """Everybody's markers that both visits have: ``before`` and ``after`` beside their names."""
    first, second = (
        rows_of_visit(markers, visits, visit)
        .groupby(_KEYS, sort=True)
        .agg(value=("value", "mean"), unit=("unit", "first"))
        for visit in (BASELINE, FOLLOWUP)
    )
    joined = first.join(second, how="inner", lsuffix="_before")
    renamed = joined.rename(columns={"value_before": "before", "value": "after"})
    return renamed[["before", "after", "unit"]].dropna(subset=["before", "after"]).reset_index()


def change_reliability(
    both: pd.DataFrame, controls: Collection[str], stated: Mapping[str, float]
) -> list[dict[str, Any]]:
    """How much of each marker's change is more than retest error.

    ``reliability = 1 - 2 SD(retest)^2 / Var(change)``, over people who are no controls (over
    everybody where there are no others); it is 0 where retest error explains all of the spread.
    Retest error is stated, or measured: the SD of the controls' change over the root of 2.

    Parameters
    ----------
    both
        Of :func:`two_visits`.
    controls
        People who are not expected to change.
    stated
        Standard deviation of a marker that is measured again in the same person, by its name.

    Returns
    -------
    list of dict
        ``modality region marker n mean sd retest_sd source reliability detectable beyond``:
        the change that one person must exceed to be no error, and the share of people who do.
    """
    rows = []
    for (modality, region, marker), part in both.groupby(["modality", "region", "marker"]):
        change = (part["after"] - part["before"]).to_numpy(float)
        control = part["participant_id"].isin(list(controls)).to_numpy()
        subject = change[~control] if (~control).sum() > 2 else change
        retest, source = stated.get(str(marker)), "stated"
        if retest is None:
            source = "unknown"
        if retest is None and control.sum() >= MIN_CONTROLS:
            retest = float(change[control].std(ddof=1) / np.sqrt(2))
            source = f"measured in {int(control.sum())} controls"
        spread = float(subject.std(ddof=1)) if len(subject) > 2 else np.nan
        row: dict[str, Any] = {
            "modality": str(modality), "region": str(region), "marker": str(marker),
            "n": len(subject), "mean": float(subject.mean()) if len(subject) else None,
            "sd": spread, "retest_sd": retest, "source": source,
            "reliability": None, "detectable": None, "beyond": None,
        }  # fmt: skip
        if retest is not None and spread > 0:
            detectable = SURE * np.sqrt(2) * retest
            row["reliability"] = max(0.0, 1 - 2 * retest**2 / spread**2)
            row["detectable"] = float(detectable)
            row["beyond"] = float((np.abs(subject) > detectable).mean())
        rows.append(row)
    return rows


def _change(both: pd.DataFrame, relative: Collection[str]) -> pd.Series:
    difference, before = both["after"] - both["before"], both["before"].abs()
    in_parts = both["marker"].isin(list(relative)) & (before > 0)
    return difference.where(~in_parts, difference / before.where(before > 0, 1.0))


def _as_rows(both: pd.DataFrame, value: pd.Series, suffix: str) -> pd.DataFrame:
    rows = both[["participant_id", "modality", "region", "marker", "unit"]].assign(
        session="", quality="ok", value=value.to_numpy(float)
    )
    return rows.assign(modality=rows["modality"] + suffix)
