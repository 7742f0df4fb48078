"""Responses of all patients as tables, and how they agree with another reading."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from commissure.errors import DatasetError
from commissure.files import write_json, write_table
from commissure.lesion.agreement import Agreement, agreement
from commissure.lesion.criteria.assess import CONFIRMED_AFTER_DAYS, Assessment, assess
from commissure.lesion.criteria.best_response import (
    STABLE_AFTER_DAYS,
    BestResponse,
    best_response,
)
from commissure.lesion.criteria.rules import SUMS, Rule
from commissure.lesion.readings_table import read_patients, read_responses


@dataclass(frozen=True)
class Responses:
    """What was made of a table of lesions.

    Attributes
    ----------
    rule
        The criteria.
    assessments
        Of every follow-up.
    best
        Of every patient with a follow-up.
    without
        Patients without a follow-up.
    agreement
        With the other reading; None without one.
    """

    rule: Rule
    assessments: tuple[Assessment, ...]
    best: tuple[BestResponse, ...]
    without: tuple[str, ...]
    agreement: Agreement | None


def judged_table(
    table: Path,
    rule: Rule,
    *,
    out: Path,
    manual: Path | None = None,
    confirmed_after_days: float = CONFIRMED_AFTER_DAYS,
    stable_after_days: float = STABLE_AFTER_DAYS,
) -> Responses:
    """Judge a table of lesions and write what comes of it.

    ``response.tsv`` has a row for every follow-up with sums, changes, categories and the reason,
    ``best_response.tsv`` one for every patient. With another reading ``agreement.json`` has kappa
    and ``agreement.tsv`` the visits of both.

    Parameters
    ----------
    table
        See :func:`commissure.lesion.readings_table.read_patients`.
    rule
        The criteria.
    out
        Folder of the results.
    manual
        Table of another reading, with participant_id, session and response.
    confirmed_after_days, stable_after_days
        See :func:`commissure.lesion.criteria.best_response.best_response`.
    """
    assessments: list[Assessment] = []
    best: list[BestResponse] = []
    without: list[str] = []
    for patient in read_patients(table, rule):
        judged = assess(patient, rule)
        assessments += judged
        if judged:
            best.append(
                best_response(
                    judged,
                    confirmed_after_days=confirmed_after_days,
                    stable_after_days=stable_after_days,
                )
            )
        else:
            without.append(patient.participant_id)
    other = None if manual is None else read_responses(manual)
    compared = None if other is None else _compared(assessments, other)
    responses = Responses(rule, tuple(assessments), tuple(best), tuple(without), compared)
    out.mkdir(parents=True, exist_ok=True)
    write_table(pd.DataFrame(response_rows(assessments, rule)), out / "response.tsv")
    write_table(pd.DataFrame([asdict(one) for one in best]), out / "best_response.tsv")
    if other is not None and compared is not None:
        _write_agreement(responses, other, compared, out)
    return responses


def response_rows(assessments: Sequence[Assessment], rule: Rule) -> list[dict[str, object]]:
    """The cells of ``response.tsv``, for each follow-up."""
    what, unit = SUMS[rule.quantity]
    rows: list[dict[str, object]] = []
    for one in assessments:
        rows.append(
            {
                "participant_id": one.participant_id,
                "session": one.session,
                "day": one.day,
                "criteria": rule.title,
                "quantity": what,
                "unit": unit,
                "sum": one.total,
                "baseline_sum": one.baseline,
                "nadir_sum": one.nadir,
                "nadir_session": one.nadir_session or None,
                "change_from_baseline_percent": _change(one.total, one.baseline),
                "change_from_nadir_percent": _change(one.total, one.nadir),
                "change_from_nadir": one.total - one.nadir,
                "target_response": one.target,
                "non_target_response": one.non_target,
                "new_lesion": one.new_lesion,
                "response": one.response,
                "progression_session": one.progression_session or None,
                "reason": one.reason,
                "flags": "; ".join(one.flags) or None,
            }
        )
    return rows


def _change(value: float, reference: float) -> float:
    return 100 * (value / reference - 1) if reference > 0 else math.nan


def _compared(assessments: Sequence[Assessment], other: Mapping[tuple[str, str], str]) -> Agreement:
    both = [one for one in assessments if other.get((one.participant_id, one.session))]
    if not both:
        raise DatasetError(
            "the other reading",
            found="none of the visits that were judged",
            wanted="the same participant_id and session",
        )
    return agreement(
        [one.response for one in both],
        [other[one.participant_id, one.session] for one in both],
        [one.participant_id for one in both],
    )


def _write_agreement(
    responses: Responses, other: Mapping[tuple[str, str], str], compared: Agreement, out: Path
) -> None:
    record = asdict(compared)
    record["table"] = compared.table.tolist()
    write_json(record, out / "agreement.json")
    rows = [
        {
            "participant_id": one.participant_id,
            "session": one.session,
            "response": one.response,
            "manual_response": other.get((one.participant_id, one.session)) or None,
            "equal": {True: "yes", False: "no"}[
                one.response == other.get((one.participant_id, one.session))
            ],
            "reason": one.reason,
        }
        for one in responses.assessments
    ]
    write_table(pd.DataFrame(rows), out / "agreement.tsv")
