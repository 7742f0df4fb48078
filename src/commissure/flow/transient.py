"""Failures that say nothing of the data: a full disk, too little memory, a server that was away.

The same command tries what ended so once more; a fault of the data or of the program it does not.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from pathlib import Path

from commissure.errors import CommissureError

#: Errors of the machine that another day may not have.
_PASSING = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM,
        errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EBUSY, errno.ESTALE,
        errno.ETIMEDOUT, errno.EREMOTEIO, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENETDOWN,
        errno.ENOLCK, errno.EFBIG,
    }
)  # fmt: skip

#: Those of a disk that takes no more.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

#: The mark of a job that found no room, below the run's folder for internal files.
NO_ROOM = "no_room"

#: A disk with less room than one image counts as full: not every library says why it stopped.
_FULL_BYTES = 8 * 2**20


class InterruptedRun(CommissureError):
    """What ended is none of the data's or the program's, as a job that was killed."""


def is_transient(error: BaseException) -> bool:
    """Whether an error, or one that it came from, is the machine's and may pass."""
    return any(
        isinstance(cause, MemoryError | BrokenExecutor | InterruptedRun)
        or (isinstance(cause, OSError) and cause.errno in _PASSING)
        for cause in _causes(error)
    )


def is_no_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, is memory that was not given."""
    return any(
        isinstance(cause, MemoryError)
        or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM)
        for cause in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it came from."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def is_no_room(error: BaseException) -> bool:
    """Whether an error, or one that it came from, is a full disk or a quota that is reached."""
    return any(isinstance(cause, OSError) and cause.errno in _NO_ROOM for cause in _causes(error))


def note_no_room(error: BaseException, work: Path) -> None:
    """Leave a mark by which the run learns that a job found no room; an empty file takes none."""
    if is_no_room(error):
        with suppress(OSError):
            (work / NO_ROOM).touch()


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder has no room for another image."""
    try:
        return shutil.disk_usage(folder).free < _FULL_BYTES
    except OSError:
        return False
