"""Checksums of the inputs, each file read once.

A file is read for its SHA-256 the first time; afterwards its checksum is kept as long as its size
and its time of modification stay, as the index of the dataset does it. A second run on 5000 people
therefore asks the disk for 60 000 sizes and times, and reads nothing. What was read is kept in
pieces: a job that is ended at its time goes on from there at its next attempt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commissure.dataset.index import Entry
from commissure.files import write_text

#: After so much reading, what was read is kept.
_KEPT_AFTER_BYTES = 2**30


def files_of(entries: list[Entry]) -> list[str]:
    """Every file of the dataset that a run reads of its images, by path below the dataset."""
    names: set[str] = set()
    for entry in entries:
        if entry.used:
            names |= {entry.scan, *entry.sidecars, *entry.associated.values()}
    return sorted(names)


def checksums(
    files: Mapping[str, Path], cache: Path, *, write: bool = True
) -> list[dict[str, Any]]:
    """SHA-256 and size of files.

    Parameters
    ----------
    files
        Where each file is, by the name that is written down.
    cache
        Table of what was read before.
    write
        Whether it is written anew.

    Returns
    -------
    list of dict
        ``path`` (the name), ``bytes`` and ``sha256``, in the order of the names; a file that is
        gone is left out.
    """
    known = _known(cache)
    rows, lines, unkept, unkept_bytes = [], [], [], 0
    for name in sorted(files):
        try:
            status = files[name].stat()
            key = f"{name}\t{status.st_size}\t{status.st_mtime_ns}"
            digest = known.get(key) or _sha256(files[name])
        except OSError:
            continue
        rows.append({"path": name, "bytes": status.st_size, "sha256": digest})
        lines.append(f"{key}\t{digest}\n")
        if key not in known:
            unkept.append(lines[-1])
            unkept_bytes += status.st_size
        if write and unkept_bytes >= _KEPT_AFTER_BYTES:
            _append(unkept, cache)
            unkept, unkept_bytes = [], 0
    if write:
        write_text("".join(lines), cache)
    return rows


def _append(lines: list[str], cache: Path) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.open("a", encoding="utf-8") as file:
        file.writelines(lines)


def _known(cache: Path) -> dict[str, str]:
    try:
        lines = cache.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.rpartition("\t") for line in lines)
    return {key: digest for key, _, digest in pairs if len(digest) == 64}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
