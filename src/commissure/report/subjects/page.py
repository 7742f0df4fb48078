"""Write the page of a person: figures, quality in the cohort, decisions, slices, rating."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from commissure.files import atomic, write_text
from commissure.images.resources import resource
from commissure.markers.ratings import CHOICES, RATING_COLUMNS
from commissure.markers.status import Status, read_statuses
from commissure.report import text
from commissure.report.figure_files import data_address, figure_caption
from commissure.report.quality_words import check_label
from commissure.report.results import modality_order, place, read_quality
from commissure.report.settings import ReportSettings
from commissure.report.standing import (
    STANDS_OUT,
    Distributions,
    distributions,
    place_in_words,
    strip,
)
from commissure.report.subjects.deviations import deviations_of
from commissure.report.subjects.page_tables import PageTables
from commissure.report.subjects.subject_files import listed_files, viewer_sources
from commissure.report.subjects.viewer_images import viewer_images
from commissure.report.templating import template_environment

#: Folder of the pages below the output folder.
FOLDER = "pages"

#: The viewer that the pages share, beside them.
VIEWER = "niivue-0.69.0.umd.js"


def write_pages(
    people: Iterable[str],
    output_dir: Path,
    *,
    statuses: Iterable[Path | str],
    tables: PageTables,
    settings: ReportSettings,
    study: str,
    code: str = "",
    folder: Path | None = None,
    everybody: Sequence[str] | None = None,
    known: Distributions | None = None,
    rated: bool = True,
) -> list[Path]:
    """Write the pages of some people, and the viewer beside them.

    Parameters
    ----------
    people
        Whose pages are written.
    output_dir
        The run's output folder.
    statuses
        Status tables of the people, or of all batches.
    tables
        The tables of the run, or the rows of the people.
    settings
        Options of the report.
    study
        Identity of the study, which ratings carry.
    code
        Digest of the code, so that images for the viewer are made again when it changes.
    folder
        Where the pages go; ``pages/`` of the output folder by default.
    everybody
        Who stands before and after whom; by default the people of the status tables by name.
    known
        Distributions of the quality values in the cohort; by default those of the tables.
    rated
        Whether the pages ask for ratings.

    Returns
    -------
    list of Path
        What was written.
    """
    rows_of: dict[str, list[Status]] = {}
    for table in statuses:
        for row in read_statuses(table):
            rows_of.setdefault(row.participant_id, []).append(row)
    everybody = sorted(rows_of) if everybody is None else everybody
    folder = output_dir / FOLDER if folder is None else folder
    known = distributions(tables.quality) if known is None else known
    template = template_environment().get_template("subject.html")
    written = [_write_viewer(folder)]
    for who in sorted(set(people) & set(everybody) & set(rows_of)):
        content = subject_content(
            who, rows_of[who], output_dir, everybody=everybody, known=known, tables=tables,
            settings=settings, study=study, code=code,
        )  # fmt: skip
        if not rated:
            content["rating_data"] = ""
        page = folder / f"{who}.html"
        write_text(template.render(content), page)
        written.append(page)
    return written


def subject_content(
    who: str,
    rows: Sequence[Status],
    output_dir: Path,
    *,
    everybody: Sequence[str],
    known: Distributions,
    tables: PageTables,
    settings: ReportSettings,
    study: str,
    code: str = "",
) -> dict[str, Any]:
    """Everything that the page of a person shows."""
    number = everybody.index(who)
    site = tables.participants.loc[tables.participants["participant_id"] == who]
    items = _rated(rows)
    figures, too_large = _figures(rows, output_dir, settings.page_mb * 1e6)
    sources = viewer_sources(rows, output_dir) if settings.viewer else []
    images = viewer_images(sources, store=output_dir / "work/viewer" / f"{who}.json", code=code)
    return {
        "title": settings.title,
        "who": who,
        "number": number + 1,
        "people": len(everybody),
        "previous": everybody[number - 1] if number else "",
        "next": everybody[number + 1] if number + 1 < len(everybody) else "",
        "site": "" if site.empty or "site" not in site else _word(site["site"].iloc[0]),
        "modalities": [text.modality(name) for name in modality_order({r.modality for r in rows})],
        "decisions": _decisions(who, rows, output_dir, tables),
        "quality": _quality(who, tables.quality, known),
        "stands_out": STANDS_OUT,
        "deviations": deviations_of(who, tables.deviations, tables.charts, tables.normative),
        "figures": figures,
        "too_large": too_large,
        "items": items,
        "choices": CHOICES,
        "images": [{"key": image.key, "title": image.title} for image in images],
        "viewer": VIEWER,
        "image_data": _inert({i.key: {"image": i.image, "labels": i.labels} for i in images}),
        "rating_data": _inert(
            {
                "study": study, "who": who, "items": items, "columns": RATING_COLUMNS,
                "people": len(everybody),
                "previous": everybody[number - 1] if number else "",
                "next": everybody[number + 1] if number + 1 < len(everybody) else "",
            }
        ),
    }  # fmt: skip


def _write_viewer(folder: Path) -> Path:
    """Put the viewer beside the pages: once, not in each of them (2.3 MB)."""
    path = folder / VIEWER
    content = resource("niivue", "niivue-0.69.0.umd.js").read_bytes()
    if not path.is_file() or path.read_bytes() != content:
        with atomic(path) as draft:
            draft.write_bytes(content)
    return path


def _inert(content: Mapping[str, Any]) -> str:
    """JSON that cannot end the element in which it stands."""
    return json.dumps(content).replace("<", "\\u003c").replace("&", "\\u0026")


def _word(value: Any) -> str:
    return "" if value is None or value != value else str(value)


def _rated(rows: Sequence[Status]) -> list[dict[str, str]]:
    """What of a person can be rated: each modality of each visit that has an image."""
    images = {(r.session, r.modality) for r in rows if r.state not in ("unused", "refused")}
    order = modality_order({modality for _, modality in images})
    return [
        {
            "session": session,
            "modality": modality,
            "title": text.capital(text.modality(modality)) + (f", {session}" if session else ""),
        }
        for session in sorted({session for session, _ in images})
        for modality in order
        if (session, modality) in images
    ]


def _decisions(
    who: str, rows: Sequence[Status], output_dir: Path, tables: PageTables
) -> dict[str, Any]:
    """What was decided of the person's scans, and why; what is missing, and what steps noted."""
    excluded = tables.exclusions[tables.exclusions["participant_id"] == who]
    lost = tables.completeness[
        (tables.completeness["participant_id"] == who) & (tables.completeness["state"] != "present")
    ]
    records = [
        read_quality(path, output_dir) for path in listed_files(rows, output_dir, "*_qc.json")
    ]
    notes: dict[str, list[str]] = {}
    for record in records:
        for note in record.notes:
            said = notes.setdefault(text.modality(record.modality), [])
            if (sentence := text.sentence(text.without_paths(note))) not in said:
                said.append(sentence)
    return {
        "exclusions": [_exclusion(row) for row in excluded.to_dict("records")],
        "lost": [
            {
                "what": " ".join(
                    filter(None, (text.modality(row["modality"]), row["session"], row["product"]))
                ),
                "state": row["state"],
                "cause": text.sentence(text.without_paths(row["cause"])),
            }
            for row in lost.to_dict("records")
        ],
        "notes": notes,
    }


