"""What an engine left of all visits of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from commissure.errors import DatasetError
from commissure.images.load import load_labels
from commissure.lesion.derivatives import LesionFiles
from commissure.lesion.follow_up import VisitRecord
from commissure.lesion.measures import LesionMeasures, MeasuredMask, measured_mask
from commissure.lesion.visits import visits_in_order
from commissure.names import Scan, read_sidecars
from commissure.tables.delimited import read_cells


@dataclass(frozen=True)
class ReadVisit:
    """One visit as an engine left it.

    Attributes
    ----------
    scan, record
        Its mask, and what is known of it.
    mask
        Its lesions, measured where they were drawn.
    in_baseline, covered
        (X, Y, Z) on the grid of the baseline: the same labels, and where the visit has an image.
    matrix
        4x4, mm of the baseline to mm of the visit.
    organs
        The organ of each lesion that the table of labels names.
    agreement
        How far the passes of a network agree (Dice coefficient); None where masks were given, or
        nothing was marked.
    """

    scan: Scan
    record: VisitRecord
    mask: MeasuredMask
    in_baseline: np.ndarray
    covered: np.ndarray
    matrix: np.ndarray
    organs: dict[LesionMeasures, str]
    agreement: float | None = None


@dataclass(frozen=True)
class ReadPatient:
    """All visits of a person that were preprocessed, the baseline first.

    Attributes
    ----------
    visits
        At least one.
    radiotherapy_end_day
        See :class:`commissure.lesion.readings.Patient`.
    notes
        What is to be known about the visits.
    """

    visits: tuple[ReadVisit, ...]
    radiotherapy_end_day: float | None
    notes: tuple[str, ...]


def read_patient(scans: Sequence[Scan], scan: Scan, folder: Path) -> ReadPatient:
    """Read what an engine left of the visits of a person.

    Parameters
    ----------
    scans
        The masks of all visits.
    scan
        One of them, which has to be there.
    folder
        Its ``lesion/`` below the output directory.

    Raises
    ------
    DatasetError
        The visit, or the baseline, was not preprocessed; or a file cannot be read.
    """
    visits = visits_in_order(scans)
    person = folder.parent.parent if scan.session else folder.parent
    read, notes = [], list(visits.notes)
    for one, record in zip(visits.scans, visits.records, strict=True):
        files = LesionFiles.of(one, person / one.session / folder.name)
        if files.complete():
            read.append(_visit(one, record, files))
        elif one is visits.baseline or one.path == scan.path:
            raise DatasetError(
                one.who,
                found="its lesions are not there, since preprocessing did not succeed"
                + (" at the baseline" if one is visits.baseline else ""),
                mend="Mend what status and log of lesion_preprocess say of it",
            )
        else:
            notes.append(f"{one.session} was not preprocessed, and is left out")
    return ReadPatient(tuple(read), visits.radiotherapy_end_day, tuple(notes))


def _visit(scan: Scan, record: VisitRecord, files: LesionFiles) -> ReadVisit:
    sidecar = read_sidecars((files.sidecar,), who=scan.who) if files.sidecar.exists() else {}
    mask = measured_mask(load_labels(files.labels, who=scan.who), who=scan.who)
    given = [str(flag) for flag in sidecar.get("Flags", ())]
    mask = replace(mask, flags=tuple(dict.fromkeys((*given, *mask.flags))))
    there, reached = (
        np.asanyarray(load_labels(path, who=scan.who).dataobj)
        for path in (files.in_baseline, files.covered)
    )
    matrix = np.array(sidecar.get("Matrix", np.eye(4)), float)
    return ReadVisit(
        scan, record, mask, there.astype(np.int32), reached > 0, matrix, _organs(scan, mask),
        sidecar.get("Network", {}).get("Agreement"),
    )  # fmt: skip


def _organs(scan: Scan, mask: MeasuredMask) -> dict[LesionMeasures, str]:
    """Organs of lesions by the table of labels: its column ``organ`` for each ``index``.

    A table of one row says the organ of all.
    """
    path = scan.associated.get("labels")
    if path is None:
        return {}
    table = read_cells(path)
    if not {"index", "organ"} <= set(table.header):
        return {}
    organs = dict(zip(table.column("index"), table.column("organ"), strict=True))
    if len(organs) == 1:
        organs = dict.fromkeys((str(lesion.label) for lesion in mask.lesions), *organs.values())
    return {
        lesion: organs[str(lesion.label)] for lesion in mask.lesions if str(lesion.label) in organs
    }
