"""A job's own folder on the disk of its node: made, kept within its cap, and removed.

``TMPDIR`` leads there while the job runs. A job that is killed leaves its folder; the next job on
that node removes it, since nobody holds its lock any more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commissure.errors import ConfigError
from commissure.flow.cluster.site import SiteSettings

_PREFIX = "commissure-job-"
_LOCK = "lock"

#: Seconds between two looks at what a job has taken.
LOOK_S = 5.0


def scratch_root(site: SiteSettings) -> Path | None:
    """The folder on this node; None where the lab names none."""
    return None if site.scratch is None else Path(os.path.expandvars(site.scratch)).expanduser()


def check_scratch(site: SiteSettings) -> Path | None:
    """Refuse a scratch that is not there, closed or full.

    Returns
    -------
    Path or None
        The folder; None where the lab names none.

    Raises
    ------
    ConfigError
        With what is free and what is wanted.
    """
    root = scratch_root(site)
    if root is None:
        return None
    node = os.uname().nodename
    if "$" in str(root):
        raise _refused(root, f"a variable of it is not set on the node {node}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root).free
        closed = not os.access(root, os.W_OK)
    except OSError as error:
        raise _refused(root, f"{error.strerror} on the node {node}") from None
    if closed:
        raise _refused(root, f"it cannot be written to on the node {node}")
    if free < site.scratch_least_gb * 1e9:
        raise _refused(
            root,
            f"{free / 1e9:.1f} GB are free there on the node {node}, and a job "
            f"begins with {site.scratch_least_gb:g} GB",
        )
    return root


def _refused(root: Path, found: str) -> ConfigError:
    return ConfigError(
        f"scratch {root}",
        found=found,
        wanted="a folder on the node's own disk with room",
        mend="Make room there, or correct scratch and scratch_least_gb in site.yaml",
    )


@contextmanager
def own_scratch(site: SiteSettings) -> Iterator[Path | None]:
    """A folder of this job's own, to which ``TMPDIR`` leads; removed however the job ends.

    Parameters
    ----------
    site
        What the lab says; without ``scratch`` nothing is done.

    Raises
    ------
    ConfigError
        The scratch is not there, closed or full.
    """
    sweep(site)
    root = check_scratch(site)
    if root is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    # Held before it bears its name: another job that begins here must not find it free.
    lock = os.open(folder / "locked", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(folder / "locked", folder / _LOCK)
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None
    done = threading.Event()
    if site.scratch_most_gb is not None:
        cap = threading.Thread(
            target=_hold_to, args=(folder, site.scratch_most_gb, done), daemon=True
        )
        cap.start()
    try:
        with _ended_in_order():
            yield folder
    finally:
        done.set()
        tempfile.tempdir = None
        os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(site: SiteSettings) -> list[Path]:
    """Remove folders of jobs that were killed: those whose lock nobody holds.

    Returns
    -------
    list of Path
        What was removed.
    """
    root = scratch_root(site)
    removed = []
    for folder in sorted(root.glob(f"{_PREFIX}*")) if root is not None else ():
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
        except OSError:
            pass
        finally:
            os.close(lock)
    return removed


def taken_bytes(folder: Path) -> int:
    """What the files below a folder take on the disk."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue
    return total


def _hold_to(folder: Path, most_gb: float, done: threading.Event) -> None:
    while not done.wait(LOOK_S):
        taken = taken_bytes(folder)
        if taken > most_gb * 1e9:
            print(
                f"\ncommissure: the job took {taken / 1e9:.1f} GB of scratch and is ended at "
                f"{most_gb:g}: raise scratch_most_gb in site.yaml\n",
                file=sys.stderr, flush=True,
            )  # fmt: skip
            os.kill(os.getpid(), signal.SIGTERM)
            return


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM, as a cluster sends it before it kills, run what a job does at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
