"""CAT12: volumes, thickness and image quality from its XML files, and its tables of regions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from commissure.definitions import HEAD_SIZE, Definition
from commissure.engines.ingress.results import (
    Absence,
    Ingested,
    files_below,
    number_of,
    person_of,
    tell_lost_regions,
    text_of,
)
from commissure.engines.ingress.settings import IngressSettings
from commissure.engines.ingress.structures import ETIV_MM3, THICKNESS_MM
from commissure.errors import DatasetError
from commissure.rows import Marker, Quality
from commissure.tables.delimited import read_cells

#: CAT12 gives volumes in millilitres.
MM3_PER_ML = 1000.0

#: A worse grade of the image (1 excellent to 6 failed) is flagged: it is below C, 70 % of
#: CAT12's rating.
GRADE_MAX = 3.5

#: The atlas of the cortex's surface whose thickness is read.
SURFACE_ATLAS = "aparc_DK40"

#: What stands in a volume of the whole head, in CAT12's order.
_TISSUES = ("CSF", "GM", "WM")

#: Abbreviations of the neuromorphometrics atlas whose regions have a name here.
_STRUCTURES = {
    "Hip": "Hippocampus", "Amy": "Amygdala", "ThaPro": "Thalamus", "Cau": "Caudate",
    "Put": "Putamen", "Pal": "Pallidum", "Acc": "Accumbens", "LatVen": "LateralVentricle",
    "InfLatVen": "InferiorLateralVentricle", "3thVen": "ThirdVentricle",
    "4thVen": "FourthVentricle",
}  # fmt: skip

#: The table of all images that CAT12's batch of regions writes, with the value's name.
_TABLE = re.compile(r".*catROI_(?P<atlas>\w+?)_(?P<value>Vgm|Vcsf)\.csv")

_KINDS = {"cat_": "report", "catROI_": "volumes", "catROIs_": "surface"}
_SIDED = re.compile(r"([lr])(?=[A-Z0-9])(.+)|(Left|Right) (.+)")
_GASER = "Gaser C et al., GigaScience 2024;13:giae049"
_DAHNKE = "Dahnke R, Yotter RA, Gaser C, NeuroImage 2013;65:336-348"


def definitions() -> tuple[Definition, ...]:
    """What the markers mean."""
    return (
        Definition("cat12_volume", "anat", "mm3", "CAT12: volume of grey matter in a region of the "
                   "atlas (Vgm; of fluid in a ventricle, Vcsf), or of a tissue of the whole head "
                   "(CSF, GM, WM), converted from mL.", _GASER, adjust="head_size",
                   given_by="table"),
        Definition("cat12_thickness", "anat", "mm", "CAT12: mean thickness of a cortical region "
                   f"({SURFACE_ATLAS}).", _DAHNKE, given_by="table"),
        Definition("cat12_image_grade", "anat", "1", "CAT12: grade of the image (IQR), 1 "
                   "excellent to 6 failed.", _GASER, role="confound", given_by="table"),
        Definition(HEAD_SIZE, "anat", "mm3", "CAT12: total intracranial volume (vol_TIV), "
                   "converted from mL, as the measure that its volumes are adjusted for.", _GASER,
                   role="confound", given_by="table"),
    )  # fmt: skip


def files(settings: IngressSettings) -> list[str]:
    """Reports and labels below the folder, and tables of the regions of all images."""
    found = files_below(Path(settings.folder), (".xml", ".csv"), depth=6)
    return [name for name in found if _kind(name) or _TABLE.fullmatch(name)]


def _tables(settings: IngressSettings) -> dict[tuple[str, str], list[Marker]]:
    """Volumes of the tables of all images, by visit; empty where there are none.

    Raises
    ------
    DatasetError
        A row names nobody, or a cell is no number.
    """
    values: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for name in files(settings):
        match = _TABLE.fullmatch(name)
        if match is None or match["atlas"] != settings.cortex:
            continue
        table = read_cells(Path(settings.folder) / name)
        for row, image in enumerate(table.column(table.header[0])):
            who = person_of(image, settings.session)
            if who is None:
                raise DatasetError(
                    table.where(row),
                    found=f"its image is '{image}'",
                    wanted="the name of an image as sub-01_T1w",
                    mend="Give CAT12 images named by person",
                )
            for column in table.header[1:]:
                region = _region(column)
                cell = table.column(column)[row]
                if cell and ("Ventricle" in region) == (match["value"] == "Vcsf"):
                    values[who][region] = number_of(cell, path=table.path, what=column)
    return {
        who: [
            Marker(*who, "anat", region, "cat12_volume", value * MM3_PER_ML, "mm3")
            for region, value in of.items()
        ]
        for who, of in values.items()
    }


def _kind(name: str) -> str:
    """Which of CAT12's files a name is; empty where it is none."""
    file = name.rpartition("/")[2]
    return next((kind for start, kind in _KINDS.items() if file.startswith(start)), "")


