"""Labels by rule: treatment resistance from the treatment history, or a column of the people.

The rules are the minimum criteria of the TRRIP working group (Howes et al. 2017, Am J Psychiatry
174:216). What cannot be decided is *indeterminate*, with the reason; never silently responsive.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commissure.errors import ConfigError, DatasetError
from commissure.outputs import LABELS
from commissure.study.labels.vocabulary import (
    CONTROL,
    INDETERMINATE,
    RESISTANT,
    RESPONSIVE,
    is_control,
)
from commissure.study.settings import LabelSettings, TrripSettings

if TYPE_CHECKING:
    import pandas as pd

#: A PANSS of 30 items scored 1 to 7 starts at 30.
PANSS_FLOOR = 30.0

TRIAL_COLUMNS = (
    "participant_id", "drug", "cpz_eq_mg", "weeks_at_dose", "adherence", "panss_before",
    "panss_after",
)  # fmt: skip


def panss_reduction(before: float, after: float, *, floor: float = PANSS_FLOOR) -> float:
    """Share of the symptoms that went away: (before - after) / (before - floor).

    Without the floor the share is too small, as in most papers (Obermeier et al. 2010). NaN
    where a score is missing or ``before`` is not above the floor.
    """
    if not before > floor or math.isnan(after):
        return math.nan
    return (before - after) / (before - floor)


def treatment_labels(
    treatments: pd.DataFrame | None,
    participants: pd.DataFrame,
    *,
    criteria: TrripSettings | None = None,
) -> pd.DataFrame:
    """Label everyone by the TRRIP minimum criteria.

    A trial is adequate at ``>= 600 mg`` chlorpromazine equivalents for ``>= 6`` weeks with
    ``>= 80 %`` of the doses taken; it failed below 20 % reduction. Resistant: two different drugs
    failed, adherence known from two sources. Responsive: an adequate trial did not fail.

    Parameters
    ----------
    treatments
        One row per trial with :data:`TRIAL_COLUMNS` and, where known, ``adherence_sources`` (a
        count, or names joined by ``;``); None where the study has no treatment history.
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
        A column of the treatment history is missing, an adherence is not a share, or a PANSS total
        is outside 30 to 210.
    """
    criteria = criteria or TrripSettings()
    trials = _checked_trials(treatments)
    by_person = {str(who): rows for who, rows in trials.groupby("participant_id", sort=False)}
    rows = []
    for person in participants.to_dict("records"):
        who = str(person["participant_id"])
        own = by_person.get(who)
        if own is None:
            label, reason = (
                (CONTROL, "")
                if is_control(person.get("group"))
                else (INDETERMINATE, "no treatment trial is recorded")
            )
        elif is_control(person.get("group")):
            label, reason = INDETERMINATE, "a control with a recorded treatment trial"
        else:
            label, reason = _course(own.to_dict("records"), person, criteria)
        rows.append((who, label, reason))
    return LABELS.frame(rows)


def column_labels(participants: pd.DataFrame, settings: LabelSettings) -> pd.DataFrame:
    """Take the label from a column of the people.

    Returns
    -------
    pandas.DataFrame
        ``participant_id label reason``; other values than the two asked about are indeterminate,
        or control where ``group`` says so.

    Raises
    ------
    ConfigError
        The column is not named or not there, or neither value occurs in it.
    """
    name = settings.column
    if name is None or name not in participants:
        raise ConfigError(
            "fusion.label.column",
            found="no column is named" if name is None else f"there is no column '{name}'",
            wanted=f"one of {[c for c in participants.columns if c != 'participant_id']}",
            mend="Set fusion.label.column in config.yaml",
        )
    values = participants[name].map(as_text)
    asked = (settings.positive, settings.negative)
    if not values.isin(asked).any() and values.notna().any():
        raise ConfigError(
            "fusion.label",
            found=f"neither '{asked[0]}' nor '{asked[1]}' occurs in the column {name}",
            wanted=f"two of {sorted(set(values.dropna()))[:10]}",
            mend="Set fusion.label.positive and fusion.label.negative in config.yaml",
        )
    for value, label in typing_errors(values, asked):
        if not (values == label).any():
            raise ConfigError(
                "fusion.label",
                found=f"'{label}' occurs in nobody, but '{value}' in "
                f"{int((values == value).sum())} people of the column {name}",
                wanted="the words of the column",
                mend="Correct fusion.label.positive or fusion.label.negative in config.yaml",
            )
    refuse_typing_errors(values, asked, name)
    rows = []
    groups = participants["group"] if "group" in participants else [None] * len(participants)
    for who, value, group in zip(participants["participant_id"], values, groups, strict=True):
        if value in asked:
            rows.append((str(who), value, ""))
        elif is_control(group):
            rows.append((str(who), CONTROL, ""))
        else:
            told = "n/a" if value is None else value
            rows.append((str(who), INDETERMINATE, f"{name} is {told}"))
    return LABELS.frame(rows)


def refuse_typing_errors(values: pd.Series, asked: Sequence[str], name: str) -> None:
    """Refuse a column in which a value is nearly, but not quite, one of the two labels.

    Raises
    ------
    ConfigError
        The value is named.
    """
    for value, label in typing_errors(values, asked):
        raise ConfigError(
            f"participants.tsv, {name}",
            found=f"'{value}' occurs ({int((values == value).sum())} people)",
            wanted=f"'{label}', or a word that is not so like it",
            mend=f"Correct the column {name}",
        )


def typing_errors(values: pd.Series, asked: Sequence[str]) -> list[tuple[str, str]]:
    """Values that are nearly, but not quite, one of the two labels, with that label."""
    from difflib import SequenceMatcher

    found = []
    for value in sorted(set(values.dropna()) - set(asked)):
        plain = value.strip().casefold()
        for label in asked:
            like = SequenceMatcher(None, plain, label.casefold()).ratio()
            if plain == label.casefold() or (len(label) > 4 and like > 0.85):
                found.append((value, label))
    return found


def number_of(value: Any, who: str, column: str) -> float:
    """A number from the people's table.

    Raises
    ------
    DatasetError
        It is none.
    """
    try:
        return float(value)
    except ValueError:
        raise DatasetError(
            who,
            found=f"{column} is '{value}' in the participants table",
            wanted="a number, or n/a",
            mend="Mend the participants table",
        ) from None


def unchecked_criteria(participants: pd.DataFrame, criteria: TrripSettings) -> list[str]:
    """Minimum criteria of TRRIP that the tables do not let us check, in words."""
    open_points = []
    if criteria.min_current_panss is None:
        open_points.append("current severity (fusion.trrip.min_current_panss is not set)")
    column = criteria.functioning_column
    if column is None or column not in participants:
        open_points.append(f"functional impairment (the people have no column '{column}')")
    return open_points


def as_text(value: Any) -> str | None:
    """A cell in words; None where it is empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _checked_trials(treatments: pd.DataFrame | None) -> pd.DataFrame:
    import pandas as pd

    if treatments is None:
        return pd.DataFrame(columns=[*TRIAL_COLUMNS, "adherence_sources"])
    missing = [name for name in TRIAL_COLUMNS if name not in treatments]
    if missing:
        raise DatasetError(
            "treatments.tsv",
            found=f"the columns {missing} are missing",
            wanted=f"the columns {list(TRIAL_COLUMNS)}",
            mend="Add them, or map your names under treatments.columns in config.yaml",
        )
    trials = treatments.copy()
    trials["participant_id"] = trials["participant_id"].astype(str)
    if "trial" in trials:
        trials = trials.sort_values(["participant_id", "trial"], kind="stable")
    ranges = {
        "cpz_eq_mg": (0, 10_000),
        "weeks_at_dose": (0, 5_000),
        "adherence": (0, 1),
        "panss_before": (PANSS_FLOOR, 210),
        "panss_after": (PANSS_FLOOR, 210),
    }
    for name, (low, high) in ranges.items():
        given = trials[name]
        trials[name] = pd.to_numeric(given, errors="coerce").astype(float)
        wrong = (trials[name].isna() & given.notna()) | (trials[name] < low) | (trials[name] > high)
        if wrong.any():
            raise DatasetError(
                str(trials.loc[wrong, "participant_id"].iloc[0]),
                found=f"{name} is {given[wrong].iloc[0]} in treatments.tsv",
                wanted=f"a number from {low:g} to {high:g}, or n/a",
                mend="Mend treatments.tsv",
            )
    return trials


