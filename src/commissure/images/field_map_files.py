"""Which field maps of a person serve no series, in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commissure.names import Scan, read_sidecars

#: Suffixes of images that tell of the field by themselves.
_FIELD_MAPS = ("epi", "phasediff", "phase1", "fieldmap")


def unused_field_maps(scan: Scan) -> list[str]:
    """Say which field maps serve no image, or name a series from another session.

    Parameters
    ----------
    scan
        A series for which no field map serves.

    Returns
    -------
    list of str
        Sentences; empty where every field map of the visit names an image that is there.
    """
    visit = scan.path.parent.parent
    person = visit.parent if scan.session else visit
    idle, lost, elsewhere = [], [], []
    for path in _field_maps(person):
        fields = _fields_of(path, scan.who)
        named = _intended(fields)
        targets = [folder / text for text in named for folder in (person.parent, person)]
        if path.parent.parent != visit:
            if scan.path in targets:
                elsewhere.append(_stem(path))
        elif not named and not fields.get("B0FieldIdentifier"):
            idle.append(_stem(path))
        elif named and not any(target.exists() for target in targets):
            lost.append(f"{_stem(path)} (for {', '.join(named)})")
    sentences = []
    if idle:
        sentences.append(
            f"{', '.join(idle)} name no image (IntendedFor, or B0FieldIdentifier with "
            "B0FieldSource of the series)"
        )
    if lost:
        sentences.append(f"{', '.join(lost)} name images that are not there (IntendedFor)")
    if elsewhere:
        sentences.append(
            f"{', '.join(elsewhere)} name the series, but are of another session, in which head "
            "and shim were others"
        )
    return [f"Susceptibility is not corrected: {sentence}." for sentence in sentences]


def visit_field_maps(scan: Scan) -> list[str]:
    """Names of the field maps of a series' visit, whatever they are for."""
    visit = scan.path.parent.parent
    return [_stem(path) for path in _field_maps(visit) if path.parent.parent == visit]


def _field_maps(person: Path) -> list[Path]:
    """Images or sidecars in the ``fmap/`` folders of a person that tell of the field."""
    by_stem = {
        path.parent / _stem(path): path
        for folder in ("fmap", "ses-*/fmap")
        for extension in ("json", "nii", "nii.gz")
        for path in person.glob(f"{folder}/*.{extension}")
        if _stem(path).rpartition("_")[2] in _FIELD_MAPS
    }
    return [by_stem[stem] for stem in sorted(by_stem)]


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]


def _fields_of(path: Path, who: str) -> dict[str, Any]:
    sidecar = path.with_name(f"{_stem(path)}.json")
    return read_sidecars([sidecar] if sidecar.is_file() else [], who=who)


def _intended(fields: Mapping[str, Any]) -> list[str]:
    """Images that a field map names, as paths below the dataset or the person."""
    named = fields.get("IntendedFor") or []
    named = named if isinstance(named, list) else [named]
    return [str(text).rpartition(":")[2] for text in named]
