"""LCModel: concentrations, ratios and quality from its tables."""

from __future__ import annotations

import re
from pathlib import Path

from commissure.definitions import Definition
from commissure.engines.ingress.results import (
    Absence,
    Ingested,
    files_below,
    number_of,
    person_of,
    text_of,
)
from commissure.engines.ingress.settings import IngressSettings
from commissure.errors import DatasetError
from commissure.mrs.metabolites import REFERENCE, REPORTED
from commissure.rows import Marker, Quality

#: LCModel's names of what is reported; the first that the table has counts.
NAMES = {
    "glu": ("Glu",),
    "gln": ("Gln",),
    "glx": ("Glu+Gln", "Gln+Glu"),
    "gsh": ("GSH", "Glth"),
    "tnaa": ("NAA+NAAG", "NAAG+NAA"),
    "tcr": ("Cr+PCr", "PCr+Cr"),
    "tcho": ("GPC+PCh", "PCh+GPC"),
    "ins": ("Ins", "mI"),
}

#: A value with a larger Cramér-Rao bound (percent) is flagged, and kept: leaving values out by
#: a relative bound leaves out the low ones (Kreis R, Magn Reson Med 2016;75:15-18).
CRLB_PERCENT_MAX = 20.0

_PROVENCHER = "Provencher SW, Magn Reson Med 1993;30:672-679"
_VOI = re.compile(r"(?:^|[_/])voi-([a-zA-Z0-9]+)")
_ROW = re.compile(r"\s*(\S+)\s+(\d+)%\s+(\S+)\s+(\S+)\s*$")
_MISC = re.compile(r"FWHM\s*=\s*(\S+)\s*ppm\s+S/N\s*=\s*(\S+)")


def definitions() -> tuple[Definition, ...]:
    """What the markers mean."""
    titles = {reported.marker: reported.title for reported in REPORTED}
    concentrations = tuple(
        Definition(
            f"lcmodel_{name}", "mrs", "LCModel unit", f"LCModel: concentration of "
            f"{titles[name]} as its table has it: on the scale of its settings, not corrected for "
            "the voxel's tissue by this program.", _PROVENCHER, given_by="table",
        )
        for name in NAMES
    )  # fmt: skip
    ratios = tuple(
        Definition(
            f"lcmodel_{name}_{REFERENCE}", "mrs", "1", f"LCModel: {titles[name]} over total "
            "creatine (column /Cr+PCr).", _PROVENCHER, given_by="table",
        )
        for name in NAMES if name != REFERENCE
    )  # fmt: skip
    return (
        *concentrations,
        *ratios,
        Definition("lcmodel_fwhm", "mrs", "ppm", "LCModel: line width (FWHM).", _PROVENCHER,
                   role="confound", given_by="table"),
        Definition("lcmodel_snr", "mrs", "1", "LCModel: signal-to-noise ratio (S/N).", _PROVENCHER,
                   role="confound", given_by="table"),
    )  # fmt: skip


def files(settings: IngressSettings) -> list[str]:
    """Tables below the folder."""
    return list(files_below(Path(settings.folder), (".table", ".TABLE"), depth=4))


def read(settings: IngressSettings) -> Ingested:
    """Results of everybody.

    A fit that LCModel broke off, and a table that is cut, is an absence of that person.

    Raises
    ------
    DatasetError
        The folder has no table, a name says no person or voxel, or two tables are of one voxel of
        one visit.
    """
    folder, ingested = Path(settings.folder), Ingested()
    names = files(settings)
    if not names:
        raise DatasetError(
            folder.name,
            found="it has no table of LCModel",
            wanted="files as sub-01_ses-1_voi-ACC.table",
            mend="Set LTABLE = 7 in LCModel's control file, or correct ingress[].folder",
        )
    seen: dict[tuple[str, str, str], str] = {}
    for name in names:
        who, voxel = person_of(name, settings.session), _VOI.search(name)
        if who is None or voxel is None:
            raise DatasetError(
                name,
                found=f"its name says no {'person' if who is None else 'voxel'}",
                wanted="a name as sub-01_ses-1_voi-ACC.table: the table itself names nobody",
                mend=f"Rename {name}",
            )
        key = (*who, voxel[1])
        if key in seen:
            raise DatasetError(
                " ".join(filter(None, who)),
                found=f"{seen[key]} and {name} are of the same visit and voxel",
                wanted="one table",
                mend=f"Remove one of them from {folder.name}",
            )
        seen[key] = name
        try:
            rows, version = _table(folder / name, who, voxel[1])
        except DatasetError as error:
            ingested.absences.append(Absence(*who, f"table of {voxel[1]}", "failed", str(error)))
            continue
        ingested.rows += rows
        ingested.versions[who] = version
    return ingested


def _table(path: Path, who: tuple[str, str], voxel: str) -> tuple[list[Marker], str]:
    """Markers of one table, and LCModel's version."""
    text = text_of(path)
    version = re.search(r"LCModel \(Version (\S+?)\)", text)
    block = re.search(r"\$\$CONC\s+(\d+) lines.*?\n(.*?)(?:\n\s*\n|\$\$|\Z)", text, re.DOTALL)
    if block is None:
        raise DatasetError(
            path.name,
            found="it has no part $$CONC"
            + (": LCModel broke off" if "FATAL" in text.upper() else ""),
            wanted="the table of a fit that came to its end",
            mend="Look at LCModel's own messages for this spectrum",
        )
    head, *lines = block[2].splitlines()
    if len(lines) != int(block[1]) - 1:
        raise DatasetError(
            path.name,
            found=f"$$CONC has {len(lines) + 1} lines, and its head says {block[1]}",
            wanted="a whole table",
            mend=f"Copy {path.name} again",
        )
    values: dict[str, tuple[float, float, float]] = {}
    for line in lines:
        cells = _ROW.match(line)
        if cells is None:
            raise DatasetError(
                path.name, found=f"a line of $$CONC is '{line.strip()}'", wanted="value, %SD, ratio"
            )
        concentration, percent, ratio = (
            number_of(cells[n], path=path, what=f"{cells[4]}") for n in (1, 2, 3)
        )
        values[cells[4]] = concentration, percent, ratio
    rows = _rows(values, who, voxel, to_creatine="/Cr+PCr" in head or "/PCr+Cr" in head)
    misc = _MISC.search(text)
    if misc is not None:
        for marker, cell, unit in (("lcmodel_fwhm", misc[1], "ppm"), ("lcmodel_snr", misc[2], "1")):
            value = number_of(cell, path=path, what=marker)
            rows.append(Marker(*who, "mrs", voxel, marker, value, unit))
    return rows, version[1] if version else ""


def _rows(
    values: dict[str, tuple[float, float, float]],
    who: tuple[str, str],
    voxel: str,
    *,
    to_creatine: bool,
) -> list[Marker]:
    """Concentrations, and ratios where the table's are to total creatine."""
    rows = []
    for name, titles in NAMES.items():
        title = next((title for title in titles if title in values), None)
        if title is None:
            continue
        concentration, percent, ratio = values[title]
        quality: Quality = "flag" if percent > CRLB_PERCENT_MAX else "ok"
        rows.append(
            Marker(*who, "mrs", voxel, f"lcmodel_{name}", concentration, "LCModel unit", quality)
        )
        if name != REFERENCE and to_creatine:
            rows.append(
                Marker(*who, "mrs", voxel, f"lcmodel_{name}_{REFERENCE}", ratio, "1", quality)
            )
    return rows
