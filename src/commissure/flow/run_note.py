"""Who runs a study: a note that a run renews while it lives, so that another host can tell.

A lock of the kernel says it on one machine, and on network file systems that carry locks. On the
others the note does: one that changes is of a run that goes on, one that stays is of one that was
killed. No clock of another machine is believed.
"""

from __future__ import annotations

import atexit
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Seconds between two renewals, and how long a note must stay as it is to count as left behind.
BEAT_S, STALE_S = 10.0, 35.0


def new_note() -> dict[str, Any]:
    """The note of a run of this process."""
    return {
        "run": uuid.uuid4().hex, "host": platform.node(), "process": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M"), "beat": 0,
    }  # fmt: skip


def read_note(path: Path) -> dict[str, Any]:
    """The note in a file; empty where there is none."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def in_words(note: Mapping[str, Any]) -> str:
    """Who a run is, for a message."""
    if not note:
        return "it has just begun"
    return f"process {note.get('process')}, on {note.get('host')}, since {note.get('since')}"


def renew(number: int, note: dict[str, Any]) -> None:
    """Write a note into an open file, and renew it as long as this process lives."""
    over = threading.Event()
    write_note(number, note)

    def beat() -> None:
        while not over.wait(BEAT_S):
            note["beat"] += 1
            # A full disk must not look like the end of the run: the next try may succeed.
            with suppress(OSError):
                write_note(number, note)

    def end() -> None:
        over.set()
        with suppress(OSError):
            write_note(number, {**note, "ended": True})

    threading.Thread(target=beat, daemon=True, name="run-note").start()
    atexit.register(end)


def is_renewed(path: Path, note: Mapping[str, Any]) -> bool:
    """Whether somebody renews a note; tells a killed run from one on another host.

    A note whose file was written long before now, by the clock of the file system, needs no wait.
    """
    if _age_s(path) > STALE_S:
        return False
    until = time.monotonic() + STALE_S
    while time.monotonic() < until:
        if read_note(path) not in ({}, note):
            return True
        time.sleep(min(1.0, BEAT_S / 5))
    return False


def _age_s(path: Path) -> float:
    """Seconds since a file was written: both times are of the file system's clock."""
    probe = path.with_name(f".{os.getpid()}-partial.{path.name}")
    try:
        probe.write_text("")
        return probe.stat().st_mtime - path.stat().st_mtime
    except OSError:
        return 0.0
    finally:
        probe.unlink(missing_ok=True)


def write_note(number: int, note: Mapping[str, Any]) -> None:
    """Write a note into an open file."""
    # Never shorter than before, so that a reader never sees two notes in one.
    text = json.dumps(note).encode().ljust(400) + b"\n"
    os.pwrite(number, text, 0)
