"""Failures that say nothing of the data: a full disk, too little memory, a server that was away.

The same command tries what ended so once more; a fault of the data or of the program it does not.
"""

from __future__ import annotations

import errno
import shutil
from concurrent.futures import BrokenExecutor
from pathlib import Path

#: Errors of the machine that another day may not have.
_PASSING = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM,
        errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EBUSY, errno.ESTALE,
        errno.ETIMEDOUT, errno.EREMOTEIO, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENETDOWN,
        errno.ENOLCK, errno.EFBIG,
    }
)  # fmt: skip

#: A disk with less room than one image counts as full: not every library says why it stopped.
_FULL_BYTES = 8 * 2**20


def is_transient(error: BaseException) -> bool:
    """Whether an error, or one that it came from, is the machine's and may pass."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, MemoryError | BrokenExecutor):
            return True
        if isinstance(cause, OSError) and cause.errno in _PASSING:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder has no room for another image."""
    try:
        return shutil.disk_usage(folder).free < _FULL_BYTES
    except OSError:
        return False
