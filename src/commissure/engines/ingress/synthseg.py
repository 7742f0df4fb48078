"""SynthSeg: volumes and the scores of its own quality control, from its CSV files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from commissure.definitions import HEAD_SIZE, Definition
from commissure.engines.ingress.results import (
    Absence,
    Ingested,
    files_below,
    number_of,
    person_of,
    tell_lost_regions,
)
from commissure.engines.ingress.settings import IngressSettings
from commissure.engines.ingress.structures import ETIV_MM3, region_of
from commissure.errors import DatasetError
from commissure.rows import Marker
from commissure.tables.delimited import Cells, read_cells

#: A segmentation with a lower score in any region is flagged: its authors leave such scans out.
SCORE_MIN = 0.65

#: Headings that tell a table of volumes and one of scores from any other CSV.
_VOLUMES = "left cerebral white matter"
_SCORES = "general white matter"

#: Headings of the whole head and of what is no structure of it.
_HEAD = "total intracranial"
_SUBJECT = "subject"

_BILLOT = "Billot B et al., Med Image Anal 2023;86:102789"
_ROBUST = "Billot B et al., PNAS 2023;120:e2216399120"


def definitions() -> tuple[Definition, ...]:
    """What the markers mean."""
    return (
        Definition("synthseg_volume", "anat", "mm3", "SynthSeg: volume of a structure, or of grey "
                   "matter of a cortical region, as the sum of its probabilities.", _BILLOT,
                   adjust="head_size", given_by="table"),
        Definition("synthseg_qc", "anat", "1", "SynthSeg: the Dice overlap that its quality "
                   "control expects of a region.", _ROBUST, role="confound", given_by="table"),
        Definition(HEAD_SIZE, "anat", "mm3", "SynthSeg: total intracranial volume, as the measure "
                   "that its volumes are adjusted for.", _BILLOT, role="confound",
                   given_by="table"),
    )  # fmt: skip


def files(settings: IngressSettings) -> list[str]:
    """CSV files below the folder; which of them are SynthSeg's, their headings say."""
    return list(files_below(Path(settings.folder), (".csv",), depth=5))


def read(settings: IngressSettings) -> Ingested:
    """Volumes and scores of everybody.

    Raises
    ------
    DatasetError
        There is no table of volumes, a row names nobody, or two are of one visit.
    """
    folder, ingested = Path(settings.folder), Ingested()
    volumes: list[tuple[str, Cells]] = []
    scores: list[tuple[str, Cells]] = []
    for name in files(settings):
        kind = _kind(folder / name)
        if kind:
            (volumes if kind == _VOLUMES else scores).append((name, read_cells(folder / name)))
    if not volumes:
        raise DatasetError(
            folder.name,
            found="it has no CSV file with volumes of SynthSeg",
            wanted=f"a table with the columns {_SUBJECT} and {_VOLUMES}",
            mend="Run mri_synthseg with --vol, or correct ingress[].folder",
        )
    low: dict[tuple[str, str], str] = {}
    judged = set()
    for name, table in scores:
        for row, who in _people(name, table, settings):
            judged.add(who)
            values = dict(_values(table, row, whole=False))
            for region, value in values.items():
                ingested.rows.append(Marker(*who, "anat", region, "synthseg_qc", value, "1"))
            if values and min(values.values()) < SCORE_MIN:
                low[who] = min(values, key=lambda region: values[region])
    seen: dict[tuple[str, str], str] = {}
    for name, table in volumes:
        for row, who in _people(name, table, settings):
            first = seen.setdefault(who, f"{name} {row}")
            if first != f"{name} {row}":
                raise DatasetError(
                    " ".join(filter(None, who)),
                    found=f"two rows of {name} or of another table are of the same visit",
                    wanted="one segmentation of each visit",
                    mend="Leave the other out of the table",
                )
            try:
                ingested.rows += _volumes(table, row, who, doubtful=who in low)
            except DatasetError as error:
                ingested.absences.append(Absence(*who, "volumes", "failed", str(error)))
                continue
            ingested.versions[who] = ""
    unjudged = len(set(ingested.versions) - judged)
    if unjudged:
        ingested.notes.append(
            f"SynthSeg: {unjudged} of {len(ingested.versions)} segmentations have no scores "
            "(--qc): nothing says whether they came out."
        )
    tell_lost_regions(ingested)
    return ingested


def _kind(path: Path) -> str:
    """Which of the two tables a CSV file is; empty where it is none of them."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = [cell.strip().casefold() for cell in file.readline().split(",")]
    if header[0] != _SUBJECT:
        return ""
    return next((name for name in (_VOLUMES, _SCORES) if name in header), "")


def _people(
    name: str, table: Cells, settings: IngressSettings
) -> Iterator[tuple[int, tuple[str, str]]]:
    """Number of each row, and whom it is of: by the image's name, else by the table's own path."""
    for row, subject in enumerate(table.column(_SUBJECT)):
        who = person_of(subject.replace("\\", "/"), settings.session) or person_of(
            name, settings.session
        )
        if who is None:
            raise DatasetError(
                table.where(row),
                found=f"its subject is '{subject}', and the path of the table names nobody",
                wanted="the name of an image as sub-01_T1w",
                mend="Give SynthSeg images named by person, or one folder for each",
            )
        yield row, who


def _values(table: Cells, row: int, *, whole: bool) -> Iterator[tuple[str, float]]:
    """Region and value of a row; ``whole`` where an empty cell is a row that was cut."""
    for name in table.header:
        if name.casefold() == _SUBJECT:
            continue
        cell = table.column(name)[row]
        if cell or whole:
            yield (
                _region(name) if whole else name.replace(" ", "_"),
                number_of(cell, path=table.path, what=name),
            )


def _region(name: str) -> str:
    """SynthSeg's words as a region: ``left cerebral white matter`` is ``CerebralWhiteMatter_L``."""
    if name.startswith("ctx-"):
        _, side, region = name.split("-", 2)
        return f"{region}_{'L' if side == 'lh' else 'R'}"
    if name.casefold() == "csf":
        return "CSF"
    words = name.replace(" area", "").replace("-", " ").split()
    return region_of("-".join(word if word.isupper() else word.capitalize() for word in words))


def _volumes(table: Cells, row: int, who: tuple[str, str], *, doubtful: bool) -> list[Marker]:
    """Volumes of one row, flagged where a score is low, the head is odd or a structure empty."""
    values = dict(_values(table, row, whole=True))
    head = values.pop(_region(_HEAD), None)
    odd = head is not None and not ETIV_MM3[0] <= head <= ETIV_MM3[1]
    rows = [
        Marker(*who, "anat", region, "synthseg_volume", value, "mm3",
               "flag" if doubtful or odd or value <= 0 else "ok")
        for region, value in values.items()
    ]  # fmt: skip
    if head is not None:
        quality = "flag" if doubtful or odd else "ok"
        rows.append(Marker(*who, "anat", "TIV", HEAD_SIZE, head, "mm3", quality))  # type: ignore[arg-type]
    return rows
