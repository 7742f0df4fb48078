"""From the tables of a run to the question: who is compared, by what, and what they must not be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import ConfigError
from commissure.files import read_table
from commissure.markers.selection import kept_rows, read_exclusions
from commissure.markers.units import check_units
from commissure.markers.visits import baseline_rows
from commissure.outputs import PARTICIPANTS, VISITS
from commissure.rows import read_markers
from commissure.study.confound_columns import MOTION, is_motion
from commissure.study.design import CONFOUNDS, SITE, Design, build_design, head_size_column
from commissure.study.labels.vocabulary import is_control
from commissure.study.outcome_words import outcome_word
from commissure.study.outcomes.continuous import number_column
from commissure.study.predictors import coded_columns
from commissure.study.settings import StudySettings
from commissure.study.tables import read_definitions, sites_of
from commissure.subtypes.confounds import Confound
from commissure.subtypes.search import Question
from commissure.subtypes.settings import SubtypesSettings
from commissure.subtypes.unseen_variables import external_variables

#: Share of the markers and of the items without which a person is not compared.
MEASURED = 0.8
#: Share of the people with the markers of another, from which nothing is looked for.
TWINS = 0.02
HEAD_SIZE = "head_size"


@dataclass(frozen=True)
class Candidates:
    """Who could be compared, and the question where it can be asked.

    Attributes
    ----------
    participants
        Identifiers of everybody among whom groups are looked for.
    compared
        Who of them is compared, shape (people,).
    question
        None where it cannot be asked.
    reason
        Why it cannot, in a sentence.
    cautions
        Sentences for the reader.
    units
        Unit of each marker by name.
    design
        The matrix.
    items
        Names of the symptom items.
    """

    participants: np.ndarray
    compared: np.ndarray
    question: Question | None
    reason: str
    cautions: Sequence[str]
    units: Mapping[str, str]
    design: Design | None = None
    items: Sequence[str] = ()


def read_candidates(
    *,
    markers: Path,
    definitions: Path,
    exclusions: Path,
    visits: Path,
    participants: Path,
    labels: Path,
    study: StudySettings,
    settings: SubtypesSettings,
) -> Candidates:
    """Read who is compared, and what is known of them.

    Parameters
    ----------
    markers, definitions, exclusions, visits, participants
        The tables of the run.
    labels
        ``fusion/labels.tsv``: the outcome, which no cluster sees.
    study
        The settings of the classifier's question.
    settings
        The settings.

    Raises
    ------
    ConfigError
        A setting names what is not there, or an item that follows the outcome.
    DatasetError
        A table cannot be read or contradicts itself.
    """
    everyone = read_table(participants, text=PARTICIPANTS.text)
    everyone = everyone.sort_values("participant_id", ignore_index=True)
    everyone = everyone.assign(site=sites_of(everyone))
    people = _asked(everyone, settings)
    rows = kept_rows(read_markers(markers), read_exclusions(exclusions))
    rows = baseline_rows(rows, VISITS.read_file(visits))
    check_units(rows)
    units = {str(k): str(v) for k, v in rows.groupby("marker")["unit"].first().items()}
    if len(people) < settings.min_people:
        return _none(people, units, f"{len(people)} people are too few, {settings.min_people} are "
                     "needed (subtypes.min_people)")  # fmt: skip
    plain = study.model_copy(
        update={"head_size": "none", "combat": "none", "combat_covariates": [],
                "remove_confounds": [], "visit_markers": ["baseline"]}
    )  # fmt: skip
    design = build_design(rows, read_definitions(definitions), people, settings=plain)
    blocks = _blocks(design, settings)
    items, names, cautions = _items(people, study, settings)
    compared = _measured(design, blocks, items)
    count = int(compared.sum())
    cautions = [*design.cautions, *cautions]
    if count < len(people):
        cautions.append(
            f"{len(people) - count} of {len(people)} people lack a modality, or more than a fifth "
            "of its markers or of the items: they are not compared."
        )
    if count < settings.min_people:
        return _none(
            people, units, f"{count} people with all modalities and items are too few, "
            f"{settings.min_people} are needed (subtypes.min_people)", cautions,
        )  # fmt: skip
    twins = _twins(design.values[compared], blocks)
    if twins > TWINS * count:
        return _none(
            people, units, f"{twins} of {count} people have exactly the markers of another: people "
            "who stand twice make clusters of their own", cautions,
        )  # fmt: skip
    kept = people[compared].reset_index(drop=True)
    question = _question(design, kept, compared, blocks, items, labels, study, settings)
    return Candidates(
        design.participants, compared, question, "", tuple(cautions), units, design, names
    )


def _asked(everyone: pd.DataFrame, settings: SubtypesSettings) -> pd.DataFrame:
    """The people among whom groups are looked for."""
    group = everyone["group"] if "group" in everyone else pd.Series("", index=everyone.index)
    if not settings.groups:
        return everyone[~group.map(is_control).to_numpy(bool)].reset_index(drop=True)
    known = sorted({str(value) for value in group if isinstance(value, str) and value})
    strange = [name for name in settings.groups if name not in known]
    if strange:
        raise ConfigError(
            "subtypes.groups",
            found=f"nobody is of the group '{strange[0]}'",
            wanted=f"some of {known}",
            mend="Correct subtypes.groups in config.yaml",
        )
    return everyone[group.isin(settings.groups).to_numpy(bool)].reset_index(drop=True)


def _none(
    people: pd.DataFrame, units: Mapping[str, str], reason: str, cautions: Sequence[str] = ()
) -> Candidates:
    names = people["participant_id"].to_numpy(str)
    return Candidates(names, np.zeros(len(names), bool), None, reason, tuple(cautions), units)


def _blocks(design: Design, settings: SubtypesSettings) -> tuple[Any, ...]:
    """The modalities that count, each with the columns that are taken out of it."""
    strange = [name for name in settings.modalities if name not in design.modalities]
    if strange or not design.modalities:
        raise ConfigError(
            "subtypes.modalities",
            found=f"no marker is of '{strange[0]}'" if strange else "the people have no marker",
            wanted=f"some of {list(design.modalities)}",
            mend="Correct subtypes.modalities in config.yaml",
        )
    removed = _removed(design, settings)
    return tuple(
        replace(design.blocks[name], removed=removed, family=None)
        for name in settings.modalities or design.modalities
    )


def _removed(design: Design, settings: SubtypesSettings) -> tuple[int, ...]:
    """Numbers of the columns that are taken out of every marker."""
    confounds = design.blocks[CONFOUNDS].columns if CONFOUNDS in design.blocks else ()
    default = SubtypesSettings().remove
    numbers: list[int] = []
    for name in settings.remove:
        if name == HEAD_SIZE:
            head = head_size_column(design.columns)
            numbers += [] if head is None else [head]
        elif name == SITE:
            numbers += design.blocks[SITE].columns if len(set(design.sites)) > 1 else ()
        elif name == MOTION:
            numbers += motion_columns(design)
        else:
            same = [n for n in confounds if design.columns[n].marker.split("=")[0] == name]
            if not same and name not in default:
                known = sorted({design.columns[n].marker.split("=")[0] for n in confounds})
                raise ConfigError(
                    "subtypes.remove",
                    found=f"'{name}' is no confound of this study",
                    wanted=f"some of {[HEAD_SIZE, SITE, MOTION, *known]}",
                    mend="Correct subtypes.remove in config.yaml, or add it to fusion.confounds",
                )
            numbers += same
    return tuple(dict.fromkeys(numbers))


def motion_columns(design: Design) -> list[int]:
    """Numbers of the confounds that are motion."""
    if CONFOUNDS not in design.blocks:
        return []
    return [n for n in design.blocks[CONFOUNDS].columns if is_motion(design.columns[n])]


def _items(
    people: pd.DataFrame, study: StudySettings, settings: SubtypesSettings
) -> tuple[np.ndarray | None, list[str], list[str]]:
    """Symptoms of the people with gaps, their names, and sentences on them."""
    if not settings.items:
        return None, [], []
    names: list[str] = []
    for pattern in settings.items:
        same = [str(name) for name in people if fnmatchcase(str(name), pattern)]
        if not same:
            raise ConfigError(
                "subtypes.items",
                found=f"no column of the people is '{pattern}'",
                wanted=f"some of {[c for c in people.columns if c != 'participant_id']}",
                mend="Correct subtypes.items in config.yaml",
            )
        names += [name for name in same if name not in names]
    for name in names:
        word = outcome_word(name)
        if word and name not in study.allow_post_outcome:
            raise ConfigError(
                "subtypes.items",
                found=f"'{name}' follows the baseline (its name has '{word}')",
                wanted="symptoms at the visit whose markers count",
                mend="Remove it from subtypes.items, or name it under fusion.allow_post_outcome to "
                "use it all the same",
            )
    values = {name: number_column(people, name, "subtypes.items") for name in names}
    constant = [n for n, column in values.items() if len(set(column[np.isfinite(column)])) < 2]
    names = [name for name in names if name not in constant]
    if not names:
        raise ConfigError(
            "subtypes.items",
            found=f"all {len(constant)} items are the same in everybody",
            wanted="items in which people differ",
            mend="Correct subtypes.items in config.yaml",
        )
    cautions = []
    if constant:
        cautions.append(
            f"The same in everybody, and left out of the items: {', '.join(constant[:5])}"
            f"{' and more' if len(constant) > 5 else ''}."
        )
    return np.column_stack([values[name] for name in names]), names, cautions


def _measured(design: Design, blocks: Sequence[Any], items: np.ndarray | None) -> np.ndarray:
    """Who has enough of every block and of the items."""
    enough = np.ones(len(design.values), bool)
    for block in blocks:
        enough &= np.isfinite(design.values[:, list(block.columns)]).mean(axis=1) >= MEASURED
    if items is not None:
        enough &= np.isfinite(items).mean(axis=1) >= MEASURED
    return enough


def _twins(values: np.ndarray, blocks: Sequence[Any]) -> int:
    """How many people have exactly the markers of another."""
    columns = [number for block in blocks for number in block.columns]
    distinct = np.unique(np.nan_to_num(values[:, columns], nan=np.inf), axis=0)
    return len(values) - len(distinct)


def _question(
    design: Design,
    people: pd.DataFrame,
    compared: np.ndarray,
    blocks: tuple[Any, ...],
    items: np.ndarray | None,
    labels: Path,
    study: StudySettings,
    settings: SubtypesSettings,
) -> Question:
    sites, values = design.sites[compared], design.values[compared]
    discovery = _discovery(sites, settings)
    filled = None
    if items is not None:
        filled = items[compared]
        middle = np.nanmedian(filled[discovery], axis=0)
        filled = np.where(np.isfinite(filled), filled, np.where(np.isfinite(middle), middle, 0.0))
    confounds, unchecked = _confounds(design, values, sites, blocks)
    coded, _ = coded_columns(people, settings, "external_covariates", section="subtypes")
    columns = [
        *(design.blocks[CONFOUNDS].columns if CONFOUNDS in design.blocks else ()),
        *(design.blocks[SITE].columns if len(set(sites)) > 1 else ()),
    ]
    covariates = np.hstack([values[:, columns], coded.to_numpy(float)])
    known = np.isfinite(covariates)
    means = np.where(known, covariates, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return Question(
        values=values,
        blocks=blocks,
        discovery=discovery,
        sites=sites,
        items=filled,
        confounds=confounds,
        unchecked=unchecked,
        external=external_variables(people, labels, study, settings),
        covariates=np.where(known, covariates, means),
    )


def _discovery(sites: np.ndarray, settings: SubtypesSettings) -> np.ndarray:
    """Who is in the discovery part."""
    if settings.validation_sites:
        strange = [name for name in settings.validation_sites if name not in sites]
        held = np.isin(sites, settings.validation_sites)
        if strange or held.all():
            raise ConfigError(
                "subtypes.validation_sites",
                found=f"nobody is at '{strange[0]}'" if strange else "they are all the sites",
                wanted=f"some of {sorted(set(sites))}, and not all",
                mend="Correct subtypes.validation_sites in config.yaml",
            )
        return ~held
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 20]))
    part = np.zeros(len(sites), bool)
    for site in np.unique(sites):
        rows = rng.permutation(np.flatnonzero(sites == site))
        part[rows[: (len(rows) + int(rng.integers(2))) // 2]] = True
    return part


def _confounds(
    design: Design, values: np.ndarray, sites: np.ndarray, blocks: Sequence[Any]
) -> tuple[list[Confound], list[str]]:
    """What clusters must not follow, and what of it is not known."""
    confounds: list[Confound] = []
    unchecked = []
    modalities = {block.name for block in blocks}
    head = head_size_column(design.columns)
    if head is not None and np.isfinite(values[:, head]).any():
        confounds.append(Confound("head size", values[:, head]))
    elif modalities & {"anat", "table"}:
        unchecked.append("head size")
    if len(set(sites)) > 1:
        confounds.append(Confound("site", sites))
    motion = [n for n in motion_columns(design) if np.isfinite(values[:, n]).any()]
    confounds += [
        Confound(f"motion ({design.columns[n].modality} {design.columns[n].marker})", values[:, n])
        for n in motion
    ]
    if not motion and modalities & {"func", "dwi"}:
        unchecked.append("motion")
    of_people = [
        n
        for n in (design.blocks[CONFOUNDS].columns if CONFOUNDS in design.blocks else ())
        if design.columns[n].modality == CONFOUNDS
    ]
    confounds += [
        Confound(design.columns[n].marker.split("=")[0], values[:, n], mandatory=False)
        for n in of_people
    ]
    return confounds, unchecked
