"""Charts of a study, and how far each of its people deviates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.files import read_table, write_json, write_table
from commissure.markers.selection import kept_rows, read_exclusions
from commissure.markers.visits import baseline_rows
from commissure.models.charts import ReferenceCharts
from commissure.normative.held_out import calibration, chart_table, held_out_scores
from commissure.normative.matrix import MarkerMatrix, adjusted_columns, joined, marker_matrix
from commissure.normative.other_sites import (
    charts_with_sites,
    name_of,
    refuse_other_units,
    same_sites,
)
from commissure.normative.reference import read_reference
from commissure.normative.settings import NormativeSettings
from commissure.normative.stored_charts import StoredCharts, load_charts, store_charts
from commissure.normative.tables import curves, deviation_table, people_table
from commissure.outputs import (
    NORMATIVE_CHARTS,
    NORMATIVE_CURVES,
    NORMATIVE_DEVIATIONS,
    NORMATIVE_MODEL,
    NORMATIVE_PEOPLE,
    NORMATIVE_RECORD,
    PARTICIPANTS,
    VISITS,
)
from commissure.rows import read_markers
from commissure.study.labels.vocabulary import is_control
from commissure.study.tables import sites_of

#: Controls of a new site for whom the record says how sure its deviations then are.
LOCAL_CONTROLS = (0, 10, 25, 50)
#: A site with fewer controls is named.
FEW_LOCAL_CONTROLS = 10


@dataclass(frozen=True)
class StudyPeople:
    """The study's people, and who of them is a control.

    Attributes
    ----------
    matrix
        Everybody.
    control
        Who is a control with an age, shape (people,).
    units
        Unit of each column.
    """

    matrix: MarkerMatrix
    control: np.ndarray
    units: tuple[str, ...]


@dataclass(frozen=True)
class Deviations:
    """What came of it: the charts and everybody's scores under them.

    Attributes
    ----------
    charts
        The charts and their columns.
    scores
        Of everybody, shape (people, columns); of controls by charts of the others.
    table
        As :func:`~commissure.normative.held_out.chart_table` makes it.
    record
        Content of ``normative.json``.
    """

    charts: StoredCharts
    scores: np.ndarray
    table: pd.DataFrame
    record: Mapping[str, Any]


def run_normative(
    *,
    markers: Path,
    definitions: Path,
    exclusions: Path,
    visits: Path,
    participants: Path,
    settings: NormativeSettings,
    out: Path,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Learn charts from the controls, score everybody, and write what came of it.

    Parameters
    ----------
    markers, definitions, exclusions, visits, participants
        The tables of the run.
    settings
        The settings.
    out
        Folder of the results. Where there are too few controls the tables have their headers only
        and ``normative.json`` says why.
    progress
        Takes a line on how far the work is.

    Raises
    ------
    ConfigError, DatasetError
        A table, a reference or stored charts cannot be read, or units differ.
    """
    say = progress or (lambda line: None)
    out.mkdir(parents=True, exist_ok=True)
    rules = read_exclusions(exclusions)
    rows = baseline_rows(kept_rows(read_markers(markers), rules), VISITS.read_file(visits))
    meanings = json.loads(definitions.read_text(encoding="utf-8"))
    people = read_table(participants, text=PARTICIPANTS.text)
    study, cautions = _study_people(rows, people, meanings)
    outcome = _deviations(study, meanings, settings, cautions)
    if isinstance(outcome, str):
        _write_nothing(out, outcome, cautions, study)
        say(f"normative: there are no charts: {outcome}")
        return
    _write(outcome, study, settings, out)
    say(
        f"normative: {int(outcome.charts.charts.charted_.sum())} charts of "
        f"{outcome.record['n_controls']} controls"
    )


