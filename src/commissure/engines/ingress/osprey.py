"""Osprey: concentrations, ratios and quality from ``QuantifyResults``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commissure.definitions import Definition
from commissure.engines.ingress.results import (
    Absence,
    Ingested,
    files_below,
    number_of,
    person_of,
)
from commissure.engines.ingress.settings import IngressSettings
from commissure.engines.ingress.spectra import (
    NAMES,
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
from commissure.tables.delimited import Cells, read_cells

#: Scales by the name of the setting, which is Osprey's; the first where none is named.
SCALES = {
    "TissCorrWaterScaled": Scale("", "mmol/kg", "scaled to the water signal and corrected for "
                                 "relaxation and the voxel's tissue by Osprey "
                                 "(TissCorrWaterScaled)."),
    "CSFWaterScaled": Scale("_csf", "Osprey unit", "scaled to the water signal and corrected for "
                            "the voxel's CSF alone by Osprey (CSFWaterScaled)."),
    "rawWaterScaled": Scale("_water", "Osprey unit", "scaled to the water signal, not corrected "
                            "for the voxel's tissue (rawWaterScaled)."),
}  # fmt: skip

#: Which spectrum's tables are read: of unedited data Osprey calls it A or metab, of edited data the
#: one without editing is off.
_SPECTRA = ("A", "metab", "off")

_TABLE = re.compile(
    r"(?P<spectrum>[a-zA-Z]+\d?)_(?P<kind>tCr|CRLB|TissCorrWaterScaled|CSFWaterScaled|rawWaterScaled)"
    r"_Voxel_1(?:_Basis_1)?\.(?:tsv|csv|txt)"
)
_SUBJECTS = "subject_names_and_excluded.tsv"
_QUALITY = "QM_processed_spectra.tsv"
_OELTZSCHNER = "Oeltzschner G et al., J Neurosci Methods 2020;343:108827"


@dataclass
class _Output:
    """One output folder of Osprey: its tables of quantities by kind, and the others."""

    tables: dict[str, Path] = field(default_factory=dict)
    spectra: set[str] = field(default_factory=set)


def definitions() -> tuple[Definition, ...]:
    """What the markers mean; line width and noise are those of creatine."""
    return fitted_definitions("osprey", "Osprey", _OELTZSCHNER, SCALES.values(), width_unit="Hz")


def files(settings: IngressSettings) -> list[str]:
    """Tables of quantities, names and quality below the folder."""
    found = files_below(Path(settings.folder), (".tsv", ".csv", ".txt"), depth=8)
    return [
        name
        for name in found
        if name.endswith((_SUBJECTS, _QUALITY)) or _TABLE.fullmatch(name.rpartition("/")[2])
    ]


def read(settings: IngressSettings) -> Ingested:
    """Results of everybody, of one output folder with all people or one for each.

    Raises
    ------
    DatasetError
        The folder has no table of ratios, or a table says no person.
    """
    folder, ingested = Path(settings.folder), Ingested()
    outputs = _outputs(settings)
    if not any("tCr" in output.tables for output in outputs.values()):
        raise DatasetError(
            folder.name,
            found="it has no table of Osprey's ratios",
            wanted="QuantifyResults with A_tCr_Voxel_1_Basis_1.tsv",
            mend="Run OspreyQuantify, or correct ingress[].folder",
        )
    scaling = settings.scaling or next(iter(SCALES))
    seen: dict[tuple[str, str, str], str] = {}
    counts = {"all": 0, "unscaled": 0, "unbounded": 0, "excluded": 0}
    edited = False
    for place, output in sorted(outputs.items()):
        if "tCr" not in output.tables:
            continue
        edited |= bool(output.spectra - set(_SPECTRA))
        root = folder / place
        try:
            tables = {kind: _whole(path) for kind, path in output.tables.items()}
            names, excluded = _subjects(root, place, tables["tCr"])
            quality = _quality(root, len(names))
        except DatasetError as error:
            who = person_of(place, settings.session)
            if who is None:
                raise
            ingested.absences.append(Absence(*who, "QuantifyResults", "failed", str(error)))
            continue
        for row, name in enumerate(names):
            who, voxel = voxel_of(name, settings)
            refuse_second(seen, who, voxel, name)
            try:
                rows = _spectrum(tables, row, who, voxel, scaling)
            except DatasetError as error:
                ingested.absences.append(Absence(*who, f"fit of {voxel}", "failed", str(error)))
                continue
            rows += confound_rows(
                _told(quality, row), who, voxel, tool="osprey", path=root / _QUALITY
            )
            if excluded[row]:
                rows = [_flagged(marker) for marker in rows]
            counts["all"] += 1
            counts["unscaled"] += scaling not in tables
            counts["unbounded"] += "CRLB" not in tables
            counts["excluded"] += excluded[row]
            ingested.rows += rows
            ingested.versions[who] = ""
    _note(ingested, counts, scaling, edited=edited)
    tell_other_voxels(ingested)
    return ingested


def _note(ingested: Ingested, counts: Mapping[str, int], scaling: str, *, edited: bool) -> None:
    """What the reader must know of the scale, the bounds and the choice of spectra."""
    for key, words in (
        ("unscaled", f"have no table {scaling}; of them ratios are read"),
        ("unbounded", "have no table of Cramér-Rao bounds (CRLB): their values are not judged"),
        ("excluded", "were excluded in Osprey; they are flagged"),
    ):
        if counts[key]:
            ingested.notes.append(f"Osprey: {counts[key]} of {counts['all']} spectra {words}.")
    if edited:
        ingested.notes.append(
            "Osprey: tables of edited spectra (diff1, sum) are not read; those without editing are."
        )


def _outputs(settings: IngressSettings) -> dict[str, _Output]:
    """Output folders below the folder, with the tables of the first spectrum that they have."""
    outputs: dict[str, _Output] = defaultdict(_Output)
    matches = []
    for name in files(settings):
        folder, _, file = name.rpartition("/")
        match = _TABLE.fullmatch(file)
        if match is not None:
            place = folder.removesuffix("QuantifyResults").rstrip("/")
            outputs[place].spectra.add(match["spectrum"])
            matches.append((place, match, Path(settings.folder) / name))
    for place, match, path in matches:
        first = next((s for s in _SPECTRA if s in outputs[place].spectra), None)
        if match["spectrum"] == first:
            outputs[place].tables.setdefault(match["kind"], path)
    return dict(outputs)


def _whole(path: Path) -> Cells:
    """A table whose last line is not cut off."""
    if not path.read_bytes().endswith(b"\n"):
        raise DatasetError(
            path.name,
            found="it ends within a line",
            wanted="a whole table",
            mend=f"Copy {path.name} again",
        )
    return read_cells(path)


def _subjects(root: Path, place: str, table: Cells) -> tuple[list[str], Sequence[bool]]:
    """Whom the rows are of, and who was excluded in Osprey; tables of quantities name nobody.

    Raises
    ------
    DatasetError
        There are as many names as rows neither in Osprey's table nor in the folder's path.
    """
    count = len(table.rows)
    if (root / _SUBJECTS).is_file():
        named = read_cells(root / _SUBJECTS)
        column = "subject" if "subject" in named.header else named.header[0]
        names = named.column(column)
        if len(names) != count:
            raise DatasetError(
                table.path.name,
                found=f"it has {count} rows, and {_SUBJECTS} {len(names)} names",
                wanted="a row for each name",
                mend="Run OspreyQuantify and OspreyOverview again on the same job",
            )
        out = named.column("exclude") if "exclude" in named.header else [""] * count
        excluded = [cell not in ("", "0") for cell in out]
        if all(person_of(name.replace("\\", "/"), None) for name in names):
            return [f"{place}/{name}".replace("\\", "/") for name in names], excluded
    elif count > 1:
        raise DatasetError(
            table.path.name,
            found=f"it has {count} rows that name nobody",
            wanted=f"{_SUBJECTS} beside QuantifyResults",
            mend="Run OspreyOverview, which writes it",
        )
    else:
        excluded = [False] * count
    if count == 1:
        return [place], excluded
    raise DatasetError(
        _SUBJECTS,
        found="its names are no names of BIDS",
        wanted="subjects as sub-01_ses-1_voi-ACC",
        mend=f"Rename them in {_SUBJECTS}, in the order of the rows",
    )


def _quality(root: Path, count: int) -> Cells | None:
    """Osprey's quality of the spectra; None where it is not there or of other rows."""
    if not (root / _QUALITY).is_file():
        return None
    table = read_cells(root / _QUALITY)
    return table if len(table.rows) == count else None


