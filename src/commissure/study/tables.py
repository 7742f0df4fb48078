"""What the tables of a study say: who carries which label, and everyone's markers side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from commissure.errors import ConfigError, DatasetError
from commissure.files import read_table
from commissure.markers.selection import ALL, kept_rows, read_exclusions
from commissure.markers.units import check_units
from commissure.markers.visits import baseline_rows, visit_table
from commissure.modalities import MODALITIES
from commissure.outputs import CAUTIONS, PARTICIPANTS, VISITS
from commissure.rows import read_markers
from commissure.study.changes import change_of, model_rows, refuse_without_followup, uses_change
from commissure.study.design import FAMILY, build_design
from commissure.study.labels.history import (
    read_trials,
    treated_control_cautions,
    trial_cautions,
)
from commissure.study.labels.registry import RULES
from commissure.study.outcome_dates import refuse_late_visits
from commissure.study.outcomes.kind import OutcomeTables
from commissure.study.outcomes.registry import OUTCOME_KINDS
from commissure.study.predictors import refuse_post_outcome
from commissure.study.settings import StudySettings
from commissure.study.study import Study, Unfittable

SettingsT = TypeVar("SettingsT", bound=StudySettings)

#: Site of everyone where the people have no site.
ONE_SITE = "all"
#: Site of a person whose site is unknown.
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
    cautions_file: Path | None = None,
    visits: Path | None = None,
) -> Study[SettingsT] | Unfittable[SettingsT]:
    """Label the people and lay their markers side by side.

    Parameters
    ----------
    markers, definitions, exclusions, participants
        ``markers.tsv``, ``markers.json``, ``exclusions.tsv`` and ``participants.tsv`` of the run.
    treatments
        The treatment history, or None where there is none.
    settings
        The settings.
    treatment_columns
        The lab's column names of the treatment history by ours, where they differ.
    cautions_file
        ``cautions.tsv`` of the run, if it is to be told.
    visits
        ``visits.tsv`` of the run; without it the names of the sessions must say which is first.

    Raises
    ------
    ConfigError
        A setting names what is not there, or a predictor that follows the outcome.
    DatasetError
        A table cannot be read, contradicts itself, or names a person twice.
    """
    refuse_post_outcome(settings)
    everyone, cautions = _people(participants)
    kind = OUTCOME_KINDS[settings.outcome.kind]
    labels, messages = kind.read(
        OutcomeTables(
            everyone,
            lambda: _labels(everyone, treatments, treatment_columns or {}, settings),
            lambda: _trials(everyone, treatments, treatment_columns or {}),
        ),
        settings,
    )
    cautions += messages
    if cautions_file is not None:
        cautions += list(read_table(cautions_file, text=CAUTIONS.text)["caution"])
    question = kind.question(everyone, labels, settings)
    cautions += kind.cautions(question)
    reason = kind.why_unfittable(question, labels, settings)
    if reason:
        return Unfittable(settings, labels, question, tuple(cautions), reason)
    takes_part = kind.takes_part(labels, settings)
    of_people = labels[takes_part].reset_index(drop=True)
    people = everyone[takes_part].reset_index(drop=True)
    rules, rows = read_exclusions(exclusions), read_markers(markers)
    check_units(rows)
    cautions += unknown_participants(rows, everyone, markers.name)
    table, messages = visit_table(rows) if visits is None else (VISITS.read_file(visits), [])
    cautions += [*messages, *refuse_late_visits(everyone, labels, table, settings)]
    if uses_change(settings):
        refuse_without_followup(table)
    else:
        rows = baseline_rows(rows, table)
    cautions += _idle_rules(rules, rows, everyone)
    kept = kept_rows(rows, rules)
    if len(rows) and not len(kept):
        cautions.append(f"{exclusions.name} excludes all {len(rows)} rows of markers.")
    meanings = read_definitions(definitions)
    covariates = kind.covariates(of_people, settings)
    seen = model_rows(kept, table, meanings, settings)
    design = build_design(seen, meanings, people, settings=settings, covariates=covariates)
    cautions += _family_cautions(people, of_people)
    return Study(
        settings=settings,
        design=design,
        y=kind.values(of_people, settings),
        labels=labels,
        question=question,
        cautions=(*cautions, *design.cautions),
        people=people,
        rows=rows,
        rules=rules,
        definitions=meanings,
        units={str(k): str(v) for k, v in kept.groupby("marker")["unit"].first().items()},
        covariates=covariates,
        visits=table,
        change=change_of(kept, table, people, settings),
    )


def sites_of(people: pd.DataFrame, column: str = "site") -> pd.Series:
    """Site of each person in words; :data:`ONE_SITE` for all where there is no such column."""
    if column not in people or people[column].isna().all():
        return pd.Series(ONE_SITE, people.index)
    return people[column].map(lambda value: UNKNOWN_SITE if pd.isna(value) else str(value))


def refuse_duplicate_people(people: pd.DataFrame) -> None:
    """Refuse a table in which a person stands twice or without a name.

    Raises
    ------
    DatasetError
        The person who stands twice is named.
    """
    nameless = int(people["participant_id"].isna().sum())
    if nameless:
        raise DatasetError(
            "the participants table",
            found=f"{nameless} of {len(people)} rows have no participant_id",
            wanted="an identifier in every row",
            mend="Name these people, or remove the rows",
        )
    twice = people.loc[people["participant_id"].duplicated(), "participant_id"]
    if len(twice):
        raise DatasetError(
            str(twice.iloc[0]),
            found="the participants table has more than one row for this person",
            wanted="one row per person",
            mend="Remove the rows that are too many",
        )


def unknown_participants(table: pd.DataFrame, people: pd.DataFrame, name: str) -> list[str]:
    """A sentence on people who are not in the people's table; refuse a table of no others.

    Raises
    ------
    DatasetError
        Nobody is in both tables.
    """
    if "participant_id" not in table or not len(table):
        return []
    unknown = ~table["participant_id"].isin(people["participant_id"])
    if not unknown.any():
        return []
    first = str(table.loc[unknown, "participant_id"].iloc[0])
    if unknown.all():
        raise DatasetError(
            name,
            found=f"nobody in it is in the participants table; its first person is '{first}'",
            wanted=f"identifiers as '{people['participant_id'].iloc[0]}'",
            mend=f"Write the identifiers of {name} as those of the participants table",
        )
    count = table.loc[unknown, "participant_id"].nunique()
    return [
        f"{name} also tells of {count} people who are not in the participants table: they are not "
        "used."
    ]


def _people(path: Path) -> tuple[pd.DataFrame, list[str]]:
    people = read_table(path, text=PARTICIPANTS.text)
    if "participant_id" not in people:
        raise DatasetError(
            path.name,
            found=f"the columns are {list(people.columns)}",
            wanted="a column participant_id",
            mend=f"Mend {path.name}, or name the column under participants.id in config.yaml",
        )
    refuse_duplicate_people(people)
    people = people.sort_values("participant_id", ignore_index=True)
    people = people.assign(site=sites_of(people))
    if (people["site"] == ONE_SITE).all():
        return people, ["The people have no site: all count as one site."]
    cautions = []
    unknown = int((people["site"] == UNKNOWN_SITE).sum())
    if unknown:
        cautions.append(f"{unknown} people without a site count as a site of their own.")
    if len(set(people["site"]) - {UNKNOWN_SITE}) == 1:
        cautions.append("There is one site: nothing is known of how the models do at another.")
    return people, cautions


def _labels(
    people: pd.DataFrame,
    treatments: Path | None,
    treatment_columns: Mapping[str, str],
    settings: StudySettings,
) -> tuple[pd.DataFrame, list[str]]:
    """Label and reason of everybody by the rule of the settings, and sentences on it."""
    rule = RULES[settings.label.source]
    trials, cautions = _trials(
        people, treatments if rule.uses_treatments else None, treatment_columns
    )
    labels = rule.label(trials, people, settings)
    cautions += treated_control_cautions(labels)
    return labels, [*cautions, *rule.cautions(labels, people, settings)]


def _trials(
    people: pd.DataFrame, treatments: Path | None, treatment_columns: Mapping[str, str]
) -> tuple[pd.DataFrame | None, list[str]]:
    """The treatment history, if there is one, and sentences on it."""
    if treatments is None:
        return None, []
    trials = read_trials(treatments, treatment_columns)
    cautions = unknown_participants(trials, people, treatments.name)
    return trials, [*cautions, *trial_cautions(trials, treatments.name)]


def _family_cautions(people: pd.DataFrame, labels: pd.DataFrame) -> list[str]:
    """Sentences on families whose people differ in label or site, and on words without relatives.

    Parameters
    ----------
    people, labels
        The same people in the same order.
    """
    if FAMILY not in people or people[FAMILY].isna().all():
        return []
    table = people[[FAMILY, "site"]].assign(label=labels["label"].to_numpy()).dropna(subset=FAMILY)
    by_family = table.groupby(FAMILY)
    sizes = by_family.size()
    related = sizes.index[sizes > 1]
    if not len(related):
        return ["participants.family names a family for each person: nobody is related."]
    if len(related) == 1 and sizes.max() == len(people):
        raise ConfigError(
            "participants.family",
            found=f"all {len(people)} people are of the family '{related[0]}'",
            wanted="a word for each family",
            mend="Correct participants.family in config.yaml",
        )
    differ = by_family.nunique().loc[related]
    cautions = [
        f"{int(sizes[related].sum())} people are of {len(related)} families, each of which stays "
        "in one fold."
    ]
    if (differ["label"] > 1).any():
        cautions.append(
            f"{int((differ['label'] > 1).sum())} families have people of several labels: they are "
            "dealt by the label of the first."
        )
    if (differ["site"] > 1).any():
        cautions.append(
            f"{int((differ['site'] > 1).sum())} families have people at several sites: where a "
            "site is left out, its people's relatives train nothing."
        )
    return cautions


def _idle_rules(rules: pd.DataFrame, markers: pd.DataFrame, people: pd.DataFrame) -> list[str]:
    """Exclusions that name a modality or people whom nothing else names (reports show no names)."""
    cautions = []
    named = set(rules["modality"].dropna().map(str)) - {""}
    idle = sorted(named - {ALL, *MODALITIES, *markers["modality"]})
    if idle:
        cautions.append(
            f"exclusions.tsv names the modality {', '.join(idle[:3])}, which no marker has: that "
            "excludes nothing."
        )
    known = {*people["participant_id"], *markers["participant_id"]}
    count = len(set(rules["participant_id"]) - known)
    if count:
        cautions.append(f"exclusions.tsv names {count} people whom no other table has.")
    return cautions


def read_definitions(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Content of ``markers.json``.

    Raises
    ------
    DatasetError
        It cannot be read, or is no table of definitions.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            path.name, found=f"it cannot be read ({error})", wanted="the definitions of the markers"
        ) from None
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise DatasetError(
            path.name, found="it is no table of definitions", wanted="an entry for every marker"
        )
    return content
