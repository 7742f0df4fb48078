"""FreeSurfer and FastSurfer: volumes, thickness and area from the tables in ``stats``."""

from __future__ import annotations

import re
from pathlib import Path

from commissure.definitions import HEAD_SIZE, Definition
from commissure.engines.ingress.freesurfer_stats import VERSION, StatsTable, stats_table
from commissure.engines.ingress.results import Absence, Ingested, person_of, tell_lost_regions
from commissure.engines.ingress.settings import IngressSettings
from commissure.engines.ingress.structures import ETIV_MM3, SIDES, THICKNESS_MM, region_of
from commissure.errors import DatasetError
from commissure.names import participant_label
from commissure.rows import Marker

#: Prefix of the markers by tool.
PREFIXES = {"freesurfer": "fs", "fastsurfer": "fastsurfer"}

#: Tables of the segmentation, in the order in which they are looked for.
SEGMENTATIONS = ("aseg.stats", "aseg+DKT.stats")

#: What stands in ``scripts`` of a person, and says how far the tool came.
_PROGRESS = ("recon-all.done", "recon-all.error", "IsRunning.lh+rh", "IsRunning.lh", "IsRunning.rh",
             "build-stamp.txt")  # fmt: skip

#: Folders of ``SUBJECTS_DIR`` that are nobody.
_NOBODY = re.compile(r"fsaverage.*|[lr]h\.EC_average|cvs_avg.*|V1_average|bert")

_LONG = re.compile(r"(?P<visit>.+)\.long\.(?P<base>.+)")

#: Empty in healthy people, so that no volume says nothing of the segmentation.
_MAY_BE_EMPTY = ("FifthVentricle", "Vessel", "non", "WMhypointensities", "OpticChiasm")

#: Measures of a cortical table: the column, the marker behind the prefix, and the unit.
_CORTEX = (
    ("ThickAvg", "thickness", "mm"),
    ("SurfArea", "area", "mm2"),
    ("GrayVol", "volume", "mm3"),
)

_FISCHL = "Fischl B et al., Neuron 2002;33:341-355"
_DALE = "Dale AM, Fischl B, Sereno MI, NeuroImage 1999;9:179-194"
_BUCKNER = "Buckner RL et al., NeuroImage 2004;23:724-738"
_HENSCHEL = "Henschel L et al., NeuroImage 2020;219:117012"


def definitions(tool: str) -> tuple[Definition, ...]:
    """What the markers of one of the two tools mean."""
    prefix, title = PREFIXES[tool], {"freesurfer": "FreeSurfer", "fastsurfer": "FastSurfer"}[tool]
    volumes = _FISCHL if tool == "freesurfer" else _HENSCHEL

    def defined(name: str, unit: str, text: str, source: str, **more: str) -> Definition:
        return Definition(
            f"{prefix}_{name}", "anat", unit, f"{title}: {text}", source, given_by="table",
            **more,  # type: ignore[arg-type]
        )  # fmt: skip

    return (
        defined("volume", "mm3", "volume of a structure (aseg.stats, column Volume_mm3), or of "
                "grey matter of a cortical region (column GrayVol).", f"{volumes}; {_DALE}",
                adjust="head_size"),
        defined("thickness", "mm", "mean thickness of a cortical region (column ThickAvg); "
                "cortex_L and cortex_R are MeanThickness of a side.",
                "Fischl B, Dale AM, PNAS 2000;97:11050-11055"),
        defined("area", "mm2", "area of the white surface of a cortical region (column SurfArea).",
                _DALE),
        defined("surface_holes", "1", "holes in both surfaces before they were mended "
                "(SurfaceHoles): how rough the image was.", _DALE, role="confound"),
        Definition(HEAD_SIZE, "anat", "mm3", f"{title}: estimated total intracranial "
                   "volume (eTIV), as the measure that its volumes are adjusted for.", _BUCKNER,
                   role="confound", given_by="table"),
    )  # fmt: skip