def _study_people(
    rows: pd.DataFrame, people: pd.DataFrame, meanings: Mapping[str, Mapping[str, Any]]
) -> tuple[StudyPeople, list[str]]:
    people = people.sort_values("participant_id", ignore_index=True)
    people = people.assign(site=sites_of(people))
    rows = rows[rows["participant_id"].isin(people["participant_id"])]
    matrix, cautions = marker_matrix(rows, people, meanings)
    group = people["group"] if "group" in people else pd.Series("", index=people.index)
    control = group.map(is_control).to_numpy(bool) & np.isfinite(matrix.people.age)
    unit_of = {
        (modality, region, marker): unit
        for modality, region, marker, unit in rows[["modality", "region", "marker", "unit"]]
        .drop_duplicates(["modality", "region", "marker"])
        .itertuples(index=False, name=None)
    }
    units = tuple(str(unit_of[c.modality, c.region, c.marker]) for c in matrix.columns)
    return StudyPeople(matrix, control, units), cautions


def _deviations(
    study: StudyPeople,
    meanings: Mapping[str, Mapping[str, Any]],
    settings: NormativeSettings,
    cautions: list[str],
) -> Deviations | str:
    """Charts and scores, or in words why there are none."""
    if not study.matrix.columns:
        return "the study has no markers"
    if settings.charts is not None:
        return _by_stored_charts(study, settings, cautions)
    controls = study.matrix.some(study.control)
    n_reference = 0
    if settings.reference:
        rows, people, messages = read_reference(settings.reference)
        cautions += messages
        reference, messages = marker_matrix(rows, people, meanings)
        cautions += messages
        shared = len(set(reference.columns) & set(controls.columns))
        if not shared:
            return (
                f"the reference has none of the study's markers (it has "
                f"{name_of(reference.columns[0])}, the study {name_of(controls.columns[0])}, say)"
            )
        cautions += _other_units(rows, study)
        n_reference = len(reference.participants)
        controls = joined(controls, reference)
    if len(controls.participants) < settings.min_controls:
        return (
            f"{len(controls.participants)} controls have an age, and {settings.min_controls} are "
            "needed (normative.min_controls)"
        )
    adjusted = (
        adjusted_columns(controls.columns, meanings) if settings.head_size == "residual" else None
    )
    charts = ReferenceCharts(adjusted, settings.min_controls).fit(controls.values, controls.people)
    scores, median = held_out_scores(charts, controls.values, controls.people, settings.folds)
    table = chart_table(
        charts, controls.columns, study.units, scores, median, controls.values, settings.extreme
    )
    everybody = charts.scores(study.matrix.values, study.matrix.people)
    everybody[study.control] = scores[: int(study.control.sum())]
    record = {
        "source": "reference and controls" if n_reference else "controls",
        "n_controls": len(controls.participants),
        "n_reference": n_reference,
        "held_out": calibration(table, scores, settings.extreme),
        "without_chart": [
            name_of(column)
            for column, charted in zip(controls.columns, charts.charted_, strict=True)
            if not charted
        ],
    }
    return _finished(StoredCharts(charts, controls.columns, study.units, {
        "n_controls": record["n_controls"], "n_sites": len(charts.sites_),
        "held_out": record["held_out"],
    }), everybody, table, record, study, cautions, settings)  # fmt: skip


def _by_stored_charts(
    study: StudyPeople, settings: NormativeSettings, cautions: list[str]
) -> Deviations | str:
    stored = load_charts(Path(str(settings.charts)))
    unit_of = dict(zip(study.matrix.columns, study.units, strict=True))
    shared = [column for column in stored.columns if column in unit_of]
    if not shared:
        return (
            f"the stored charts have none of the study's markers (as {name_of(stored.columns[0])})"
        )
    refuse_other_units(stored, unit_of)
    matrix = study.matrix.with_columns(stored.columns)
    charts = stored.charts
    scores = charts_with_sites(charts, matrix, study.control, settings.folds)
    held = scores[study.control]
    empty = np.full(held.shape, np.nan)
    table = chart_table(
        charts, stored.columns, stored.units, held, empty, matrix.values[study.control],
        settings.extreme,
    )  # fmt: skip
    record = {
        "source": "stored charts",
        "n_controls": int(stored.about["n_controls"]),
        "n_reference": 0,
        "held_out": calibration(table, held, settings.extreme),
        "without_chart": [name_of(c) for c in study.matrix.columns if c not in set(stored.columns)],
    }
    cautions += same_sites(charts, matrix)
    moved = StudyPeople(matrix, study.control, stored.units)
    return _finished(stored, scores, table, record, moved, cautions, settings)


