"""The files of a dataset as they lie on the disk, and those that cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from commissure.errors import DatasetError
from commissure.modalities import MODALITIES

#: Folders at the top of a dataset that hold no raw data.
NOT_RAW = ("derivatives", "sourcedata", "code")

#: The one folder of derivatives that is looked at: masks of lesions that somebody drew.
LESION_MASKS = "derivatives/lesions"

#: A large file that git keeps elsewhere stands as a text of a few bytes, which starts so.
_POINTERS = (b"/annex/objects/", b"version https://git-lfs")
_POINTER_BYTES = 400

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


@dataclass(frozen=True)
class Tree:
    """What lies in a dataset.

    Attributes
    ----------
    files
        Size in bytes and modification time in ns of every file, by its path below the dataset.
    troubles
        What is wrong with each file, link or pipe that cannot be read, by path.
    closed
        What is wrong with each folder that cannot be looked into, by path.
    """

    files: Mapping[str, tuple[int, int]]
    troubles: Mapping[str, str]
    closed: Mapping[str, str]


def tree_of(root: Path, *, modalities: Collection[str] = tuple(MODALITIES)) -> Tree:
    """Look at every raw file of a dataset.

    ``derivatives``, ``sourcedata``, ``code`` and hidden folders are not raw data; of derivatives
    only :data:`LESION_MASKS` is looked at, where ``modalities``, those of the study, have lesions.
    Links are followed, but not those to a folder in which they lie.

    Raises
    ------
    DatasetError
        The folder itself cannot be opened.
    """
    files: dict[str, tuple[int, int]] = {}
    troubles: dict[str, str] = {}
    closed: dict[str, str] = {}
    pending = [(os.fspath(root), "")]
    if "lesion" in modalities and (root / LESION_MASKS).is_dir():
        pending.append((os.fspath(root / LESION_MASKS), f"{LESION_MASKS}/"))
    while pending:
        folder, below = pending.pop()
        try:
            with os.scandir(folder) as listing:
                items = list(listing)
        except OSError as error:
            if not below:
                raise DatasetError(
                    f"bids_dir {root}",
                    found=f"the folder cannot be opened ({error.strerror})",
                    mend="Ask for the right to read it, or name another folder under bids_dir",
                ) from error
            closed[below.rstrip("/")] = f"the folder cannot be opened ({error.strerror})"
            continue
        for item in items:
            name = below + item.name
            if item.name.startswith(".") or name in NOT_RAW:
                continue
            try:
                if not item.is_dir():
                    _look_at(item, name, files, troubles)
                elif item.is_symlink() and _encloses(item.path, root, below):
                    closed[name] = "it is a link to a folder in which it lies"
                elif name.endswith((".nii.gz", ".nii")):
                    troubles[name] = "it is a folder, not an image"
                else:
                    pending.append((item.path, f"{name}/"))
            except OSError as error:
                what = troubles if "." in item.name else closed
                what[name] = _unreachable(item, name, error)
    return Tree(dict(sorted(files.items())), troubles, closed)


def _look_at(
    item: os.DirEntry[str],
    name: str,
    files: dict[str, tuple[int, int]],
    troubles: dict[str, str],
) -> None:
    status = item.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        troubles[name] = f"it is {kind}, not a file"
    elif status.st_mode & 0o444 != 0o444 and not os.access(item.path, os.R_OK):
        troubles[name] = "it cannot be read (permission denied)"
    elif 0 < status.st_size < _POINTER_BYTES and _is_pointer(item.path):
        troubles[name] = _not_fetched(name)
    else:
        files[name] = (status.st_size, status.st_mtime_ns)


def _is_pointer(path: str) -> bool:
    if not path.endswith(("gz", "nii")):
        return False
    with open(path, "rb") as file:
        return file.read(32).startswith(_POINTERS)


def _encloses(link: str, root: Path, below: str) -> bool:
    """Whether a link leads to a folder above itself, or above another link on the way to it."""
    target = os.path.realpath(link)
    top = os.path.realpath(root)
    parts = below.rstrip("/").split("/") if below else []
    way = {os.path.realpath(root.joinpath(*parts[:n])) for n in range(len(parts) + 1)}
    return target in way or f"{top}/".startswith(f"{target.rstrip('/')}/")


def _unreachable(item: os.DirEntry[str], name: str, error: OSError) -> str:
    if not item.is_symlink():
        return f"it cannot be read ({error.strerror})"
    target = os.readlink(item.path)
    if "annex/objects/" in target or "MD5E-" in target:
        return _not_fetched(name)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "it is a link to what is not there"
    return f"it is a link that leads nowhere ({error.strerror})"


def _not_fetched(name: str) -> str:
    return f"its content was not fetched; run `datalad get {name}` or `git annex get {name}`"