def read(settings: IngressSettings) -> Ingested:
    """Results of everybody.

    Raises
    ------
    DatasetError
        The folder has no report, a name says no person, or two files are of one visit.
    """
    folder, ingested = Path(settings.folder), Ingested()
    visits: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for name in filter(_kind, files(settings)):
        who = person_of(re.sub(r"(cat(?:ROIs?)?_)", "", name), settings.session)
        if who is None:
            raise DatasetError(
                name,
                found="its name says no person",
                wanted="a name as cat_sub-01_T1w.xml",
                mend="Rename the files, or give CAT12 images named by person",
            )
        first = visits[who].setdefault(_kind(name), name)
        if first != name:
            raise DatasetError(
                " ".join(filter(None, who)),
                found=f"{first} and {name} are of the same visit",
                wanted="one segmentation of each visit",
                mend="Remove one of them from the folder",
            )
    if not any("report" in found for found in visits.values()):
        raise DatasetError(
            folder.name,
            found="it has no report of CAT12",
            wanted="files as report/cat_sub-01_T1w.xml and label/catROI_sub-01_T1w.xml",
            mend="Correct ingress[].folder",
        )
    tables = _tables(settings)
    for who, found in sorted(visits.items()):
        _read_visit(folder, found, who, settings, ingested, of_table=tables.get(who, []))
    tell_lost_regions(ingested)
    return ingested


def _read_visit(
    folder: Path,
    found: Mapping[str, str],
    who: tuple[str, str],
    settings: IngressSettings,
    ingested: Ingested,
    *,
    of_table: list[Marker],
) -> None:
    """Add the rows of one visit, or why there are none; a table stands in for its label file."""
    rows: list[Marker] = [] if "volumes" in found else list(of_table)
    poor = False
    for kind in _KINDS.values():
        if kind not in found:
            if kind == "report" or (kind == "volumes" and not of_table):
                cause = f"the folder has no {kind} of it"
                ingested.absences.append(Absence(*who, kind, "missing", cause))
            continue
        path = folder / found[kind]
        try:
            root = _root(path)
            if kind == "report":
                more, poor, version = _report(root, path, who)
                ingested.versions[who] = version
            else:
                atlas = settings.cortex if kind == "volumes" else SURFACE_ATLAS
                more = _regions(root, path, who, atlas, surface=kind == "surface")
        except DatasetError as error:
            ingested.absences.append(Absence(*who, kind, "failed", str(error)))
            continue
        rows += more
    ingested.rows += [_judged(row, poor=poor) for row in rows]


def _judged(row: Marker, *, poor: bool) -> Marker:
    if not poor:
        return row
    return Marker(
        row.participant_id, row.session, row.modality, row.region, row.marker, row.value, row.unit,
        "flag",
    )  # fmt: skip