def _exclusion(row: Mapping[Hashable, Any]) -> dict[str, str]:
    return {
        "what": text.modality(row["modality"])
        if row["modality"] not in ("", "all")
        else "everything",
        "session": row["session"],
        "rule": row["rule"],
        "limit": row["limit"] or text.ABSENT,
        "value": row["value"] if isinstance(row["value"], str) else text.number(row["value"]),
    }


def _quality(who: str, quality: pd.DataFrame, known: Distributions) -> list[dict[str, Any]]:
    """The quality values of each scan, those that break a limit or stand out first."""
    scans = []
    rows = quality[quality["participant_id"] == who]
    for (session, modality, scan), checks in rows.groupby(
        ["session", "modality", "scan"], sort=False
    ):
        lines = [_check(row, known) for row in checks.to_dict("records")]
        scans.append(
            {
                "title": text.capital(text.modality(str(modality)))
                + (f", {session}" if session else ""),
                "scan": scan,
                "lines": sorted(lines, key=lambda line: line["order"]),
                "flagged": sum(line["verdict"] == "beyond" for line in lines),
            }
        )
    return scans


def _check(row: Mapping[Hashable, Any], known: Distributions) -> dict[str, Any]:
    value, name, limit = row["value"], str(row["check"]), str(row["limit"] or "")
    line = {
        "label": check_label(name),
        "value": text.number(value),
        "limit": text.limit(limit) or "none",
        "verdict": {"yes": "within", "no": "beyond"}.get(str(row["passed"]), ""),
        "place": "",
        "strip": "",
        "stands": False,
        "order": {"no": 0, "yes": 2}.get(str(row["passed"]), 3),
    }
    distribution = known.get((str(row["modality"]), name))
    if distribution is not None and text.is_number(value):
        line["place"] = place_in_words(distribution, float(value))
        if len(distribution.values) > 1:
            line["strip"] = strip(distribution, float(value), limit, name)
        if abs(distribution.z(float(value))) > STANDS_OUT and line["order"]:
            line["order"], line["stands"] = 1, True
    return line


def _figures(
    rows: Sequence[Status], output_dir: Path, budget: float
) -> tuple[list[dict[str, Any]], list[str]]:
    """All figures by modality; those that do not fit into the page are named."""
    by_modality: dict[str, list[dict[str, str]]] = {}
    too_large = []
    for path in listed_files(rows, output_dir, "figures/*.svg"):
        _, session, modality = place(path, output_dir)
        address = data_address(path)
        if len(address) > budget:
            too_large.append(path.relative_to(output_dir).as_posix())
            continue
        budget -= len(address)
        by_modality.setdefault(modality, []).append(
            {"address": address, "caption": figure_caption(path, session, modality)}
        )
    return (
        [
            {"name": text.modality(name), "images": by_modality[name]}
            for name in modality_order(set(by_modality))
        ],
        too_large,
    )
