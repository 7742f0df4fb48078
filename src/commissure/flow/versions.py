"""What is said at the start where a configuration or results are of another version."""

from __future__ import annotations

import json
from pathlib import Path

from commissure import __version__
from commissure.outputs import RUN


def version_notes(written_for: str | None, output_dir: Path) -> list[str]:
    """Sentences on a configuration and on results of another version, each with what to do.

    Parameters
    ----------
    written_for
        ``version`` of the configuration; None where it does not say.
    output_dir
        Folder of an earlier run, if there was one.
    """
    notes = []
    if written_for is not None and _series(written_for) != _series(__version__):
        notes.append(
            f"config.yaml was written for version {written_for}, and this is {__version__}. "
            "Options may have got another default: compare docs/configuration.md and "
            f"CHANGELOG.md, then set version: {__version__}"
        )
    earlier = _version_of(output_dir / RUN.path)
    if earlier and earlier != __version__:
        notes.append(
            f"The results in {output_dir} are of version {earlier}, and this is {__version__}. "
            "Whatever its changed code reaches is computed again; to keep the earlier results, "
            "name another output_dir"
        )
    return notes


def _series(version: str) -> list[str]:
    """The part of a version within which options keep their meaning: ``0.1`` of ``0.1.3``."""
    return version.strip().split(".")[:2]


def _version_of(record: Path) -> str:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        return str(content.get("version") or "")[:40]
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""
