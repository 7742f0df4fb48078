"""The tables of a study, read strictly before anything is computed.

What the jobs would refuse hours later is refused here, by the same functions.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from pathlib import Path

from commissure.errors import ConfigError
from commissure.flow.settings import Settings
from commissure.fusion.settings import FusionSettings
from commissure.markers.lab_check import check_table
from commissure.markers.registry import definitions
from commissure.markers.visit_choice import Visit, choose_visits, refuse_unknown_sessions
from commissure.modalities import MODALITIES
from commissure.names import participant_label
from commissure.study.people_check import STANDARD, CheckedPeople, check_people
from commissure.tables.delimited import read_cells
from commissure.tables.identifiers import compare_people, read_identifiers


def check_tables(
    settings: Settings,
    imaged: Collection[str],
    visits: Iterable[Visit] = (),
    session_tables: Iterable[Path] = (),
) -> list[str]:
    """Read every table that the configuration names, and compare who stands in them.

    Parameters
    ----------
    settings
        The settings of the study.
    imaged
        People who have images, with prefix.
    visits
        Person and session of the images.
    session_tables
        ``sessions.tsv`` and ``scans.tsv`` of the dataset, where they are needed.

    Returns
    -------
    list of str
        Sentences for the terminal; they may name a person.

    Raises
    ------
    ConfigError, DatasetError
        A table is refused, nobody of it is in the study, the settings name nobody, or nothing says
        which session is the first.
    """
    file = settings.participants_file()
    people = check_people(file, settings=settings.participants)
    cautions = list(people.cautions)
    _check_columns(settings.fusion, people)
    definitions(settings.tables, settings.ingress)
    tables = [check_table(table) for table in settings.tables]
    measured = {*imaged, *(who for table in tables for who in table.people)}
    for named, table in zip(settings.tables, tables, strict=True):
        cautions += table.cautions
        cautions += compare_people(
            table.people, {*imaged, *people.people}, file=Path(named.file).name
        )
    if file is not None:
        cautions += compare_people(people.people, measured, file=file.name)
        cautions += _without_row(measured, people.people, file.name)
    of_tables = [pair for t in tables for pair in zip(t.people, t.sessions, strict=True)]
    refuse_unknown_sessions(every := [*visits, *of_tables], settings.sessions)
    choose_visits(every, settings.sessions, session_tables)
    everybody = measured.union(people.people)
    for reference in settings.normative.reference:
        check_table(reference)
    cautions += _looks_ahead(settings, every)
    cautions += _check_treatments(settings, everybody)
    _check_exclusions(settings, everybody)
    return cautions


def _looks_ahead(settings: Settings, visits: Collection[Visit]) -> list[str]:
    """Whether models that see the baseline would see something of later visits with it."""
    several = len(set(visits)) > len({person for person, _ in visits})
    sees_baseline = "baseline" in settings.fusion.visit_markers
    if not (settings.anat.longitudinal and several and sees_baseline):
        return []
    return [
        "anat.longitudinal: the volumes of a visit use the person's later visits too, and "
        "fusion.visit_markers has the baseline: a model of it is told something of the future. Set "
        "anat.longitudinal: false, or fusion.visit_markers: [change]."
    ]


def _without_row(measured: Collection[str], listed: Collection[str], file: str) -> list[str]:
    missing = sorted(set(measured) - set(listed))
    if not missing:
        return []
    return [f"{file} has no row for {len(missing)} of {len(measured)} people, as '{missing[0]}'."]


def _check_columns(fusion: FusionSettings, people: CheckedPeople) -> None:
    """Refuse a column of the people that the models are to read and that is not there."""
    known = [*STANDARD, *people.columns]
    asked = {
        f"fusion.{key}": getattr(fusion, key)
        for key in ("clinical", "confounds")
        if getattr(fusion, key) != getattr(FusionSettings(), key)
    }
    if fusion.label.source == "column" and fusion.label.column is not None:
        asked["fusion.label.column"] = [fusion.label.column]
    for key, names in asked.items():
        for name in names:
            if name in known:
                continue
            near = difflib.get_close_matches(name, known, n=1)
            looks = " that is used: it looks personal" if name in people.personal else ""
            raise ConfigError(
                key,
                found=f"the people have no column '{name}'{looks}",
                wanted=f"one of {known}",
                mend=(f"Did you mean '{near[0]}'? " if near else "")
                + f"Change {key} in config.yaml",
            )


def _check_treatments(settings: Settings, everybody: Collection[str]) -> list[str]:
    """Read the header and the identifiers of the treatment history, if a label follows from it."""
    file = settings.treatments_file()
    if file is None or settings.fusion.label.source == "column":
        return []
    table = read_cells(file)
    column = settings.treatments.columns.get("participant_id", "participant_id")
    if column not in table.header:
        raise ConfigError(
            "treatments.columns",
            found=f"{file.name} has no column '{column}'",
            wanted=f"one of {list(table.header)}",
            mend="Name the column under treatments.columns.participant_id in config.yaml",
        )
    if not table.rows:
        return [f"{file.name} has no trial: no label follows from it."]
    return compare_people(read_identifiers(table, column), everybody, file=file.name)


def _check_exclusions(settings: Settings, everybody: Collection[str]) -> None:
    """Refuse an exclusion of nobody, or of a modality that there is not."""
    known = {*MODALITIES, *(table.modality for table in settings.tables)}
    tidy = any(table.layout == "tidy" for table in settings.tables)
    for item in settings.markers.exclude:
        who, _, modality = item.partition("/")
        if participant_label(who) not in everybody:
            raise ConfigError(
                "markers.exclude",
                found=f"'{item}' is nobody of this study",
                wanted="participants as sub-01 or sub-01/func",
                mend="Correct markers.exclude in config.yaml",
            )
        if modality and modality not in known and not tidy:
            raise ConfigError(
                "markers.exclude",
                found=f"'{item}' names no modality of this study",
                wanted=f"one of {sorted(known)} after the participant",
                mend="Correct markers.exclude in config.yaml",
            )
