"""Labels of treatment resistance in schizophrenia, from the treatment history.

The rules are the minimum criteria of the TRRIP working group (Howes et al. 2017, Am J Psychiatry
174:216). What cannot be decided is *indeterminate*, with the reason; never silently responsive.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from commissure.errors import DatasetError
from commissure.study.cells import as_number, as_text
from commissure.study.labels.drugs import substance
from commissure.study.labels.history import checked_trials, labels_by_course
from commissure.study.labels.rule import LabelRule
from commissure.study.labels.scales import SCALES, symptom_reduction
from commissure.study.labels.vocabulary import INDETERMINATE, RESISTANT, RESPONSIVE
from commissure.study.settings import StudySettings, TrripSettings
from commissure.tables.cell_values import cell_number

BEFORE, AFTER = "score_before", "score_after"
TRIAL_COLUMNS = (
    "participant_id", "drug", "cpz_eq_mg", "weeks_at_dose", "adherence", BEFORE, AFTER,
)  # fmt: skip
#: What a history of the PANSS calls its scores.
PANSS_COLUMNS = {"panss_before": BEFORE, "panss_after": AFTER}
_RANGES = {"cpz_eq_mg": (0, 10_000), "weeks_at_dose": (0, 5_000), "adherence": (0, 1)}

#: Adherence is told by no more sources than that.
_MOST_SOURCES = 20
#: Ends of the functioning scales of DSM-IV, both of which give 0 where nothing is known.
_SCALES = {"sofas": (0, 100), "gaf": (0, 100)}


def treatment_labels(
    treatments: pd.DataFrame | None,
    participants: pd.DataFrame,
    *,
    criteria: TrripSettings | None = None,
) -> pd.DataFrame:
    """Label everyone by the TRRIP minimum criteria.

    A trial is adequate at ``>= 600 mg`` chlorpromazine equivalents for ``>= 6`` weeks with
    ``>= 80 %`` of the doses taken; it failed below 20 % reduction and helped from 50 % on, or where
    the symptoms were mild after it. Resistant: two different drugs failed, adherence known from two
    sources. Responsive: an adequate trial helped, and none failed after it.

    Parameters
    ----------
    treatments
        One row per trial with :data:`TRIAL_COLUMNS` and, where known, ``adherence_sources`` (a
        count, or names joined by ``;``); None where the study has no treatment history. The scores
        may be called ``panss_before`` and ``panss_after``.
    participants
        One row per person; ``group`` tells controls.
    criteria
        The thresholds.

    Returns
    -------
    pandas.DataFrame
        ``participant_id label reason``, one row per person in the order of ``participants``.

    Raises
    ------
    DatasetError
        A column of the treatment history is missing, an adherence is not a share, or a score is
        outside its scale.
    """
    criteria = criteria or TrripSettings()
    trials = scored_trials(treatments, criteria)
    _refuse_sources(trials)
    _refuse_functioning(participants, criteria.functioning_column)
    return labels_by_course(
        trials, participants, lambda history, person: _course(history, person, criteria)
    )


def scored_trials(treatments: pd.DataFrame | None, criteria: TrripSettings) -> pd.DataFrame:
    """The treatment history with its scores as :data:`BEFORE` and :data:`AFTER`, all checked.

    Raises
    ------
    DatasetError
        As :func:`treatment_labels`, for what concerns the history.
    """
    scale = SCALES[criteria.scale]
    names = dict(PANSS_COLUMNS) if treatments is None or BEFORE not in treatments else {}
    # Errors name the columns as the file has them.
    scores = tuple(names) or (BEFORE, AFTER)
    limits = dict.fromkeys(scores, (scale.floor, scale.ceiling))
    hints = dict.fromkeys(scores, f"of the {scale.title} (fusion.trrip.scale)")
    columns = (*TRIAL_COLUMNS[:-2], *scores)
    return checked_trials(treatments, columns, {**_RANGES, **limits}, hints).rename(columns=names)


def unchecked_criteria(participants: pd.DataFrame, criteria: TrripSettings) -> list[str]:
    """Minimum criteria of TRRIP that the tables do not let us check, in words."""
    open_points = []
    if criteria.min_current_score is None:
        open_points.append("current severity (fusion.trrip.min_current_score is not set)")
    column = criteria.functioning_column
    if column is None or column not in participants:
        open_points.append(f"functional impairment (the people have no column '{column}')")
    return open_points


def _course(
    trials: Sequence[Mapping[Any, Any]], person: Mapping[Any, Any], criteria: TrripSettings
) -> tuple[str, str]:
    """Label and reason of one patient with at least one trial."""
    scale = SCALES[criteria.scale]
    failed: list[str] = []
    helped = unsure = ""
    doubts: list[str] = []
    for trial in trials:
        drug = as_text(trial["drug"])
        doubt = "its drug is not named" if drug is None else _why_inadequate(trial, criteria)
        gone = symptom_reduction(trial[BEFORE], trial[AFTER], floor=scale.floor)
        if not doubt and math.isnan(gone):
            doubt = f"its {scale.title} reduction is unknown"
        if not doubt and gone < criteria.min_reduction:
            doubt = _why_unsure_failure(trial, criteria)
        if doubt:
            doubts.append(f"{drug or 'a trial'}: {doubt}")
        elif gone < criteria.min_reduction:
            failed.append(substance(str(drug)))
            if helped:
                helped, unsure = "", f"{helped}, but a later trial of {drug} failed"
        elif _helped(gone, trial[AFTER], criteria):
            helped, unsure = f"{drug}, {100 * gone:.0f} % less symptoms", ""
        else:
            doubts.append(f"{drug}: {100 * gone:.0f} % less symptoms are in the grey zone")
    drugs = sorted(set(failed))
    if len(drugs) >= criteria.min_failed_drugs:
        doubt = _why_not_ill_enough(trials[-1], person, criteria)
        if doubt:
            return INDETERMINATE, f"{len(drugs)} drugs failed, but {doubt}"
        return RESISTANT, f"adequate trials of {' and '.join(drugs)} failed"
    if helped:
        return RESPONSIVE, f"responded to an adequate trial ({helped})"
    if unsure:
        return INDETERMINATE, f"responded to an adequate trial ({unsure})"
    reason = f"{len(drugs)} of {criteria.min_failed_drugs} drugs failed in an adequate trial"
    return INDETERMINATE, "; ".join([reason, *doubts])


def _helped(gone: float, after: float, criteria: TrripSettings) -> bool:
    """Whether a trial that did not fail is a response."""
    mild = SCALES[criteria.scale].mild if criteria.mild_score is None else criteria.mild_score
    return gone >= criteria.min_response or (mild is not None and after <= mild)


def _why_inadequate(trial: Mapping[Any, Any], criteria: TrripSettings) -> str:
    for name, limit, unit, word in (
        ("cpz_eq_mg", criteria.min_cpz_eq_mg, "mg CPZ", "dose"),
        ("weeks_at_dose", criteria.min_weeks_at_dose, "weeks", "duration"),
        ("adherence", criteria.min_adherence, "of doses", "adherence"),
    ):
        value = trial[name]
        if math.isnan(value):
            return f"{word} unknown"
        if value < limit:
            return f"{word} {value:g} {unit}, below {limit:g}"
    return ""


def _why_unsure_failure(trial: Mapping[Any, Any], criteria: TrripSettings) -> str:
    """A failure counts only where adherence is verified; a table without the column is taken."""
    if "adherence_sources" not in trial or criteria.min_adherence_sources == 0:
        return ""
    given = as_text(trial["adherence_sources"])
    if given is None:
        return "sources of the adherence unknown"
    names = [part for part in re.split(r"[;,/+|]", given) if part.strip()]
    number = int(given) if given.isdigit() else len(names)
    if number < criteria.min_adherence_sources:
        return f"adherence from {number} source, {criteria.min_adherence_sources} are asked for"
    return ""


def _refuse_sources(trials: pd.DataFrame) -> None:
    """Refuse a number of sources that is no small whole number."""
    if "adherence_sources" not in trials:
        return
    for who, given in zip(trials["participant_id"], trials["adherence_sources"], strict=True):
        number = cell_number((as_text(given) or "").strip())
        if number is not None and not (0 <= number <= _MOST_SOURCES and number == int(number)):
            raise DatasetError(
                str(who),
                found=f"adherence_sources is {given} in treatments.tsv",
                wanted=f"a whole number from 0 to {_MOST_SOURCES}, names joined by ';', or n/a",
                mend="Mend treatments.tsv",
            )


def _refuse_functioning(participants: pd.DataFrame, column: str | None) -> None:
    """Refuse a functioning that is no number, or outside its scale."""
    if column is None or column not in participants:
        return
    low, high = _SCALES.get(column.casefold(), (0, math.inf))
    for who, level in zip(participants["participant_id"], participants[column], strict=True):
        if level is None or level != level:
            continue
        number = as_number(level, str(who), column)
        if not low <= number <= high:
            raise DatasetError(
                str(who),
                found=f"{column} is '{level}' in the participants table",
                wanted=f"a number of {low:g} or more"
                if math.isinf(high)
                else f"a number from {low:g} to {high:g}",
                mend="Mend the participants table",
            )


def _why_not_ill_enough(
    last: Mapping[Any, Any], person: Mapping[Any, Any], criteria: TrripSettings
) -> str:
    limit = criteria.min_current_score
    if limit is not None:
        now = last[AFTER]
        if not now >= limit:
            shown = "unknown" if math.isnan(now) else f"{now:g}, below {limit:g}"
            return f"the current {SCALES[criteria.scale].title} is {shown}"
    column = criteria.functioning_column
    if column is not None and column in person:
        level = person[column]
        if level is None or level != level:
            return f"functioning ({column}) is unknown"
        level = as_number(level, str(person["participant_id"]), column)
        if not level < criteria.functioning_impaired_below:
            return (
                f"functioning ({column}) is {level:g}, not below "
                f"{criteria.functioning_impaired_below:g}"
            )
    return ""


def _label(
    treatments: pd.DataFrame | None, people: pd.DataFrame, settings: StudySettings
) -> pd.DataFrame:
    return treatment_labels(treatments, people, criteria=settings.trrip)


def _cautions(labels: pd.DataFrame, people: pd.DataFrame, settings: StudySettings) -> list[str]:
    return [
        f"TRRIP also asks for {point}, which was not checked."
        for point in unchecked_criteria(people, settings.trrip)
    ]


RULE = LabelRule(label=_label, uses_treatments=True, cautions=_cautions)
