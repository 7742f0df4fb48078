"""A copy of the report and the pages of people that may leave the lab."""

from __future__ import annotations

import csv
import getpass
import io
import socket
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from commissure.errors import DatasetError
from commissure.files import write_table, write_text
from commissure.outputs import MRSINMRS_CSV, REPORTING
from commissure.paths import without_paths
from commissure.report.cohort import cohort
from commissure.report.from_folder import FinishedOrNot
from commissure.report.page import contents, render
from commissure.report.pseudonyms import Pseudonyms, whole_words, without_drawn_names
from commissure.report.results import QualityRecord, Results, read_results
from commissure.report.section import ReportInput
from commissure.report.subjects.page import FOLDER, write_pages
from commissure.report.subjects.page_tables import PageTables

#: Columns of the people that the copy compares beside numbers.
_KEPT = ("participant_id", "age", "sex", "site", "group", "listed")

#: Where the names of the copy stand beside those of the study: in the study, never in the copy.
KEY = "work/pseudonyms.tsv"

#: Words of fewer letters say nothing about a machine or its user.
_TELLING = 5


def write_pseudonymised(run: FinishedOrNot, copy: Path) -> Pseudonyms:
    """Write a copy of a run's report, pages of people, text of methods and checklists.

    People, visits and sites have other names. Days, paths, commands, the configuration, comments
    of raters, names of raters, and the lab's own columns of words about people are left out.

    Parameters
    ----------
    run
        The run.
    copy
        Folder to write, empty or new.

    Returns
    -------
    Pseudonyms
        Also written to :data:`KEY` in the folder of the run.

    Raises
    ------
    DatasetError
        The folder of the copy holds something, or lies in the one of the run; or a name was left,
        in which case nothing of the copy stays.
    """
    _check_place(run.folder, copy)
    results = read_results(run.folder, run.statuses, ratings=run.ratings, study=run.study)
    people = {*run.participants["participant_id"].astype(str), *_people(results), *results.left}
    sessions = {str(s) for t in results.tables.values() if "session" in t for s in t["session"]}
    sessions |= {record.session for record in results.quality}
    site = run.participants.get("site", pd.Series(dtype=str))
    names = Pseudonyms.of(people, sessions, {str(value) for value in site.dropna()})
    settings = run.settings.model_copy(update={"title": names.named(run.settings.title)})
    participants = _participants(run.participants, names)
    shown = _results(results, names)
    content = contents(
        ReportInput(
            shown,
            cohort(
                participants,
                shown.tables["fusion/labels.tsv"],
                question=shown.metrics.get("question") or {},
            ),
            settings,
        )
    )
    pages = {"report.html": _page(render({**content, "written": ""}), names)}
    order = sorted(_people(results), key=lambda who: names.people[who])
    for page in write_pages(
        order, run.folder, statuses=run.statuses, tables=_tables(run, names), settings=settings,
        study="", folder=copy / FOLDER, everybody=order, rated=False,
    ):  # fmt: skip
        if page.suffix == ".html":
            pages[f"{FOLDER}/{names.people[page.stem]}.html"] = _page(
                page.read_text(encoding="utf-8"), names
            )
            page.unlink()
    pages |= _reporting(run.folder, names)
    _refuse_names(pages, run.folder, people, copy)
    for name, page_text in pages.items():
        write_text(page_text, copy / name)
    key = pd.DataFrame(sorted(names.people.items()), columns=["participant_id", "pseudonym"])
    write_table(key, run.folder / KEY)
    return names


def _check_place(folder: Path, copy: Path) -> None:
    inside = folder.resolve() in (copy.resolve(), *copy.resolve().parents)
    if inside or (copy.exists() and (not copy.is_dir() or any(copy.iterdir()))):
        raise DatasetError(
            copy.name,
            found="it lies in the output folder" if inside else "there is something in it",
            wanted="a new or empty folder elsewhere",
            mend="Name another folder for the copy",
        )


def _people(results: Results) -> set[str]:
    quality = {r.participant_id for r in (*results.quality, *results.tool_quality)}
    return quality | set(results.tables["completeness.tsv"]["participant_id"]) | set(results.pages)


