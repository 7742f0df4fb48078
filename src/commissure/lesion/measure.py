"""Measuring lesions: who is who over the visits, the response, and the markers of one visit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from commissure.files import write_table
from commissure.images.figures import save_figure
from commissure.lesion.criteria.assess import Assessment, assess
from commissure.lesion.criteria.best_response import BestResponse, best_response
from commissure.lesion.criteria.rules import Rule, chosen_rule
from commissure.lesion.derivatives import LesionMeasured
from commissure.lesion.figures import timeline_figure
from commissure.lesion.follow_up import FollowUp, follow_up
from commissure.lesion.markers import marker_rows
from commissure.lesion.matching import match_visits
from commissure.lesion.measures import LesionMeasures
from commissure.lesion.patient_files import ReadPatient, read_patient
from commissure.lesion.quality import write_visit_quality
from commissure.lesion.radiomics_table import radiomic_markers, radiomics_table
from commissure.lesion.response_tables import response_rows
from commissure.lesion.settings import LesionMeasureSettings
from commissure.names import Scan
from commissure.rows import write_markers


@dataclass(frozen=True)
class FollowedPatient:
    """A person with the lesions of all visits followed and judged.

    Attributes
    ----------
    read
        What the engine left.
    rule
        The criteria.
    followed
        Lesions over the visits.
    assessments
        The response at each follow-up.
    best
        The best one; None where there is no follow-up.
    """

    read: ReadPatient
    rule: Rule
    followed: FollowUp
    assessments: tuple[Assessment, ...]
    best: BestResponse | None


def measure(
    scan: Scan,
    folder: Path,
    *,
    settings: LesionMeasureSettings,
    visits: Sequence[Scan] = (),
) -> None:
    """Write markers, lesions, response and quality of one visit.

    Parameters
    ----------
    scan
        The mask of the visit.
    folder
        The visit's ``lesion/`` with what an engine left.
    settings
        What the study chose.
    visits
        The masks of all visits of the person, this one among them.

    Raises
    ------
    DatasetError
        The visit or the baseline was not preprocessed, or the readings contradict themselves
        (:func:`commissure.lesion.readings.check_patient`).
    """
    measured = LesionMeasured.of(scan, folder)
    patient = followed_patient(read_patient(visits or (scan,), scan, folder), settings)
    number = next(n for n, one in enumerate(patient.read.visits) if one.scan.path == scan.path)
    here = [one for one in patient.assessments if one.session == scan.session]
    lesions = lesion_rows(patient, number)
    write_table(pd.DataFrame(lesions, columns=list(LESION_COLUMNS)), measured.lesions)
    if here:
        write_table(pd.DataFrame(response_rows(here, patient.rule)), measured.response)
    rows = marker_rows(patient.followed.patient, patient.rule)
    rows = [row for row in rows if row.session == scan.session]
    missing: dict[str, str] = {}
    if settings.radiomics != "none":
        table, missing = radiomics_table(patient.read, patient.followed.tracks, number,
                                         preset=settings.radiomics)  # fmt: skip
        write_table(table, measured.radiomics)
        rows += radiomic_markers(
            table, patient.followed.tracks, patient.read.visits[number],
            flagged=any(row.quality == "flag" for row in rows),
        )  # fmt: skip
    if number == len(patient.read.visits) - 1:
        if patient.best is not None:
            best = pd.DataFrame([asdict(patient.best)]).replace("", None)
            write_table(best, measured.best_response)
        save_figure(
            timeline_figure(patient.read, patient.followed, patient.assessments, patient.rule),
            measured.timeline,
        )
    write_markers(rows, measured.markers)
    write_visit_quality(
        measured.quality, patient.read, patient.followed, number, here,
        rule=patient.rule, missing=missing,
    )  # fmt: skip


def followed_patient(read: ReadPatient, settings: LesionMeasureSettings) -> FollowedPatient:
    """Follow the lesions of a person over all visits, and judge the response at each."""
    rule = criteria(settings.criteria)
    baseline, who = read.visits[0], read.visits[0].scan.participant_id
    tracks = match_visits(
        [visit.in_baseline for visit in read.visits],
        baseline.mask.affine,
        covered=[visit.covered for visit in read.visits],
        who=who,
    )
    organs: Mapping[LesionMeasures, str] = {
        lesion: organ for visit in read.visits for lesion, organ in visit.organs.items()
    }
    followed = follow_up(
        who,
        [visit.record for visit in read.visits],
        [visit.mask for visit in read.visits],
        tracks,
        rule,
        organ_of=lambda lesion: organs.get(lesion, ""),
        radiotherapy_end_day=read.radiotherapy_end_day,
    )
    assessments = assess(followed.patient, rule)
    best = None
    if assessments:
        best = best_response(
            assessments,
            confirmed_after_days=settings.confirmed_after_days,
            stable_after_days=settings.stable_after_days,
        )
    return FollowedPatient(read, rule, followed, tuple(assessments), best)


def criteria(name: str) -> Rule:
    """The criteria of an option: a name, and the form of RANO 2.0."""
    form = name.removeprefix("rano-2.0")
    if form == name:
        return chosen_rule(name)
    return chosen_rule(
        "rano-2.0", volumes=form == "-volumes", non_enhancing=form == "-non-enhancing"
    )


#: Columns of the table of lesions of a visit.
LESION_COLUMNS = (
    "participant_id", "session", "day", "lesion", "label", "role", "organ", "state", "event",
    "longest_mm", "short_mm", "volume_ml", "x_mm", "y_mm", "z_mm", "slices", "slice_mm", "cut",
    "reason",
)  # fmt: skip


def lesion_rows(patient: FollowedPatient, number: int) -> list[dict[str, object]]:
    """Every lesion that is known at a visit, with its measures: the cells of its table."""
    visit = patient.followed.patient.visits[number]
    tracks = {track.lesion: track for track in patient.followed.tracks}
    chosen = {choice.lesion.lesion: choice.reason for choice in patient.followed.choices}
    by_label = {lesion.label: lesion for lesion in patient.read.visits[number].mask.lesions}
    rows: list[dict[str, object]] = []
    for lesion in visit.lesions:
        track = tracks[lesion.lesion]
        labels = track.labels[number]
        place = by_label[labels[0]].centroid_mm if labels else (None, None, None)
        rows.append(
            {
                "participant_id": patient.followed.patient.participant_id,
                "session": visit.session or None,
                "day": visit.day,
                "lesion": lesion.lesion,
                "label": "+".join(map(str, labels)) or None,
                "role": lesion.role,
                "organ": lesion.organ or None,
                "state": lesion.state,
                "event": track.events[number] or None,
                "longest_mm": lesion.longest_mm,
                "short_mm": lesion.short_mm,
                "volume_ml": lesion.volume_ml,
                **dict(zip(("x_mm", "y_mm", "z_mm"), place, strict=True)),
                "slices": lesion.slices,
                "slice_mm": lesion.slice_mm,
                "cut": "yes" if lesion.cut else "no",
                "reason": chosen.get(lesion.lesion),
            }
        )
    return rows