def _root(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(text_of(path))
    except ElementTree.ParseError as error:
        raise DatasetError(
            path.name,
            found=f"it is cut off, or is no XML ({error})",
            wanted="the file that CAT12 wrote",
            mend=f"Copy {path.name} again, or let CAT12 make it again",
        ) from None


def _numbers(element: ElementTree.Element | None, path: Path, what: str) -> list[float]:
    """Numbers of an element in MATLAB's brackets; NaN of a region without a value stays.

    Raises
    ------
    DatasetError
        It is not there, or holds what is no number.
    """
    text = "" if element is None else (element.text or "").strip()
    if not text:
        raise DatasetError(
            path.name,
            found=f"it has no {what}",
            wanted="a segmentation that came to its end",
            mend="Look at CAT12's log of this image",
        )
    return [
        number_of(cell, path=path, what=what) for cell in re.split(r"[;\s]+", text.strip("[] "))
    ]


def _report(
    root: ElementTree.Element, path: Path, who: tuple[str, str]
) -> tuple[list[Marker], bool, str]:
    """Head size, tissues and grade; whether the grade is poor; the version."""
    measures = root.find(".//subjectmeasures")
    if measures is None:
        measures = root
    (head,) = _numbers(measures.find("vol_TIV"), path, "vol_TIV")[:1]
    tissues = _numbers(measures.find("vol_abs_CGW"), path, "vol_abs_CGW")[: len(_TISSUES)]
    grades = root.find(".//qualityratings/IQR")
    if grades is None:
        grades = root.find(".//qualityratings/SIQR")
    poor = False
    rows = []
    if grades is not None and (grades.text or "").strip():
        grade = _numbers(grades, path, "IQR")[0]
        poor = not grade <= GRADE_MAX
        rows.append(Marker(*who, "anat", "brain", "cat12_image_grade", grade, "1"))
    head *= MM3_PER_ML
    odd: Quality = "ok" if ETIV_MM3[0] <= head <= ETIV_MM3[1] else "flag"
    rows.append(Marker(*who, "anat", "TIV", HEAD_SIZE, head, "mm3", odd))
    rows += [
        Marker(*who, "anat", tissue, "cat12_volume", value * MM3_PER_ML, "mm3", odd)
        for tissue, value in zip(_TISSUES, tissues, strict=False)
    ]
    told = (root.findtext(".//software/version_cat"), root.findtext(".//software/revision_cat"))
    return rows, poor, " r".join(filter(None, told))


def _regions(
    root: ElementTree.Element, path: Path, who: tuple[str, str], atlas: str, *, surface: bool
) -> list[Marker]:
    """Volumes, or thickness, of the regions of an atlas."""
    part = root.find(atlas)
    if part is None:
        known = ", ".join(child.tag for child in root if child.find("data") is not None)
        raise DatasetError(
            path.name,
            found=f"it has no atlas {atlas}, but {known or 'none at all'}",
            wanted="the atlas that is asked for",
            mend="Set ingress[].parcellation to one of them" if not surface else "",
        )
    names = [(item.text or "").strip() for item in part.findall("names/item")]

    def column(name: str) -> Sequence[float]:
        values = _numbers(part.find(f"data/{name}"), path, f"{name} of {atlas}")
        if len(values) != len(names):
            raise DatasetError(
                path.name,
                found=f"{atlas} has {len(names)} regions and {len(values)} values of {name}",
                wanted="a value for each region",
                mend=f"Copy {path.name} again",
            )
        return values

    if surface:
        low, high = THICKNESS_MM
        return [
            Marker(*who, "anat", _surface_region(name), "cat12_thickness", value, "mm",
                   "ok" if low <= value <= high else "flag")
            for name, value in zip(names, column("thickness"), strict=True)
            if value == value and not name.endswith(("unknown", "corpuscallosum"))
        ]  # fmt: skip
    grey = column("Vgm")
    fluid = column("Vcsf") if part.find("data/Vcsf") is not None else [float("nan")] * len(grey)
    rows = []
    for name, of_grey, of_fluid in zip(names, grey, fluid, strict=True):
        region = _region(name)
        value = of_fluid if "Ventricle" in region else of_grey
        if value == value:
            rows.append(Marker(*who, "anat", region, "cat12_volume", value * MM3_PER_ML, "mm3"))
    return rows


def _region(name: str) -> str:
    """A region of a volume atlas: ``lHip`` and ``Left Hippocampus`` are ``Hippocampus_L``."""
    match = _SIDED.fullmatch(name)
    if match is None:
        return re.sub(r"[^A-Za-z0-9]", "", name)
    side = (match[1] or match[3])[0].upper()
    bare = re.sub(r"[^A-Za-z0-9]", "", match[2] or match[4])
    return f"{_STRUCTURES.get(bare, bare)}_{side}"


def _surface_region(name: str) -> str:
    """A region of the surface atlas: ``lbankssts`` is ``bankssts_L``."""
    return f"{name[1:]}_{name[0].upper()}"
