"""Which images in ``fmap/`` describe the magnetic field of a series."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commissure.dataset.associations import Associations

#: Suffixes of field maps and of the magnitude image that lies on their grid.
_MAGNITUDES = {
    "phasediff": ("magnitude1", "magnitude2", "magnitude"),
    "phase1": ("magnitude1", "magnitude"),
    "fieldmap": ("magnitude", "magnitude1"),
}


def field_maps_of(associations: Associations, root: Path, path: str) -> dict[str, str]:
    """Field maps that say they are for an image, by what they are.

    BIDS has two ways to say so: ``IntendedFor``, and ``B0FieldIdentifier`` of the one with
    ``B0FieldSource`` of the other.

    Parameters
    ----------
    associations
        Of the dataset.
    root
        The dataset.
    path
        The image below it.

    Returns
    -------
    dict
        ``epi`` and ``epi_json`` (of several the first whose phase encoding is opposite), with
        ``epi_bval`` where it has b-values; and one of ``fieldmap``, ``phasediff``, or ``phase1``
        with ``phase2``, each with its ``_json``, and ``magnitude``.
    """
    belonging = list(_belonging(associations, root, path))
    return {
        **_opposed(associations, root, path, belonging),
        **_measured(associations, belonging),
    }


_Belonging = tuple[str, str, str, dict[str, Any]]


def _belonging(associations: Associations, root: Path, path: str) -> Iterator[_Belonging]:
    """Path, suffix, sidecar and its content of the field maps that name an image."""
    subject, suffix = path.split("/")[0], associations.parsed[path][1]
    folder = path.rsplit("/", 2)[0] + "/fmap"
    candidates = [
        (candidate, kind, sidecars[-1])
        for candidate in sorted(associations.by_folder.get(folder, ()))
        if associations.is_image(candidate)
        and (kind := associations.parsed[candidate][1]) in ("epi", "phase2", *_MAGNITUDES)
        and (sidecars := associations.applying(candidate, kind, ".json"))
    ]
    if not candidates:
        return
    fields = associations.fields(root, associations.applying(path, suffix, ".json"))
    sources = set(listed(fields.get("B0FieldSource")))
    for candidate, kind, sidecar in candidates:
        content = associations.fields(root, [sidecar])
        meant = {text.rpartition(":")[2] for text in listed(content.get("IntendedFor"))}
        meant |= {f"{subject}/{text}" for text in meant}
        if path in meant or sources & set(listed(content.get("B0FieldIdentifier"))):
            yield candidate, kind, sidecar, content


def _opposed(
    associations: Associations, root: Path, path: str, belonging: list[_Belonging]
) -> dict[str, str]:
    suffix = associations.parsed[path][1]
    fields = associations.fields(root, associations.applying(path, suffix, ".json"))
    fitting = []
    for candidate, kind, sidecar, content in belonging:
        if kind == "epi":
            senses = {str(x.get("PhaseEncodingDirection")).endswith("-") for x in (fields, content)}
            fitting.append((len(senses) == 1, candidate, sidecar))
    if not fitting:
        return {}
    _, candidate, sidecar = min(fitting)
    associated = {"epi": candidate, "epi_json": sidecar}
    if bvals := associations.applying(candidate, "epi", ".bval"):
        associated["epi_bval"] = bvals[-1]
    return associated


def same_sense_of(
    associations: Associations, root: Path, path: str, opposed: str
) -> dict[str, str]:
    """The image in ``fmap/`` that is encoded as an image is, beside one with the opposite sense.

    Spin-echo images of both senses show a field better than one of them with a BOLD series does,
    whose contrast is another.

    Parameters
    ----------
    associations, root, path
        As in :func:`field_maps_of`.
    opposed
        The image of the opposite sense, ``epi`` of :func:`field_maps_of`.

    Returns
    -------
    dict
        ``epi_same`` and ``epi_same_json``; empty where there is none.
    """
    fields = associations.fields(root, associations.applying(path, "bold", ".json"))
    encoded = fields.get("PhaseEncodingDirection")
    for candidate, kind, sidecar, content in _belonging(associations, root, path):
        same = encoded and content.get("PhaseEncodingDirection") == encoded
        if kind == "epi" and candidate != opposed and same:
            return {"epi_same": candidate, "epi_same_json": sidecar}
    return {}


def _measured(associations: Associations, belonging: list[_Belonging]) -> dict[str, str]:
    """A field map from gradient echoes, with its magnitude: in Hz, or as phases."""
    for wanted in ("fieldmap", "phasediff", "phase1"):
        for candidate, kind, sidecar, _ in belonging:
            if kind != wanted:
                continue
            associated = {kind: candidate, f"{kind}_json": sidecar}
            magnitude = _beside(associations, candidate, _MAGNITUDES[kind])
            if magnitude:
                associated["magnitude"] = magnitude
            if kind != "phase1":
                return associated
            second = _beside(associations, candidate, ("phase2",))
            sidecars = associations.applying(second, "phase2", ".json") if second else []
            if second and sidecars:
                return {**associated, "phase2": second, "phase2_json": sidecars[-1]}
    return {}


def _beside(associations: Associations, path: str, suffixes: tuple[str, ...]) -> str:
    """The image with the same entities and one of these suffixes, the first of them first."""
    entities = associations.parsed[path][0]
    folder = path.rpartition("/")[0]
    for suffix in suffixes:
        for candidate in sorted(associations.by_folder[folder]):
            required, kind, _ = associations.parsed[candidate]
            if kind == suffix and required == entities and associations.is_image(candidate):
                return candidate
    return ""


def listed(value: Any) -> list[str]:
    """A sidecar's value that may be one text or several."""
    return [str(item) for item in (value if isinstance(value, list) else [value]) if item]
