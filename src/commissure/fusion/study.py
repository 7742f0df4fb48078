"""What the tables of a study say: who carries which label, and everyone's markers side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.errors import DatasetError
from commissure.fusion.blocks import (
    Design,
    build_design,
    check_people,
    kept_rows,
    refuse_post_outcome,
)
from commissure.fusion.depression import depression_labels
from commissure.fusion.labels import (
    CONTROL,
    INDETERMINATE,
    column_labels,
    treatment_labels,
    unchecked_criteria,
)
from commissure.fusion.settings import FusionSettings
from commissure.rows import read_markers, read_table

if TYPE_CHECKING:
    import pandas as pd

#: Site of everyone where the people have no site.
ONE_SITE = "all"


@dataclass(frozen=True)
class Study:
    """What the tables of a study say.

    Attributes
    ----------
    labels, question
        Label and reason of everybody; the counts of metrics.json.
    reason
        Why nothing can be fitted, or an empty text; the rest is then None.
    design, y, text
        The matrix, labels as 1, 0 and -1, and in words.
    cautions
        Sentences for the reader.
    units
        Unit of each marker.
    rules
        The exclusions.
    rebuilt
        The same people's matrix under other exclusions.
    """

    labels: pd.DataFrame
    question: dict[str, Any]
    reason: str
    design: Any = None
    y: Any = None
    text: Any = None
    cautions: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    rules: Any = None
    rebuilt: Any = None


def read_study(
    *,
    markers: Path,
    definitions: Path,
    exclusions: Path,
    participants: Path,
    treatments: Path | None,
    settings: FusionSettings,
    site_column: str | None = "site",
    treatment_columns: Mapping[str, str] | None = None,
) -> Study:
    """Label the people and lay their markers side by side.

    Parameters
    ----------
    markers, definitions, exclusions, participants
        ``markers.tsv``, ``markers.json``, ``exclusions.tsv`` and the people of the study.
    treatments
        The treatment history, or None where there is none.
    settings
        The settings.
    site_column
        The people's column with the site; None where there is one site.
    treatment_columns
        The lab's column names of the treatment history by ours, where they differ.

    Raises
    ------
    ConfigError
        A setting names what is not there, or a predictor that follows the outcome.
    DatasetError
        A table cannot be read, contradicts itself, or names a person twice.
    """
    refuse_post_outcome(settings)
    people, site_cautions = _people(participants, site_column)
    trials = None
    if treatments is not None and settings.label.source != "column":
        trials = read_table(treatments).rename(
            columns={theirs: ours for ours, theirs in (treatment_columns or {}).items()}
        )
    if settings.label.source == "treatments":
        labels = treatment_labels(trials, people, criteria=settings.trrip)
    elif settings.label.source == "depression":
        labels = depression_labels(trials, people, criteria=settings.depression)
    else:
        labels = column_labels(people, settings.label)
    question = _question(people, labels, settings)
    reason = _why_not(question, labels, settings)
    if reason:
        return Study(labels, question, reason)
    inside = labels["label"].isin([settings.label.positive, settings.label.negative, CONTROL])
    people = people[inside.to_numpy()].reset_index(drop=True)
    rules, every_row = _exclusions(exclusions), read_markers(markers)
    meanings = json.loads(definitions.read_text(encoding="utf-8"))
    rows = kept_rows(every_row, rules)

    def rebuilt(other: pd.DataFrame) -> Design:
        return build_design(kept_rows(every_row, other), meanings, people, settings=settings)

    design = build_design(rows, meanings, people, settings=settings)
    by_person = labels.set_index("participant_id")["label"]
    text = by_person.loc[list(design.participants)].to_numpy(str)
    y = np.select([text == settings.label.positive, text == settings.label.negative], [1, 0], -1)
    cautions = [*site_cautions, *design.cautions]
    if settings.label.source == "treatments":
        cautions += [
            f"TRRIP also asks for {point}, which was not checked."
            for point in unchecked_criteria(people, settings.trrip)
        ]
    units = {str(k): str(v) for k, v in rows.groupby("marker")["unit"].first().items()}
    return Study(labels, question, "", design, y, text, tuple(cautions), units, rules, rebuilt)


def _people(path: Path, site_column: str | None) -> tuple[pd.DataFrame, list[str]]:
    people = read_table(path)
    if "participant_id" not in people:
        raise DatasetError(
            path.name,
            found=f"the columns are {list(people.columns)}",
            wanted="a column participant_id",
            mend=f"Mend {path.name}, or name the column under participants.id in config.yaml",
        )
    check_people(people)
    people = people.sort_values("participant_id", ignore_index=True)
    if site_column is None or site_column not in people or people[site_column].isna().all():
        return people.assign(site=ONE_SITE), ["The people have no site: all count as one site."]
    unknown = int(people[site_column].isna().sum())
    site = people[site_column].map(lambda value: "n/a" if value != value else str(value))
    told = [f"{unknown} people without a site count as a site of their own."] if unknown else []
    if len(set(people[site_column].dropna())) == 1:
        told.append("There is one site: nothing is known of how the models do at another.")
    return people.assign(site=site.fillna("n/a")), told


def _exclusions(path: Path) -> pd.DataFrame:
    table = read_table(path, text=("participant_id", "session", "modality"))
    missing = [n for n in ("participant_id", "session", "modality") if n not in table]
    if missing:
        raise DatasetError(
            path.name, found=f"the columns {missing} are missing", wanted="the exclusion table"
        )
    return table


def _question(
    people: pd.DataFrame, labels: pd.DataFrame, settings: FusionSettings
) -> dict[str, Any]:
    label, site = labels["label"].to_numpy(str), people["site"].to_numpy(str)
    positive = label == settings.label.positive
    inside = positive | (label == settings.label.negative)
    return {
        "positive": settings.label.positive,
        "negative": settings.label.negative,
        "n": int(inside.sum()),
        "n_positive": int(positive.sum()),
        "n_indeterminate": int((label == INDETERMINATE).sum()),
        "n_controls": int((label == CONTROL).sum()),
        "sites": {
            name: {
                "n": int((inside & (site == name)).sum()),
                "n_positive": int((positive & (site == name)).sum()),
            }
            for name in sorted(set(site[inside]))
        },
    }


def _why_not(question: Mapping[str, Any], labels: pd.DataFrame, settings: FusionSettings) -> str:
    """One sentence on why nothing is fitted, or an empty text."""
    positive, negative = question["n_positive"], question["n"] - question["n_positive"]
    wanted = settings.min_per_class
    if min(positive, negative) >= max(wanted, settings.outer_folds):
        return ""
    told = (
        f"{positive} {question['positive']} and {negative} {question['negative']} among "
        f"{len(labels)} people are too few: {max(wanted, settings.outer_folds)} of each are needed"
    )
    unclear = labels.loc[labels["label"] == INDETERMINATE, "reason"]
    if len(unclear):
        common = unclear.value_counts().index[0]
        told += f" ({len(unclear)} people are indeterminate, most often because {common})"
    return told + "."
