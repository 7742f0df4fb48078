"""Labels from a column of the people."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

import pandas as pd

from commissure.errors import ConfigError
from commissure.outputs import LABELS
from commissure.study.cells import as_text
from commissure.study.labels.rule import LabelRule
from commissure.study.labels.vocabulary import CONTROL, INDETERMINATE, is_control
from commissure.study.people_check import GROUP_IN_FILE
from commissure.study.settings import LabelSettings, StudySettings


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
    # Where group was written anew, the words of the settings are those of the file.
    kept = GROUP_IN_FILE if name == "group" and GROUP_IN_FILE in participants else name
    values = participants[kept].map(as_text)
    asked = (settings.positive, settings.negative)
    _refuse_absent_labels(values, asked, name)
    refuse_typing_errors(values, asked, name)
    rows = []
    groups = participants["group"] if "group" in participants else [None] * len(participants)
    for who, value, group in zip(participants["participant_id"], values, groups, strict=True):
        if value in asked:
            rows.append((str(who), value, ""))
        elif is_control(group):
            rows.append((str(who), CONTROL, ""))
        else:
            shown = "n/a" if value is None else value
            rows.append((str(who), INDETERMINATE, f"{name} is {shown}"))
    return LABELS.frame(rows)


def _refuse_absent_labels(values: pd.Series, asked: Sequence[str], name: str) -> None:
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
    errors = []
    for value in sorted(set(values.dropna()) - set(asked)):
        plain = value.strip().casefold()
        for label in asked:
            like = SequenceMatcher(None, plain, label.casefold()).ratio()
            if plain == label.casefold() or (len(label) > 4 and like > 0.85):
                errors.append((value, label))
    return errors


def _label(
    treatments: pd.DataFrame | None, people: pd.DataFrame, settings: StudySettings
) -> pd.DataFrame:
    return column_labels(people, settings.label)


def _cautions(labels: pd.DataFrame, people: pd.DataFrame, settings: StudySettings) -> list[str]:
    """Values of the column that are neither of the two labels."""
    counts = labels.loc[labels["label"] == INDETERMINATE, "reason"].value_counts()
    if not len(counts):
        return []
    named = ", ".join(f"{reason}: {count}" for reason, count in counts.head(3).items())
    return [
        f"{int(counts.sum())} people carry neither label ({named}"
        f"{' ...' if len(counts) > 3 else ''}): they are indeterminate and left out."
    ]


RULE = LabelRule(label=_label, uses_treatments=False, cautions=_cautions)
