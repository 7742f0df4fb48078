"""FSL-MRS: concentrations, ratios and quality from ``summary.csv`` of each fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
from commissure.mrs.metabolites import REFERENCE
from commissure.rows import Marker
from commissure.tables.delimited import read_cells

#: Scales by the name of the setting, the first where none is named, and their columns.
SCALES = {
    "molality": Scale("", "mmol/kg", "per kilogram of tissue water, scaled to the water signal and "
                      "corrected for relaxation by FSL-MRS, and for the voxel's tissue where it "
                      "was given the fractions (column mMol/kg)."),
    "molarity": Scale("_molar", "mM", "per litre of tissue, scaled to the water signal and "
                      "corrected for relaxation by FSL-MRS, and for the voxel's tissue where it "
                      "was given the fractions (column mM)."),
}  # fmt: skip
_COLUMNS = {"molality": "mMol/kg", "molarity": "mM"}

#: Whose line width and noise stand for those of the spectrum.
_PEAK = "NAA"

_CLARKE = "Clarke WT et al., Magn Reson Med 2021;85:2950-2964"


def definitions() -> tuple[Definition, ...]:
    """What the markers mean; line width and noise are those of NAA."""
    return fitted_definitions("fslmrs", "FSL-MRS", _CLARKE, SCALES.values(), width_unit="Hz")


def files(settings: IngressSettings) -> list[str]:
    """Summaries below the folder, with the options of the calls that made them."""
    found = files_below(Path(settings.folder), ("summary.csv", "options.txt"), depth=6)
    return [name for name in found if name.rpartition("/")[2] in ("summary.csv", "options.txt")]


def read(settings: IngressSettings) -> Ingested:
    """Results of everybody.

    Raises
    ------
    DatasetError
        The folder has no summary, a path says no person or voxel, or two are of one voxel of one
        visit.
    """
    folder, ingested = Path(settings.folder), Ingested()
    names = [name for name in files(settings) if name.endswith("summary.csv")]
    if not names:
        raise DatasetError(
            folder.name,
            found="it has no summary.csv of FSL-MRS",
            wanted="a folder of each fit, as sub-01_ses-1_voi-ACC/summary.csv",
            mend="Correct ingress[].folder",
        )
    scaling = settings.scaling or next(iter(SCALES))
    seen: dict[tuple[str, str, str], str] = {}
    unscaled = untissued = 0
    for name in names:
        who, voxel = voxel_of(name, settings)
        refuse_second(seen, who, voxel, name)
        path = folder / name
        try:
            rows = _summary(path, who, voxel, scaling)
        except DatasetError as error:
            ingested.absences.append(Absence(*who, f"fit of {voxel}", "failed", str(error)))
            continue
        concentrations = any(row.unit == SCALES[scaling].unit for row in rows)
        unscaled += not concentrations
        untissued += concentrations and _without_tissue(path.with_name("options.txt"))
        ingested.rows += rows
        ingested.versions[who] = ""
    if unscaled:
        ingested.notes.append(
            f"FSL-MRS: {unscaled} of {len(names)} fits have no column {_COLUMNS[scaling]}, as "
            "without --h2o; of them ratios are read."
        )
    if untissued:
        ingested.notes.append(
            f"FSL-MRS: {untissued} of {len(names)} fits were made without tissue fractions "
            "(--tissue_frac): their concentrations are not corrected for the voxel's tissue."
        )
    tell_other_voxels(ingested)
    return ingested


def _without_tissue(options: Path) -> bool:
    """Whether the options of a call say that no fractions were given; False without any."""
    try:
        told = json.loads(options.read_text(encoding="utf-8").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return False
    return isinstance(told, dict) and "tissue_frac" in told and not told["tissue_frac"]


def _summary(path: Path, who: tuple[str, str], voxel: str, scaling: str) -> list[Marker]:
    """Markers of one fit."""
    if not text_of(path).endswith("\n"):
        raise DatasetError(
            path.name,
            found="it ends within a line",
            wanted="a whole table",
            mend=f"Copy {path.name} again",
        )
    table = read_cells(path)
    if "Metab" not in table.header or "%CRLB" not in table.header:
        raise DatasetError(
            path.name,
            found=f"its columns are {', '.join(table.header)}",
            wanted="Metab, %CRLB and amounts, as FSL-MRS writes summary.csv",
            mend="Let fsl_mrs make it again",
        )
    metabolites = table.column("Metab")

    def column(name: str) -> Mapping[str, float]:
        if name not in table.header:
            return {}
        cells = zip(metabolites, table.column(name), strict=True)
        return {
            metabolite: number_of(cell, path=path, what=f"{name} of {metabolite}")
            for metabolite, cell in cells
            if cell
        }

    concentrations = column(_COLUMNS[scaling])
    percents = column("%CRLB")
    ratios = next(
        (column(f"/{name}") for name in NAMES[REFERENCE] if f"/{name}" in table.header), {}
    )
    amounts = {
        name: Amount(concentrations.get(name), ratios.get(name), percents.get(name, float("inf")))
        for name in metabolites
    }
    rows = fitted_rows(amounts, who, voxel, tool="fslmrs", scale=SCALES[scaling])
    if not rows:
        raise DatasetError(
            path.name,
            found=f"it has neither a column {_COLUMNS[scaling]} nor ratios to total creatine",
            wanted="amounts on a scale that compares between people",
            mend="Give fsl_mrs --h2o, or --combine Cr PCr and --internal_ref Cr+PCr",
        )
    told = {
        "fwhm": (str(column("FWHM").get(_PEAK, "")), "Hz"),
        "snr": (str(column("SNR").get(_PEAK, "")), "1"),
    }
    return rows + confound_rows(told, who, voxel, tool="fslmrs", path=path)