def files(settings: IngressSettings) -> list[str]:
    """Paths below the folder that are read, as far as they are there."""
    folder = Path(settings.folder)
    cortex = settings.cortex
    wanted = [
        *(f"stats/{name}" for name in SEGMENTATIONS),
        *(f"stats/{side}.{cortex}.stats" for side in ("lh", "rh")),
        *(f"scripts/{name}" for name in _PROGRESS),
        "base-tps",
    ]
    found = []
    for name in _folders(folder):
        there = [f"{name}/{path}" for path in wanted if (folder / name / path).is_file()]
        # A folder without tables is a person of whom nothing is there.
        found += there or [f"{name}/"]
    return found


def read(settings: IngressSettings) -> Ingested:
    """Markers of everybody below ``SUBJECTS_DIR``.

    Parameters
    ----------
    settings
        The folder and the parcellation of the cortex.

    Returns
    -------
    Ingested
        ``<prefix>_volume``, ``_thickness``, ``_area``, ``_surface_holes`` and the head size. Of a
        visit with a longitudinal folder (``X.long.BASE``) that one counts.

    Raises
    ------
    DatasetError
        A table is cut off within a row, or holds what is no number.
    """
    ingested = Ingested()
    long, visits = _visits(settings)
    for who, name in sorted(visits.items()):
        _read_visit(Path(settings.folder) / name, who, settings, ingested)
    tell_lost_regions(ingested)
    if long and long < len(visits):
        ingested.notes.append(
            f"FreeSurfer: {long} of {len(visits)} visits come of the longitudinal stream, the "
            "others do not; their numbers do not compare."
        )
    return ingested


def _folders(folder: Path) -> list[str]:
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and path.name[0] != "." and not _NOBODY.fullmatch(path.name)
    )


def _visits(settings: IngressSettings) -> tuple[int, dict[tuple[str, str], str]]:
    """How many visits are longitudinal, and the folder of each visit."""
    folder = Path(settings.folder)
    names = _folders(folder)
    bases = {match["base"] for name in names if (match := _LONG.fullmatch(name))}
    visits: dict[tuple[str, str], str] = {}
    long = 0
    for name in names:
        match = _LONG.fullmatch(name)
        if name in bases or (folder / name / "base-tps").exists():
            continue
        visit = match["visit"] if match else name
        who = person_of(visit, settings.session) or (
            participant_label(visit),
            settings.session or "",
        )
        if who in visits and not match and not _LONG.fullmatch(visits[who]):
            raise DatasetError(
                " ".join(filter(None, who)),
                found=f"the folders {visits[who]} and {name} are of the same visit",
                wanted="a folder for each visit, as sub-01_ses-1",
                mend=f"Rename or remove one of them in {folder.name}",
            )
        if match or who not in visits:
            long += match is not None
            visits[who] = name
    return long, visits


def _read_visit(
    folder: Path, who: tuple[str, str], settings: IngressSettings, ingested: Ingested
) -> None:
    """Add the rows of one visit, or why there are none."""
    broken = _unfinished(folder)
    if broken:
        ingested.absences.append(Absence(*who, "recon-all", "failed", broken))
        return
    prefix = PREFIXES[settings.tool]
    head = next((n for n in SEGMENTATIONS if (folder / "stats" / n).is_file()), SEGMENTATIONS[0])
    tables = {
        head: _segmentation_rows,
        f"lh.{settings.cortex}.stats": _cortex_rows,
        f"rh.{settings.cortex}.stats": _cortex_rows,
    }
    rows: list[Marker] = []
    versions = set()
    for name, rows_of in tables.items():
        path = folder / "stats" / name
        if not path.is_file():
            cause = f"{folder.name}/stats has no {name}"
            ingested.absences.append(Absence(*who, name, "missing", cause))
            continue
        try:
            table = stats_table(path)
            rows += rows_of(table, who, prefix)
        except DatasetError as error:
            ingested.absences.append(Absence(*who, name, "failed", str(error)))
            continue
        versions.add(table.version)
    if not any(row.marker == HEAD_SIZE for row in rows):
        rows += _head_size(folder, who, settings)
    if rows:
        known = _stamp(folder) or next(iter(sorted(filter(None, versions), reverse=True)), "")
        if known and settings.tool == "fastsurfer":
            known = f"one with FreeSurfer {known}"
        ingested.versions[who] = known
    ingested.rows += rows


