"""Read a run from its output folder alone, finished or not, as the pages need it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import yaml

from commissure.errors import ConfigError, DatasetError
from commissure.files import read_table
from commissure.markers.outcomes import outcomes, quality_table
from commissure.markers.ratings import rating_files
from commissure.markers.status import read_statuses
from commissure.names import participant_label
from commissure.outputs import CONFIG, MARKERS, PARTICIPANTS, QUALITY
from commissure.report.settings import ReportSettings
from commissure.report.subjects.page_tables import PageTables, read_page_tables


@dataclass(frozen=True)
class FinishedOrNot:
    """What an output folder holds of a run.

    Attributes
    ----------
    folder
        The output folder.
    statuses
        Status tables that are whole.
    participants
        ``participants.tsv``; where the run did not come so far, the people of the status tables.
    settings, configuration
        Options of the report, and the configuration as YAML; defaults and empty where the run left
        none.
    study
        Identity of the study.
    ratings
        Files of ratings.
    tables
        The tables of the pages of people.
    """

    folder: Path
    statuses: Sequence[Path]
    participants: pd.DataFrame
    settings: ReportSettings
    configuration: str
    study: str
    ratings: Sequence[Path]
    tables: PageTables


def read_run(folder: Path) -> FinishedOrNot:
    """Read what a run left, however far it came.

    Raises
    ------
    DatasetError
        The folder is none of a run, or a file in it cannot be read.
    """
    statuses = [
        path for path in sorted((folder / "work/status").glob("*/batch-*.tsv")) if _whole(path)
    ]
    configuration = _configuration(folder)
    # A study of tables alone has no images that could have a status.
    if not statuses and not configuration and not (folder / MARKERS.path).is_file():
        raise DatasetError(
            folder.name,
            found="no step of a run has ended here",
            wanted="the output folder of a run, finished or not",
            mend="Name the folder that output_dir names in config.yaml",
        )
    people = sorted({row.participant_id for path in statuses for row in read_statuses(path)})
    participants = PARTICIPANTS.frame({"participant_id": who} for who in people)
    if (folder / PARTICIPANTS.path).is_file():
        participants = read_table(folder / PARTICIPANTS.path, text=PARTICIPANTS.text)
    else:
        participants = participants[["participant_id"]]
    content = yaml.safe_load(configuration) or {}
    tables = read_page_tables(folder)
    if not (folder / QUALITY.path).is_file():
        quality = quality_table(outcomes(statuses, folder)).fillna({"session": "", "limit": ""})
        # What another tool measured is among the tables already.
        if not tables.quality.empty:
            quality = pd.concat([quality, tables.quality], ignore_index=True)
        tables = replace(tables, quality=quality, participants=participants)
    return FinishedOrNot(
        folder=folder,
        statuses=statuses,
        participants=participants,
        settings=ReportSettings(**(content.get("report") or {})),
        configuration=configuration,
        study=_study(folder),
        ratings=rating_files(folder),
        tables=tables,
    )


def chosen_for_pages(run: FinishedOrNot, wanted: Sequence[str] | None) -> list[str]:
    """Who gets a page: those who are asked for, else everybody where they are not too many.

    Parameters
    ----------
    run
        The run.
    wanted
        Identifiers of people, with or without ``sub-``; None for everybody.

    Raises
    ------
    ConfigError
        Somebody who is asked for is nobody of the run.
    """
    people: list[str] = run.participants["participant_id"].tolist()
    if not wanted:
        return people if len(people) <= run.settings.pages_up_to else []
    chosen = [participant_label(who) for who in wanted]
    strangers = sorted(set(chosen) - set(people))
    if strangers:
        raise ConfigError(
            "--person",
            found=f"'{strangers[0]}' is nobody of this run",
            wanted="a person of participants.tsv, as sub-01",
            mend="Correct the name",
        )
    return chosen


def _whole(path: Path) -> bool:
    try:
        read_statuses(path)
    except (OSError, ValueError):
        return False
    return True


def _configuration(folder: Path) -> str:
    path = folder / CONFIG.path
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _study(folder: Path) -> str:
    try:
        return str(json.loads((folder / "work/study.json").read_text(encoding="utf-8"))["study"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""
