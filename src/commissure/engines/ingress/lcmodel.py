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
    text_of,
)
from commissure.engines.ingress.settings import IngressSettings
from commissure.engines.ingress.spectra import (
    Amount,
    Scale,
    confound_rows,
    fitted_definitions,
    fitted_rows,
    refuse_second,
    tell_other_voxels,
    voxel_of,
)
from commissure.errors import DatasetError
from commissure.rows import Marker

_SCALE = Scale(
    "",
    "LCModel unit",
    "as its table has it: on the scale of its settings, not corrected for the voxel's tissue by "
    "this program.",
)
_PROVENCHER = "Provencher SW, Magn Reson Med 1993;30:672-679"
_ROW = re.compile(r"\s*(\S+)\s+(\d+)%\s+(\S+)\s+(\S+)\s*$")
_MISC = re.compile(r"FWHM\s*=\s*(\S+)\s*ppm\s+S/N\s*=\s*(\S+)")


def definitions() -> tuple[Definition, ...]:
    """What the markers mean."""
    return fitted_definitions("lcmodel", "LCModel", _PROVENCHER, [_SCALE], width_unit="ppm")


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
        who, voxel = voxel_of(name, settings)
        refuse_second(seen, who, voxel, name)
        try:
            rows, version = _table(folder / name, who, voxel)
        except DatasetError as error:
            ingested.absences.append(Absence(*who, f"fit of {voxel}", "failed", str(error)))
            continue
        ingested.rows += rows
        ingested.versions[who] = version
    tell_other_voxels(ingested)
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
    to_creatine = "/Cr+PCr" in head or "/PCr+Cr" in head
    amounts = {}
    for line in lines:
        cells = _ROW.match(line)
        if cells is None:
            raise DatasetError(
                path.name, found=f"a line of $$CONC is '{line.strip()}'", wanted="value, %SD, ratio"
            )
        concentration, percent, ratio = (
            number_of(cells[n], path=path, what=f"{cells[4]}") for n in (1, 2, 3)
        )
        amounts[cells[4]] = Amount(concentration, ratio if to_creatine else None, percent)
    rows = fitted_rows(amounts, who, voxel, tool="lcmodel", scale=_SCALE)
    misc = _MISC.search(text)
    if misc is not None:
        told = {"fwhm": (misc[1], "ppm"), "snr": (misc[2], "1")}
        rows += confound_rows(told, who, voxel, tool="lcmodel", path=path)
    return rows, version[1] if version else ""