def _unfinished(folder: Path) -> str:
    """Why the tool did not come to its end; empty where it did, or nothing says it."""
    scripts = folder / "scripts"
    if any(scripts.glob("IsRunning*")):
        return f"recon-all still runs or was killed: {folder.name}/scripts has an IsRunning file"
    error, done = scripts / "recon-all.error", scripts / "recon-all.done"
    if error.exists() and not done.exists():
        return f"recon-all ended with an error: {folder.name}/scripts/recon-all.error"
    log = scripts / "recon-all.log"
    if log.exists() and not done.exists():
        return f"recon-all was not finished: {folder.name}/scripts has no recon-all.done"
    return ""


def _segmentation_rows(table: StatsTable, who: tuple[str, str], prefix: str) -> list[Marker]:
    """Volumes of structures, head size and surface holes."""
    head, _ = table.measures.get("eTIV", (0.0, ""))
    odd = head and not ETIV_MM3[0] <= head <= ETIV_MM3[1]
    rows = []
    for name, value in table.column("Volume_mm3"):
        if name.startswith(("ctx-", "Unknown")):
            continue
        region = region_of(name)
        empty = value <= 0 and not region.startswith(_MAY_BE_EMPTY)
        rows.append(
            _marker(who, f"{prefix}_volume", region, value, "mm3", flagged=bool(odd or empty))
        )
    for key, marker, region, unit in (
        ("eTIV", HEAD_SIZE, "eTIV", "mm3"),
        ("SurfaceHoles", f"{prefix}_surface_holes", "brain", "1"),
    ):
        if key in table.measures:
            value = table.measures[key][0]
            rows.append(_marker(who, marker, region, value, unit, flagged=bool(odd)))
    return rows


def _cortex_rows(table: StatsTable, who: tuple[str, str], prefix: str) -> list[Marker]:
    """Thickness, area and volume of one side's cortical regions."""
    side = SIDES[table.path.name[:2]]
    rows = []
    for column, marker, unit in _CORTEX:
        for name, value in table.column(column):
            if name in ("unknown", "corpuscallosum"):
                continue
            low, high = THICKNESS_MM if marker == "thickness" else (1e-9, float("inf"))
            flagged = not low <= value <= high
            rows.append(
                _marker(who, f"{prefix}_{marker}", f"{name}_{side}", value, unit, flagged=flagged)
            )
    if "MeanThickness" in table.measures:
        value = table.measures["MeanThickness"][0]
        rows.append(_marker(who, f"{prefix}_thickness", f"cortex_{side}", value, "mm"))
    return rows


def _head_size(folder: Path, who: tuple[str, str], settings: IngressSettings) -> list[Marker]:
    """Head size from a cortical table, where that of the segmentation has none."""
    path = folder / "stats" / f"lh.{settings.cortex}.stats"
    if not path.is_file():
        return []
    try:
        value, _ = stats_table(path).measures["eTIV"]
    except (DatasetError, KeyError):
        return []
    odd = not ETIV_MM3[0] <= value <= ETIV_MM3[1]
    return [_marker(who, HEAD_SIZE, "eTIV", value, "mm3", flagged=odd)]


def _stamp(folder: Path) -> str:
    """Version of FreeSurfer as its build stamp tells it; empty where there is none."""
    path = folder / "scripts" / "build-stamp.txt"
    match = VERSION.search(path.read_text(errors="replace")) if path.is_file() else None
    return match[0] if match else ""


def _marker(
    who: tuple[str, str],
    marker: str,
    region: str,
    value: float,
    unit: str,
    *,
    flagged: bool = False,
) -> Marker:
    return Marker(*who, "anat", region, marker, value, unit, "flag" if flagged else "ok")
