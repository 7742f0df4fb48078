"""Which study an output folder is of: a few letters that its ratings carry, so that none are mixed.

They follow from the dataset's name and people as they were when the folder was first used, and
stay when people join.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from commissure.files import write_json

_LETTERS = 12


def study_identity(work: Path, dataset: Path | None, people: Iterable[str]) -> str:
    """Read the identity of a study from its working folder, or give it one.

    Parameters
    ----------
    work
        ``work/`` of the output folder.
    dataset
        The BIDS dataset; None for a study that has only tables.
    people
        Everybody with an image.
    """
    path = work / "study.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["study"])
    except (OSError, ValueError, TypeError, KeyError):
        pass
    content = json.dumps([_name(dataset), sorted(people)])
    identity = hashlib.sha256(content.encode()).hexdigest()[:_LETTERS]
    write_json({"study": identity}, path)
    return identity


def _name(dataset: Path | None) -> str:
    if dataset is None:
        return ""
    try:
        description = json.loads((dataset / "dataset_description.json").read_text(encoding="utf-8"))
        return str(description.get("Name", ""))
    except (OSError, ValueError, AttributeError):
        return ""