def _participants(table: pd.DataFrame, names: Pseudonyms) -> pd.DataFrame:
    """The people by their other names, with columns of numbers and those that are harmless."""
    kept = [name for name in table if name in _KEPT or table[name].dtype.kind in "iufb"]
    return _renamed(table[kept], names)


def _renamed(table: pd.DataFrame, names: Pseudonyms) -> pd.DataFrame:
    table = table.copy()
    for name in table.columns:
        if table[name].dtype.kind not in "iufb":
            table[name] = table[name].map(names.replaced)
    return table


def _results(results: Results, names: Pseudonyms) -> Results:
    """Results that name nobody: tables and records by the other names, without free words."""
    records = {
        name: names.replaced(value)
        for name, value in vars(results).items()
        if isinstance(value, dict) and name not in ("tables", "definitions", "provenance")
    }
    return replace(
        results,
        **records,
        markers=_renamed(results.markers, names),
        tables={name: _without_commands(_renamed(t, names)) for name, t in results.tables.items()},
        quality=[_record(record, names) for record in results.quality],
        tool_quality=[_record(record, names) for record in results.tool_quality],
        provenance={
            key: results.provenance[key]
            for key in ("version", "commit", "python", "versions")
            if key in results.provenance
        },
        left=[names.people[who] for who in results.left if who in names.people],
        pages={names.people[who] for who in results.pages},
        ratings=_ratings(results, names),
        figures=[],
    )


def _without_commands(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(command="") if "command" in table else table


def _record(record: QualityRecord, names: Pseudonyms) -> QualityRecord:
    return replace(
        record,
        participant_id=names.people[record.participant_id],
        session=names.sessions.get(record.session, record.session),
        scan=names.named(record.scan),
        notes=[names.named(note) for note in record.notes],
    )


def _ratings(results: Results, names: Pseudonyms) -> list:
    raters = sorted({rating.rater for rating in results.ratings})
    number = {rater: f"rater {at}" for at, rater in enumerate(raters, 1)}
    return [
        replace(
            rating, participant_id=names.people[rating.participant_id],
            session=names.sessions.get(rating.session, rating.session),
            rater=number[rating.rater], comment="",
        )
        for rating in results.ratings
        if rating.participant_id in names.people
    ]  # fmt: skip


def _tables(run: FinishedOrNot, names: Pseudonyms) -> PageTables:
    """Tables of the pages: people keep their names here, which the finished page loses."""
    table = run.tables.participants
    sites = table["site"].map(names.replaced) if "site" in table else ""
    return replace(run.tables, participants=table.assign(site=sites))


def _page(document: str, names: Pseudonyms) -> str:
    return names.page(without_drawn_names(document, names.people))


def _reporting(folder: Path, names: Pseudonyms) -> dict[str, str]:
    """The text of methods and the checklists; spectra are listed in an order that says nothing."""
    written = {}
    for output in REPORTING:
        path = folder / output.path
        if not path.is_file():
            continue
        document = names.plain(without_paths(path.read_text(encoding="utf-8")))
        if output is MRSINMRS_CSV:
            head, *rows = csv.reader(io.StringIO(document))
            lines = io.StringIO()
            csv.writer(lines, lineterminator="\n").writerows([head, *sorted(rows)])
            document = lines.getvalue()
        written[output.path] = document
    return written


def _refuse_names(pages: dict[str, str], folder: Path, people: Iterable[str], copy: Path) -> None:
    """Look for what must not be there; a name that is found stops the copy."""
    told = set(people)
    told |= {word for word in (socket.gethostname(), _user()) if len(word) >= _TELLING}
    told |= {str(path) for path in (folder.resolve(), Path.home()) if len(path.parts) > 2}
    pattern = whole_words(sorted(told, key=len, reverse=True))
    for name, page in pages.items():
        if left := pattern.search(page):
            for path in sorted(copy.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            raise DatasetError(
                name,
                found=f"'{left[0]}' would stand in it",
                wanted="a page that names nobody and no machine",
                mend="Report this with the words around it; nothing was written",
            )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