def _told(quality: Cells | None, row: int) -> dict[str, tuple[str, str]]:
    """Line width and noise of a row."""
    if quality is None:
        return {}
    return {
        name: (quality.column(column)[row], unit)
        for name, column, unit in (("fwhm", "Cr_FWHM", "Hz"), ("snr", "Cr_SNR", "1"))
        if column in quality.header
    }


def _spectrum(
    tables: Mapping[str, Cells], row: int, who: tuple[str, str], voxel: str, scaling: str
) -> list[Marker]:
    """Markers of one row of the tables."""

    def value(kind: str, name: str) -> float | None:
        table = tables.get(kind)
        if table is None or name not in table.header or not table.column(name)[row]:
            return None
        return number_of(table.column(name)[row], path=table.path, what=name)

    amounts = {
        name: Amount(value(scaling, name), value("tCr", name), value("CRLB", name))
        for names in NAMES.values()
        for name in names
        if name in tables["tCr"].header
    }
    rows = fitted_rows(amounts, who, voxel, tool="osprey", scale=SCALES[scaling])
    if not rows:
        raise DatasetError(
            tables["tCr"].path.name,
            found=f"row {row + 1} has no amount of a metabolite",
            wanted="a fit that came to its end",
            mend="Look at Osprey's LogFile.txt for this spectrum",
        )
    return rows


def _flagged(row: Marker) -> Marker:
    return Marker(
        row.participant_id, row.session, row.modality, row.region, row.marker, row.value, row.unit,
        "flag",
    )  # fmt: skip