def _course(
    trials: Sequence[Mapping[Any, Any]], person: Mapping[Any, Any], criteria: TrripSettings
) -> tuple[str, str]:
    """Label and reason of one patient with at least one trial."""
    failed: list[str] = []
    responded: list[str] = []
    doubts: list[str] = []
    for trial in trials:
        drug = as_text(trial["drug"])
        doubt = "its drug is not named" if drug is None else _why_inadequate(trial, criteria)
        gone = panss_reduction(trial["panss_before"], trial["panss_after"])
        if not doubt and math.isnan(gone):
            doubt = "its PANSS reduction is unknown"
        if not doubt and gone < criteria.min_reduction:
            doubt = _why_unsure_failure(trial, criteria)
        if doubt:
            doubts.append(f"{drug or 'a trial'}: {doubt}")
        elif gone < criteria.min_reduction:
            failed.append(str(drug).strip().casefold())
        else:
            responded.append(f"{drug}, {100 * gone:.0f} % less symptoms")
    drugs = sorted(set(failed))
    if len(drugs) >= criteria.min_failed_drugs:
        doubt = _why_not_ill_enough(trials[-1], person, criteria)
        if doubt:
            return INDETERMINATE, f"{len(drugs)} drugs failed, but {doubt}"
        return RESISTANT, f"adequate trials of {' and '.join(drugs)} failed"
    if responded:
        return RESPONSIVE, f"responded to an adequate trial ({responded[0]})"
    told = f"{len(drugs)} of {criteria.min_failed_drugs} drugs failed in an adequate trial"
    return INDETERMINATE, "; ".join([told, *doubts])


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


def _why_not_ill_enough(
    last: Mapping[Any, Any], person: Mapping[Any, Any], criteria: TrripSettings
) -> str:
    limit = criteria.min_current_panss
    if limit is not None:
        now = last["panss_after"]
        if not now >= limit:
            told = "unknown" if math.isnan(now) else f"{now:g}, below {limit:g}"
            return f"the current PANSS is {told}"
    column = criteria.functioning_column
    if column is not None and column in person:
        level = person[column]
        if level is None or level != level:
            return f"functioning ({column}) is unknown"
        level = number_of(level, str(person["participant_id"]), column)
        if not level < criteria.functioning_impaired_below:
            return (
                f"functioning ({column}) is {level:g}, not below "
                f"{criteria.functioning_impaired_below:g}"
            )
    return ""
