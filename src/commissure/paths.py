"""Paths in what travels: a table or a page names no machine and no home folder."""

from __future__ import annotations

import platform
import re
from typing import Any

# An absolute path: a slash after a space, quote, bracket, '=' or ':' and at least two parts.
_PATH = re.compile(r"(?<![\w.…/~-])(?:file://)?(?:/[\w.+@~-]+){2,}/?|(?<!\w)[A-Za-z]:\\[^\s'\"]+")


def without_paths(text: Any) -> str:
    """Shorten absolute paths to their last part: tables and pages travel, machine names do not."""
    return _PATH.sub(lambda path: "…/" + re.split(r"[/\\]", path[0].rstrip("/\\"))[-1], str(text))


def without_machine(text: Any) -> str:
    """As :func:`without_paths`, and without the name of this machine."""
    name = platform.node()
    shortened = without_paths(text)
    # One letter, and what every machine is called, are words of other texts.
    if len(name) < 2 or name == "localhost":
        return shortened
    return re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "…", shortened)
