"""What the tables of a study say: who carries which label, and everyone's markers side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.markers.selection import kept_rows, read_exclusions
from commissure.modalities import MODALITIES
from commissure.rows import read_markers
from commissure.study.design import (
    build_design,
    check_people,
    check_units,
    refuse_post_outcome,
)
from commissure.study.labels.depression import depression_labels
from commissure.study.labels.trrip import (
    column_labels,
    treatment_labels,
    unchecked_criteria,
)
from commissure.study.labels.vocabulary import CONTROL, INDETERMINATE
from commissure.study.settings import StudySettings
from commissure.study.study import Study, Unfittable

if TYPE_CHECKING:
    import pandas as pd

SettingsT = TypeVar("SettingsT", bound=StudySettings)

#: Site of everyone where the people have no site.
ONE_SITE = "all"
#: Site of a person whose site is not told.
UNKNOWN_SITE = "n/a"


def read_study(
    *,
    markers: Path,
    definitions: Path,
    exclusions: Path,
    participants: Path,
    treatments: Path | None,
    settings: SettingsT,
    treatment_columns: Mapping[str, str] | None = None,
) -> Study[SettingsT] | Unfittable[SettingsT]:
    """Label the people and lay their markers side by side.

    Parameters
    ----------
    markers, definitions, exclusions, participants
        ``markers.tsv``, ``markers.json``, ``exclusions.tsv`` and the people of the study.
    treatments
        The treatment history, or None where there is none.
    settings
        The settings.
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
    people, cautions = _people(participants)
    trials = None
    if treatments is not None and settings.label.source != "column":
        trials = read_table(treatments).rename(
            columns={theirs: ours for ours, theirs in (treatment_columns or {}).items()}
        )
        cautions += unknown_participants(trials, people, treatments.name)
    if settings.label.source == "treatments":
        labels = treatment_labels(trials, people, criteria=settings.trrip)
    elif settings.label.source == "depression":
        labels = depression_labels(trials, people, criteria=settings.depression)
    else:
        labels = column_labels(people, settings.label)
        cautions += _other_words(labels)
    question = _question(people, labels, settings)
    cautions += _uneven_sites(question)
    reason = _why_not(question, labels, settings)
    if reason:
        return Unfittable(settings, labels, question, tuple(cautions), reason)
    everyone = people
    inside = labels["label"].isin([settings.label.positive, settings.label.negative, CONTROL])
    people = people[inside.to_numpy()].reset_index(drop=True)
    rules, every_row = read_exclusions(exclusions), read_markers(markers)
    check_units(every_row)
    cautions += unknown_participants(every_row, everyone, markers.name)
    cautions += _idle_rules(rules, every_row, everyone)
    meanings = _definitions(definitions)
    rows = kept_rows(every_row, rules)
    if len(every_row) and not len(rows):
        cautions.append(f"{exclusions.name} excludes all {len(every_row)} rows of markers.")

    design = build_design(rows, meanings, people, settings=settings)
    by_person = labels.set_index("participant_id")["label"]
    text = by_person.loc[list(design.participants)].to_numpy(str)
    y = np.select([text == settings.label.positive, text == settings.label.negative], [1, 0], -1)
    cautions += design.cautions
    if settings.label.source == "treatments":
        cautions += [
            f"TRRIP also asks for {point}, which was not checked."
            for point in unchecked_criteria(people, settings.trrip)
        ]
    units = {str(k): str(v) for k, v in rows.groupby("marker")["unit"].first().items()}
    return Study(
        settings, design, y, labels, question, tuple(cautions), people, every_row, rules, meanings,
        units,
    )  # fmt: skip


def _people(path: Path) -> tuple[pd.DataFrame, list[str]]:
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
    people = people.assign(site=sites_of(people))
    if (people["site"] == ONE_SITE).all():
        return people, ["The people have no site: all count as one site."]
    unknown = int((people["site"] == UNKNOWN_SITE).sum())
    told = [f"{unknown} people without a site count as a site of their own."] if unknown else []
    if len(set(people["site"]) - {UNKNOWN_SITE}) == 1:
        told.append("There is one site: nothing is known of how the models do at another.")
    return people, told


