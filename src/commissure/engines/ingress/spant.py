"""spant: concentrations, ratios and quality from the tables of each fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from commissure.definitions import Definition
from commissure.engines.ingress.results import Absence, Ingested, files_below, number_of
from commissure.engines.ingress.settings import IngressSettings
from commissure.engines.ingress.spectra import (
    NAMES,
    Amount,
    Scale,
    confound_rows,
    fitted_definitions,
    fitted_rows,
    percent_of,
    refuse_second,
    tell_other_voxels,
    voxel_of,
)
from commissure.errors import DatasetError
from commissure.mrs.metabolites import REFERENCE
from commissure.rows import Marker
from commissure.tables.delimited import read_cells

#: Scales by the name of the setting, the first where none is named.
SCALES = {
    "molal": Scale("", "mmol/kg", "per kilogram of tissue water, scaled to the water signal and "
                   "corrected for relaxation and the voxel's tissue by spant "
                   "(fit_res_molal_conc.csv)."),
    "legacy": Scale("_legacy", "mM", "scaled to the water signal as LCModel does, with one water "
                    "concentration for every voxel: not corrected for tissue "
                    "(fit_res_legacy_conc.csv)."),
}  # fmt: skip

#: Tables of a fit, by what stands in them. That of ratios, and the one of amounts as they came from
#: the scanner, give ratios: an amplitude without a scale compares with nobody's.
_TABLES = {
    "molal": "fit_res_molal_conc.csv",
    "legacy": "fit_res_legacy_conc.csv",
    "ratio": "fit_res_tCr_ratio.csv",
    "unscaled": "fit_res_unscaled.csv",
}

_WILSON = "Wilson M, Magn Reson Med 2021;85:13-29"


def definitions() -> tuple[Definition, ...]:
    """What the markers mean; the line width is that of tNAA."""
    return fitted_definitions("spant", "spant", _WILSON, SCALES.values(), width_unit="ppm")


def files(settings: IngressSettings) -> list[str]:
    """Tables below the folder, by spant's names behind any other (``sub-01_fit_res_...csv``)."""
    return list(files_below(Path(settings.folder), _TABLES.values(), depth=6))


def read(settings: IngressSettings) -> Ingested:
    """Results of everybody.

    Raises
    ------
    DatasetError
        The folder has no table, a path says no person or voxel, or two fits are of one voxel of
        one visit.
    """
    folder, ingested = Path(settings.folder), Ingested()
    fits: dict[str, dict[str, Path]] = defaultdict(dict)
    for name in files(settings):
        kind, end = next((k, end) for k, end in _TABLES.items() if name.endswith(end))
        fits[name.removesuffix(end)][kind] = folder / name
    if not fits:
        raise DatasetError(
            folder.name,
            found="it has no table of spant",
            wanted=f"a folder of each fit, as sub-01_ses-1_voi-ACC/{_TABLES['ratio']}",
            mend="Correct ingress[].folder",
        )
    scaling = settings.scaling or next(iter(SCALES))
    seen: dict[tuple[str, str, str], str] = {}
    unscaled = assumed = 0
    for name, tables in fits.items():
        who, voxel = voxel_of(name, settings)
        refuse_second(seen, who, voxel, name)
        try:
            rows, white_only = _fit(tables, who, voxel, scaling)
        except DatasetError as error:
            ingested.absences.append(Absence(*who, f"fit of {voxel}", "failed", str(error)))
            continue
        unscaled += scaling not in tables
        assumed += white_only
        ingested.rows += rows
        ingested.versions[who] = ""
    if unscaled:
        ingested.notes.append(
            f"spant: {unscaled} of {len(fits)} fits have no {_TABLES[scaling]}; of them ratios are "
            "read."
        )
    if assumed:
        ingested.notes.append(
            f"spant: {assumed} of {len(fits)} fits were scaled as if the voxel were white matter "
            "only, which spant does without p_vols: they are not corrected for tissue."
        )
    tell_other_voxels(ingested)
    return ingested


def _fit(
    tables: Mapping[str, Path], who: tuple[str, str], voxel: str, scaling: str
) -> tuple[list[Marker], bool]:
    """Markers of one fit, and whether the voxel counted as white matter only."""
    cells = {kind: _row(path) for kind, path in tables.items()}
    kind = scaling if scaling in tables else next(k for k in _TABLES if k in tables)
    path = tables["ratio"] if "ratio" in tables else tables[kind]
    amounts = {}
    creatine = next((n for n in NAMES[REFERENCE] if n in cells[kind]), None)
    of_ratio = cells.get("ratio", cells[kind])
    for name in (name for names in NAMES.values() for name in names if name in cells[kind]):
        value, deviation, ratio = (
            number_of(row.get(column, ""), path=place, what=column)
            for row, column, place in (
                (cells[kind], name, tables[kind]),
                (cells[kind], f"{name}.sd", tables[kind]),
                (of_ratio, name, path),
            )
        )
        if "ratio" not in cells:
            total = number_of(cells[kind][creatine], path=path, what=creatine) if creatine else 0.0
            ratio = value / total if total > 0 else float("nan")
        amounts[name] = Amount(
            value if kind == scaling else None,
            ratio if ratio == ratio else None,
            percent_of(deviation, value),
        )
    rows = fitted_rows(amounts, who, voxel, tool="spant", scale=SCALES[scaling])
    if not rows:
        raise DatasetError(
            path.name,
            found="it has no amounts of metabolites" if not amounts else "it has no total creatine",
            wanted="a table of fit results as spant writes it",
            mend="Let spant write it again",
        )
    row = cells[kind]
    told = {"fwhm": (row.get("tNAA_lw", ""), "ppm"), "snr": (row.get("SNR", ""), "1")}
    rows += confound_rows(told, who, voxel, tool="spant", path=tables[kind])
    fractions = [row.get(f"{tissue}_vol", "") for tissue in ("WM", "GM", "CSF")]
    white_only = kind == "molal" and [float(f or "nan") for f in fractions] == [100, 0, 0]
    return rows, white_only


def _row(path: Path) -> Mapping[str, str]:
    """The one spectrum of a table, cells by heading.

    Raises
    ------
    DatasetError
        It has several spectra, or none.
    """
    table = read_cells(path)
    if len(table.rows) != 1:
        raise DatasetError(
            path.name,
            found=f"it has {len(table.rows)} spectra",
            wanted="the fit of one averaged spectrum",
            mend="Average the repetitions before the fit (mean_dyns), one folder each voxel",
        )
    return {name: table.column(name)[0] for name in table.header}
