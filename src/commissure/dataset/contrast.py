"""Of several T1w images of a visit that names do not tell apart, the one with most contrast."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from commissure.dataset.index import Entry
from commissure.errors import DatasetError
from commissure.files import write_json
from commissure.images.contrast import tissue_contrast
from commissure.images.load import load_image

#: Counted up when contrast is measured in another way.
VERSION = 1


def of_most_contrast(entries: Sequence[Entry], root: Path, work: Path) -> list[Entry]:
    """Leave one T1w image of each visit in use, and say of the others why they are not.

    Parameters
    ----------
    entries
        Of one modality, in any order; those that are in use may be several of a visit.
    root
        The dataset.
    work
        The run's folder for internal files, where what was measured is kept.

    Returns
    -------
    list of Entry
        In the same order.
    """
    visits: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.used:
            visits.setdefault((entry.participant_id, entry.session), []).append(entry)
    passed_over: dict[str, str] = {}
    for equal in visits.values():
        if len(equal) == 1:
            continue
        contrast = {entry.scan: _measured(entry, root, work / "contrast") for entry in equal}
        best = max(equal, key=lambda entry: contrast[entry.scan])
        for entry in equal:
            if entry is not best:
                passed_over[entry.scan] = (
                    f"another T1w image of this visit has more contrast "
                    f"({best.scan.rsplit('/', 1)[-1]}: {contrast[best.scan]:.2f}, this one "
                    f"{contrast[entry.scan]:.2f})"
                )
    return [
        replace(entry, used=False, note=passed_over[entry.scan])
        if entry.scan in passed_over
        else entry
        for entry in entries
    ]


def _measured(entry: Entry, root: Path, folder: Path) -> float:
    """Contrast of an image, as kept or measured; 0 where it cannot be read."""
    record = folder / f"{entry.scan.rsplit('/', 1)[-1].split('.')[0]}.json"
    key = f"{VERSION} {entry.fingerprint}"
    try:
        kept = json.loads(record.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return float(kept["contrast"])
    except (OSError, ValueError, TypeError, KeyError):
        pass
    scan = entry.scan_in(root)
    try:
        contrast = tissue_contrast(load_image(scan.path, who=scan.who, ndim=3, nan_around=True))
    except DatasetError:
        return 0.0
    write_json({"key": key, "contrast": contrast}, record)
    return contrast