def sites_of(people: pd.DataFrame, column: str = "site") -> pd.Series:
    """Site of each person in words; :data:`ONE_SITE` for all where there is no such column."""
    import pandas as pd

    if column not in people or people[column].isna().all():
        return pd.Series(ONE_SITE, people.index)
    return people[column].map(lambda value: UNKNOWN_SITE if pd.isna(value) else str(value))


def _question(
    people: pd.DataFrame, labels: pd.DataFrame, settings: StudySettings
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


def _why_not(question: Mapping[str, Any], labels: pd.DataFrame, settings: StudySettings) -> str:
    """One sentence on why nothing is fitted, or an empty text."""
    positive, negative = question["n_positive"], question["n"] - question["n_positive"]
    wanted = max(settings.min_per_class, settings.outer_folds)
    sites = question["sites"]
    if min(positive, negative) >= wanted:
        if any(_has_both(site) for site in sites.values()):
            return ""
        return (
            f"None of the {len(sites)} sites has people of both labels: whatever tells "
            f"{question['positive']} from {question['negative']} may be the site."
        )
    told = (
        f"{positive} {question['positive']} and {negative} {question['negative']} among "
        f"{len(labels)} people are too few: {wanted} of each are needed"
    )
    unclear = labels.loc[labels["label"] == INDETERMINATE, "reason"]
    if len(unclear):
        common = unclear.value_counts().index[0]
        told += f" ({len(unclear)} people are indeterminate, most often because {common})"
    return told + "."


def unknown_participants(table: pd.DataFrame, people: pd.DataFrame, name: str) -> list[str]:
    """Tell of rows about people who are not in the people's table; refuse a table of no others.

    Raises
    ------
    DatasetError
        Nobody is in both tables.
    """
    if "participant_id" not in table or not len(table):
        return []
    strange = ~table["participant_id"].isin(people["participant_id"])
    if not strange.any():
        return []
    first = str(table.loc[strange, "participant_id"].iloc[0])
    if strange.all():
        raise DatasetError(
            name,
            found=f"nobody in it is in the participants table; its first person is '{first}'",
            wanted=f"identifiers as '{people['participant_id'].iloc[0]}'",
            mend=f"Write the identifiers of {name} as those of the participants table",
        )
    count = table.loc[strange, "participant_id"].nunique()
    return [
        f"{name} also tells of {count} people who are not in the participants table: they are not "
        "used."
    ]


def _idle_rules(rules: pd.DataFrame, markers: pd.DataFrame, people: pd.DataFrame) -> list[str]:
    """Exclusions that name a modality or people whom nothing else names (reports show no names)."""
    told = []
    idle = sorted(set(rules["modality"].map(str)) - {"all", *MODALITIES, *markers["modality"]})
    if idle:
        told.append(
            f"exclusions.tsv names the modality {', '.join(idle[:3])}, which no marker has: that "
            "excludes nothing."
        )
    known = {*people["participant_id"], *markers["participant_id"]}
    count = len(set(rules["participant_id"]) - known)
    if count:
        told.append(f"exclusions.tsv names {count} people whom no other table has.")
    return told


def _definitions(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            path.name, found=f"it cannot be read ({error})", wanted="the definitions of the markers"
        ) from None
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        raise DatasetError(
            path.name, found="it is no table of definitions", wanted="an entry for every marker"
        )
    return content


def _other_words(labels: pd.DataFrame) -> list[str]:
    """Values of a label column that are neither of the two labels."""
    own = labels.loc[labels["label"] == INDETERMINATE, "reason"].value_counts()
    if not len(own):
        return []
    words = ", ".join(f"{reason}: {count}" for reason, count in own.head(3).items())
    return [
        f"{int(own.sum())} people carry neither label ({words}{' ...' if len(own) > 3 else ''}): "
        "they are indeterminate and left out."
    ]


def _uneven_sites(question: Mapping[str, Any]) -> list[str]:
    """People who cannot be compared within their site."""
    alone = [site["n"] for site in question["sites"].values() if not _has_both(site)]
    if not alone or len(alone) == len(question["sites"]):
        return []
    return [f"{sum(alone)} of {question['n']} people are at sites with one label only: the AUC "
            "within site says nothing of them."]  # fmt: skip


def _has_both(site: Mapping[str, int]) -> bool:
    return 0 < site["n_positive"] < site["n"]