def _other_units(rows: pd.DataFrame, study: StudyPeople) -> list[str]:
    """Refuse a reference in other units; a sentence on markers that it lacks."""
    named = {
        (row.modality, row.region, row.marker): str(row.unit)
        for row in rows.drop_duplicates(["modality", "region", "marker"]).itertuples()
    }
    lacking = 0
    for column, unit in zip(study.matrix.columns, study.units, strict=True):
        other = named.get((column.modality, column.region, column.marker))
        lacking += other is None
        if other is not None and other != unit:
            raise DatasetError(
                "normative.reference", found=f"{name_of(column)} is in {other} there and in {unit} "
                "in the study",
                wanted="one unit", mend="Set normative.reference[].unit, or convert the table",
            )  # fmt: skip
    return [f"{lacking} of the study's markers are not in the reference."] if lacking else []


def _finished(
    stored: StoredCharts,
    scores: np.ndarray,
    table: pd.DataFrame,
    record: dict[str, Any],
    study: StudyPeople,
    cautions: list[str],
    settings: NormativeSettings,
) -> Deviations:
    charts, people = stored.charts, study.matrix.people
    sites = people.site.astype(str)
    n_of = {site: int((study.control & (sites == site)).sum()) for site in sorted(set(sites))}
    few = [site for site, count in n_of.items() if count < FEW_LOCAL_CONTROLS]
    aged = np.isfinite(people.age)
    outside = int((aged & ~charts.within_ages(people.age)).sum())
    if few:
        cautions.append(
            f"Sites with fewer than {FEW_LOCAL_CONTROLS} controls: {', '.join(few)}. Where their "
            "people lie is known by how sites differ elsewhere."
        )
    if outside:
        cautions.append(
            f"{outside} people are outside the ages of the controls "
            f"({charts.low_age_:.0f} to {charts.high_age_:.0f} years) and have no deviation."
        )
    if not aged.all():
        cautions.append(f"{int((~aged).sum())} people have no age and no deviation.")
    return Deviations(stored, scores, table, {
        **record,
        "extreme": settings.extreme,
        "ages": [charts.low_age_, charts.high_age_],
        "sites": [
            {"site": site, "controls": count, "people": int((sites == site).sum())}
            for site, count in n_of.items()
        ],
        "new_site": [
            {"controls": count, "offset_sd": _median(charts.offset_sd(count)[charts.charted_])}
            for count in LOCAL_CONTROLS
        ],
        "head_size": settings.head_size,
        "cautions": cautions,
    })  # fmt: skip


def _write(outcome: Deviations, study: StudyPeople, settings: NormativeSettings, out: Path) -> None:
    columns = outcome.charts.columns
    matrix = study.matrix.with_columns(columns)
    write_table(deviation_table(outcome.scores, matrix), out / Path(NORMATIVE_DEVIATIONS.path).name)
    write_table(
        people_table(outcome.scores, matrix, study.control, settings.extreme),
        out / Path(NORMATIVE_PEOPLE.path).name,
    )
    write_table(outcome.table, out / Path(NORMATIVE_CHARTS.path).name)
    write_table(curves(outcome.charts), out / Path(NORMATIVE_CURVES.path).name)
    write_json(outcome.record, out / Path(NORMATIVE_RECORD.path).name)
    store_charts(outcome.charts, out / Path(NORMATIVE_MODEL.path).parent.name)


def _write_nothing(out: Path, reason: str, cautions: list[str], study: StudyPeople) -> None:
    for output in (NORMATIVE_DEVIATIONS, NORMATIVE_PEOPLE, NORMATIVE_CHARTS, NORMATIVE_CURVES):
        write_table(output.frame(), out / Path(output.path).name)
    model = out / Path(NORMATIVE_MODEL.path).parent.name
    # The rule owes the folder, empty where there are no charts.
    model.mkdir(exist_ok=True)
    (model / Path(NORMATIVE_MODEL.path).name).unlink(missing_ok=True)
    write_json(
        {"reason": reason, "n_controls": int(study.control.sum()), "cautions": cautions},
        out / Path(NORMATIVE_RECORD.path).name,
    )


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else np.nan
