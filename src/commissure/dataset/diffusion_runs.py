"""Which diffusion images of a visit are one acquisition in several runs.

Protocols split a table into runs, repeat it, or acquire it with opposite phase encodings. Such runs
differ in the entities ``run`` and ``dir`` alone. An image with b0 volumes alone and the opposite
phase encoding is a field map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commissure.dataset.associations import Associations

#: Largest b-value (s/mm²) of what counts as unweighted here.
_UNWEIGHTED_MAX = 150.0

#: By how much the echo times of runs of one acquisition may differ, s.
_ECHO_TOLERANCE_S = 1e-3


@dataclass(frozen=True)
class Acquisition:
    """Diffusion images that are processed together.

    Attributes
    ----------
    runs
        Paths of the weighted images; the results carry the name of the first.
    opposed
        An image of b0 volumes with the opposite phase encoding, or empty.
    idle
        Images of b0 volumes that serve nothing.
    """

    runs: tuple[str, ...]
    opposed: str = ""
    idle: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Image:
    path: str
    entities: dict[str, str]
    fields: dict[str, Any]
    weighted: int
    complete: bool
    listed: bool

    @property
    def encoding(self) -> str:
        return str(self.fields.get("PhaseEncodingDirection") or "")


def acquisitions(associations: Associations, root: Path, folder: str) -> list[Acquisition]:
    """Sort the diffusion images of a folder into acquisitions.

    Parameters
    ----------
    associations
        Of the dataset.
    root
        The dataset.
    folder
        A visit's ``dwi/`` below it.
    """
    images = [
        _read(associations, root, path)
        for path in sorted(associations.by_folder.get(folder, ()))
        if associations.parsed[path][1] == "dwi"
        and associations.is_image(path)
        and "part" not in associations.parsed[path][0]
    ]
    series = [image for image in images if image.weighted and image.complete]
    groups: list[list[_Image]] = []
    for image in series:
        group = next((group for group in groups if _together(group[0], image)), None)
        if group is None:
            groups.append([image])
        else:
            group.append(image)
    unweighted = [image for image in images if not image.weighted and image.complete]
    sorted_images = [_acquisition(group, unweighted) for group in groups]
    serving = {acquisition.opposed for acquisition in sorted_images}
    # Without b-values nothing says that there are b0 volumes alone: its step says what is missing.
    idle = tuple(x.path for x in unweighted if x.listed and x.path not in serving)
    return [replace(sorted_images[0], idle=idle), *sorted_images[1:]] if groups else []


def _acquisition(group: Sequence[_Image], unweighted: Sequence[_Image]) -> Acquisition:
    lead = max(group, key=lambda image: image.weighted)
    runs = (lead.path, *(image.path for image in group if image is not lead))
    if len({image.encoding for image in group}) > 1:
        return Acquisition(runs)
    fitting = [
        (image.entities.get("acq") != lead.entities.get("acq"), image.path)
        for image in unweighted
        if image.encoding and _opposite(image.encoding, lead.encoding)
    ]
    return Acquisition(runs, min(fitting)[1] if fitting else "")


def _read(associations: Associations, root: Path, path: str) -> _Image:
    fields = associations.fields(root, associations.applying(path, "dwi", ".json"))
    tables = [associations.applying(path, "dwi", f".{kind}") for kind in ("bval", "bvec")]
    weighted = _weighted_volumes(root / tables[0][-1]) if tables[0] else 0
    # Weighted volumes without directions are no run: the step that reads them says so.
    complete = weighted is not None and (not weighted or bool(tables[1]))
    entities = dict(associations.parsed[path][0])
    return _Image(path, entities, fields, weighted or 0, complete, bool(tables[0]))


def _weighted_volumes(path: Path) -> int | None:
    """How many b-values are above those of b0; None where the file cannot be read."""
    try:
        values = [float(text) for text in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError):
        return None
    return sum(value > _UNWEIGHTED_MAX or not math.isfinite(value) for value in values)


def _together(first: _Image, second: _Image) -> bool:
    """Whether two weighted images are runs of one acquisition."""
    known = bool(first.encoding and second.encoding)
    # Without a known phase encoding, images of two directions cannot be joined.
    apart = {"run"} | ({"dir"} if known else set())
    entities = [
        {key: value for key, value in image.entities.items() if key not in apart}
        for image in (first, second)
    ]
    if entities[0] != entities[1] or first.encoding.rstrip("-") != second.encoding.rstrip("-"):
        return False
    ours, theirs = (image.fields.get("EchoTime") for image in (first, second))
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return abs(ours - theirs) <= _ECHO_TOLERANCE_S
    return True


def _opposite(first: str, second: str) -> bool:
    return first != second and first.rstrip("-") == second.rstrip("-")
