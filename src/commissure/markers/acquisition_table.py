"""How the images of a study were acquired: what a paper counts in its methods."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import pandas as pd

from commissure.dataset.index import Entry, read_entries
from commissure.errors import DatasetError
from commissure.images.load import zooms_mm
from commissure.names import read_sidecars
from commissure.outputs import ACQUISITION

#: Keys under which an image of the magnetic field is associated with a scan.
_FIELD_MAPS = ("epi", "fieldmap", "phasediff", "phase1")


def acquisition_table(manifests: Iterable[Path | str], dataset: Path | str | None) -> pd.DataFrame:
    """Read how every image that is used was acquired.

    Parameters
    ----------
    manifests
        Manifests of all batches.
    dataset
        The BIDS dataset.

    Returns
    -------
    pandas.DataFrame
        With the columns of :data:`commissure.outputs.ACQUISITION`. Of a sidecar that cannot be
        read nothing is known: the step that needs it says so.
    """
    if dataset is None:
        return ACQUISITION.frame()
    entries = [entry for path in manifests for entry in read_entries(Path(path)) if entry.used]
    unique = {entry.scan: entry for entry in entries}
    return ACQUISITION.frame(_row(entry, Path(dataset)) for _, entry in sorted(unique.items()))


def _row(entry: Entry, dataset: Path) -> tuple[object, ...]:
    try:
        fields = read_sidecars([dataset / path for path in entry.sidecars], who=entry.scan)
    except DatasetError:
        fields = {}
    echo = _number(fields.get("EchoTime"))
    return (
        entry.participant_id,
        entry.session or None,
        entry.modality,
        entry.scan,
        _text(fields, "Manufacturer"),
        _text(fields, "ManufacturersModelName"),
        _text(fields, "SoftwareVersions"),
        _number(fields.get("MagneticFieldStrength")),
        _voxel(dataset / entry.scan) if entry.modality != "mrs" else None,
        _number(fields.get("RepetitionTime")),
        None if echo is None else 1000 * echo,
        bool(fields.get("SliceTiming")),
        any(key in entry.associated for key in _FIELD_MAPS),
    )


def _voxel(path: Path) -> float | None:
    """Longest side of a voxel, from the header alone; None where it cannot be read."""
    try:
        image: Any = nib.load(path)
        return round(max(zooms_mm(image.affine)), 3)
    except (OSError, ValueError, EOFError, nib.filebasedimages.ImageFileError):
        return None


def _text(fields: Mapping[str, Any], key: str) -> str | None:
    value = fields.get(key)
    return " ".join(value.split())[:80] or None if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None
