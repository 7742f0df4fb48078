"""BIDS entities and file names: the one place where a file name is put together or taken apart."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commissure.errors import DatasetError

#: Entities in the order that BIDS gives them (https://bids-specification.readthedocs.io, appendix
#: "Entity table"), those of BIDS-Derivatives and of its extension proposal 16 (diffusion) included.
ENTITY_ORDER = (
    "sub", "ses", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain", "rec",
    "dir", "run", "mod", "echo", "flip", "inv", "mt", "part", "proc", "from", "to", "mode",
    "hemi", "space", "split", "recording", "chunk", "atlas", "seg", "scale", "res", "den",
    "label", "model", "param", "desc",
)  # fmt: skip

#: Sidecars of scanners hold kilobytes, those with every DICOM field some megabytes.
_LARGEST_SIDECAR_BYTES = 64 * 2**20

_PAIR = re.compile(r"^([a-zA-Z]+)-([a-zA-Z0-9+]+)$")
_SAFE = re.compile(r"^[a-zA-Z0-9+]+$")


def bids_name(entities: Mapping[str, str], suffix: str, extension: str) -> str:
    """Join entities, suffix and extension into a BIDS file name.

    Parameters
    ----------
    entities
        Values by short entity name (``sub``, ``ses``, ``task`` ...), without the ``key-`` prefix.
        Empty values are left out.
    suffix
        The BIDS suffix, as ``bold``; an empty suffix gives a name that ends in its last entity.
    extension
        With its leading dot, as ``.nii.gz``.

    Raises
    ------
    ValueError
        An entity that BIDS does not know, or a value with other than letters and digits.
    """
    unknown = sorted(set(entities) - set(ENTITY_ORDER))
    if unknown:
        raise ValueError(f"unknown BIDS entities {unknown}; known are {list(ENTITY_ORDER)}")
    for key, value in entities.items():
        if value and not _SAFE.match(value):
            raise ValueError(f"BIDS entity {key}-{value}: a value has letters and digits only")
    parts = [f"{key}-{entities[key]}" for key in ENTITY_ORDER if entities.get(key)]
    return "_".join([*parts, suffix] if suffix else parts) + extension


def sidecar_path(path: Path) -> Path:
    """Where the JSON of a file stands: beside it, under the same name."""
    return path.with_name(path.name.partition(".")[0] + ".json")


def participant_label(identifier: object) -> str:
    """Give a person's identifier with its prefix: ``01``, ``sub-01`` and 01 are all ``sub-01``.

    Identifiers are text: leading zeros count, and those of some cohorts exceed 64 bits.
    """
    text = str(identifier).strip()
    return text if text.startswith("sub-") else f"sub-{text}"


def parse_name(name: str) -> tuple[dict[str, str], str, str]:
    """Split a BIDS file name into entities, suffix and extension.

    Raises
    ------
    ValueError
        The name does not follow the BIDS grammar ``key-value_..._suffix.extension``.
    """
    stem, dot, extension = name.partition(".")
    *pairs, suffix = stem.split("_")
    entities: dict[str, str] = {}
    for pair in pairs:
        match = _PAIR.match(pair)
        if match is None or match[1] in entities:
            raise ValueError(f"{name} is not a BIDS name: '{pair}' is not a new key-value pair")
        entities[match[1]] = match[2]
    if not pairs or not suffix.isalnum():
        raise ValueError(
            f"{name} is not a BIDS name: it does not end in a suffix of letters as _T1w"
        )
    return entities, suffix, dot + extension


@dataclass(frozen=True)
class Scan:
    """One image of the dataset, with what belongs to it.

    Attributes
    ----------
    path
        The image.
    entities
        BIDS entities of the file name.
    suffix
        BIDS suffix, as ``T1w``, ``bold``, ``dwi``, ``svs``.
    sidecars
        JSON files that apply to the image, from the most general to the most specific
        (BIDS inheritance principle).
    associated
        Other files that belong to the image: ``bval``, ``bvec``, ``mrsref``, ``mrsref_json``.
    """

    path: Path
    entities: Mapping[str, str]
    suffix: str
    sidecars: Sequence[Path] = ()
    associated: Mapping[str, Path] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """The person and visit, as error messages name them: ``sub-01 ses-1``."""
        return " ".join(f"{k}-{self.entities[k]}" for k in ("sub", "ses") if self.entities.get(k))

    @property
    def participant_id(self) -> str:
        """The person with prefix, as in the tables: ``sub-01``."""
        return f"sub-{self.entities['sub']}"

    @property
    def session(self) -> str:
        """The visit with prefix, as ``ses-1``; empty where there is none."""
        return f"ses-{self.entities['ses']}" if self.entities.get("ses") else ""

    @property
    def label(self) -> str:
        """The file name without suffix and extension, the prefix of everything derived from it."""
        return bids_name(self.entities, "", "")

    def derivative(self, suffix: str, extension: str, **entities: str) -> str:
        """Name of a file derived from this image: its own entities and those given here.

        An entity given as ``""`` is removed; ``from_`` stands for ``from``.
        """
        changed = {key.rstrip("_"): value for key, value in entities.items()}
        return bids_name({**self.entities, **changed}, suffix, extension)

    def metadata(self) -> dict:
        """Merge the JSON sidecars, the most specific winning.

        Raises
        ------
        DatasetError
            No sidecar applies to the image, or one cannot be read.
        """
        if not self.sidecars:
            raise DatasetError(
                self.who,
                found=f"{self.path.name} has no JSON sidecar",
                wanted="a sidecar beside the image or higher up in the dataset",
                mend=f"Add {self.path.name.partition('.')[0]}.json",
            )
        return read_sidecars(self.sidecars, who=self.who)


def read_sidecars(paths: Sequence[Path], *, who: str) -> dict:
    """Merge JSON sidecars in the order given, later ones winning (BIDS inheritance principle).

    Raises
    ------
    DatasetError
        A file is not a JSON object, is nested too deep to be read, or is far too large to
        describe an image.
    """
    merged: dict = {}
    for path in paths:
        try:
            size = path.stat().st_size
            if size > _LARGEST_SIDECAR_BYTES:
                raise DatasetError(
                    who,
                    found=f"{path.name} has {size / 2**20:.0f} MiB",
                    wanted=f"a description of one image, {_LARGEST_SIDECAR_BYTES // 2**20} MiB "
                    "at most",
                    mend=f"Mend or replace {path.name}",
                )
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            cause = "its values are nested too deep" if isinstance(error, RecursionError) else error
            raise DatasetError(
                who,
                found=f"{path.name} cannot be read as JSON ({cause})",
                mend=f"Mend or replace {path.name}",
            ) from error
        if not isinstance(content, dict):
            raise DatasetError(
                who,
                found=f"{path.name} holds a JSON {type(content).__name__}",
                wanted="an object with named fields",
                mend=f"Mend or replace {path.name}",
            )
        merged.update(content)
    return merged
