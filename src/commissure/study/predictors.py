"""Columns of the people that may enter a model, as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from commissure.errors import ConfigError, DatasetError
from commissure.markers.selection import LARGEST
from commissure.settings import Section
from commissure.study.outcome_words import outcome_word
from commissure.study.settings import StudySettings

_LABEL_COLUMNS = ("group", "group_in_file", "label", "diagnosis")
#: Categories from which a column of words is refused as a predictor.
MOST_LEVELS = 10


def refuse_post_outcome(settings: StudySettings) -> None:
    """Refuse predictors that follow or define the outcome.

    Raises
    ------
    ConfigError
        A clinical or confound column is the label itself, or tells by its name that it follows the
        outcome and is not in ``allow_post_outcome``.
    """
    column = settings.label.column
    label_columns = {*_LABEL_COLUMNS, column.casefold() if column else None}
    for key in ("clinical", "confounds"):
        for name in getattr(settings, key):
            if name.casefold() in label_columns:
                raise ConfigError(
                    f"fusion.{key}",
                    found=f"'{name}' is the label or the group itself",
                    wanted="columns known before the outcome",
                    mend=f"Remove it from fusion.{key} in config.yaml",
                )
            word = outcome_word(name, getattr(settings, key))
            if word and name not in settings.allow_post_outcome:
                raise ConfigError(
                    f"fusion.{key}",
                    found=f"'{name}' follows or defines the outcome (its name has '{word}')",
                    wanted="columns known before the outcome",
                    mend=f"Remove it from fusion.{key}, or name it under "
                    "fusion.allow_post_outcome in config.yaml to use it all the same",
                )


def coded_columns(
    people: pd.DataFrame, settings: Section, key: str, *, section: str = "fusion"
) -> tuple[pd.DataFrame, list[str]]:
    """Columns of the people as numbers; text becomes indicators, one column for two values.

    Parameters
    ----------
    people
        One row per person.
    settings
        Name the columns under ``key``: those of the default are left out where there are none.
    key
        ``clinical`` or ``confounds``, or another list of the settings.
    section
        Where the settings stand in the configuration, as errors name it.

    Returns
    -------
    columns, cautions
        Indexed as the people; sentences for the reader.

    Raises
    ------
    ConfigError
        A column is not there, or has too many categories.
    DatasetError
        A column of numbers has words.
    """
    asked: Sequence[str] = getattr(settings, key)
    default = type(settings).model_fields[key].get_default(call_default_factory=True)
    coded: dict[str, np.ndarray] = {}
    cautions: list[str] = []
    for name in asked:
        if name not in people or people[name].isna().all():
            if name not in people and list(asked) != list(default):
                raise ConfigError(
                    f"{section}.{key}",
                    found=f"the participants table has no column '{name}'",
                    wanted=f"some of {[c for c in people.columns if c != 'participant_id']}",
                    mend=f"Correct {section}.{key} in config.yaml",
                )
            cautions.append(f"The {key} model does without '{name}': the people have no values.")
            continue
        numbers = pd.to_numeric(people[name], errors="coerce").astype(float)
        words = numbers.isna() & people[name].notna()
        if not words.any():
            coded[name], sentences = _numbers(numbers, name, key)
            cautions += sentences
            continue
        if words.sum() < numbers.notna().sum():
            raise DatasetError(
                str(people.loc[words, "participant_id"].iloc[0]),
                found=f"{name} is '{people.loc[words, name].iloc[0]}' in the participants table",
                wanted="a number, as in most people, or n/a",
                mend="Mend the participants table",
            )
        coded |= _indicators(people[name], name, key)
    return pd.DataFrame(coded, index=people.index), cautions


def _numbers(numbers: pd.Series, name: str, key: str) -> tuple[np.ndarray, list[str]]:
    """A column of numbers without those that can be none, and sentences on it."""
    cautions = []
    beyond = numbers.abs() > LARGEST
    if beyond.any():
        cautions.append(f"'{name}' is infinite in {int(beyond.sum())} people: missing.")
    if len(set(numbers[~beyond].dropna())) == 1:
        cautions.append(
            f"'{name}' has one value in everybody: the {key} model learns nothing from it."
        )
    return numbers.mask(beyond).to_numpy(), cautions


def _indicators(column: pd.Series, name: str, key: str) -> dict[str, np.ndarray]:
    """An indicator for each category; for two categories one of the second."""
    levels = sorted({str(value) for value in column.dropna()})
    if len(levels) > MOST_LEVELS:
        raise ConfigError(
            f"fusion.{key}",
            found=f"'{name}' has {len(levels)} different texts, as '{levels[0]}'",
            wanted=f"numbers, or at most {MOST_LEVELS} categories",
            mend=f"Remove it from fusion.{key} in config.yaml",
        )
    text = column.map(lambda value: None if pd.isna(value) else str(value))
    return {
        f"{name}={level}": np.where(text.isna(), np.nan, (text == level).to_numpy(float))
        for level in (levels[1:] if len(levels) == 2 else levels)
    }
