"""Which visit of a person each session is: a table that the models and the report read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from commissure.markers.settings import SessionsSettings
from commissure.markers.visit_choice import BASELINE, FOLLOWUP, OTHER, Visit, choose_visits
from commissure.outputs import VISITS

__all__ = ["BASELINE", "FOLLOWUP", "OTHER", "baseline_rows", "rows_of_visit", "visit_table"]

_KEYS = ["participant_id", "session"]


def visit_table(
    markers: pd.DataFrame,
    settings: SessionsSettings | None = None,
    files: Iterable[Path | str] = (),
    *,
    imaged: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Say of every session of every person which visit it is.

    Parameters
    ----------
    markers
        Tidy rows.
    settings
        What is declared of the sessions.
    files
        ``*_sessions.tsv`` and ``*_scans.tsv``, where the order of the names is to be read there.
    imaged
        ``participant_id session`` of everybody who has images, measured or not.

    Returns
    -------
    visits
        The columns of :data:`commissure.outputs.VISITS`; of each person the visits in order.
    cautions
        Which session counts, and how many people have no values of it; no person is named.

    Raises
    ------
    ConfigError, DatasetError
        As :func:`commissure.markers.visit_choice.choose_visits`.
    """
    parts = [markers[_KEYS]] + ([] if imaged is None else [imaged[_KEYS]])
    known = list(pd.concat(parts).drop_duplicates().itertuples(index=False, name=None))
    choice = choose_visits(known, settings or SessionsSettings(), map(Path, files))
    ordered = sorted(known, key=lambda visit: (visit[0], choice.place(visit), visit[1]))
    rows: list[tuple[str, str, str, float | None]] = []
    earliest: dict[str, str] = {}
    for person, session in ordered:
        visit = choice.visit_of(session)
        open_choice = session and not choice.baseline and visit == OTHER
        if open_choice and earliest.setdefault(person, session) == session:
            visit = BASELINE
        rows.append((person, session, visit, None))
    table = VISITS.frame(rows)
    first = table[table["visit"] == BASELINE].groupby("participant_id")["session"].first()
    table["days"] = [
        _days(choice.times, (who, session), (who, str(first.get(who, ""))))
        for who, session in zip(table["participant_id"], table["session"], strict=True)
    ]
    table["days"] = table["days"].astype(float)
    names = sorted(
        {session for _, session in known if session}, key=lambda s: choice.place(("", s))
    )
    if len(names) < 2:
        return table, []
    which = " or ".join(choice.baseline) or "each person's earliest session"
    return table, [f"The baseline is {which}, {choice.how}.", *_gaps(markers, table)]


def _days(times: object, visit: Visit, baseline: Visit) -> float | None:
    """Days from a person's baseline to another visit, None where either has no time."""
    if not isinstance(times, dict) or visit not in times or baseline not in times:
        return None
    return round((times[visit] - times[baseline]).total_seconds() / 86400, 2)


def rows_of_visit(markers: pd.DataFrame, visits: pd.DataFrame, visit: str) -> pd.DataFrame:
    """Rows of a visit; of several sessions that are it, a modality's first with values.

    Parameters
    ----------
    markers
        Tidy rows.
    visits
        Of :func:`visit_table`. A session that is not in it is no visit.
    visit
        :data:`BASELINE` or :data:`FOLLOWUP`.
    """
    of_visit = visits[visits["visit"] == visit]
    named = _named(of_visit)
    place = _named(markers).map(dict(zip(named, range(len(named)), strict=True)))
    rows = markers[place.notna().to_numpy()]
    place = place.loc[rows.index]
    dated = rows["session"] != ""
    groups = [rows.loc[dated, "participant_id"], rows.loc[dated, "modality"]]
    first = place[dated].groupby(groups).transform("min")
    return rows[~dated | (place == first.reindex(place.index))]


def _named(rows: pd.DataFrame) -> pd.Series:
    """Person and session of each row in one word."""
    return rows["participant_id"].astype(str) + "\t" + rows["session"].astype(str)


def baseline_rows(markers: pd.DataFrame, visits: pd.DataFrame) -> pd.DataFrame:
    """Rows of the baseline: those that count in the models, the report and a model elsewhere."""
    return rows_of_visit(markers, visits, BASELINE)


def _gaps(markers: pd.DataFrame, visits: pd.DataFrame) -> list[str]:
    """How many people have values of a modality at other visits only."""
    counted = baseline_rows(markers, visits)
    sentences = []
    for modality, rows in markers.groupby("modality", sort=True):
        people = set(rows["participant_id"])
        lost = people - set(counted.loc[counted["modality"] == modality, "participant_id"])
        if lost:
            sentences.append(
                f"{len(lost)} of {len(people)} people have {modality} at other visits only: at the "
                "baseline they have none of it."
            )
    return sentences
