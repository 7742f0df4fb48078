"""The packages that are installed, with their versions."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import distributions


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Version of every package; where there are several, that which an import takes: the first."""
    known: dict[str, str] = {}
    for found in distributions():
        if name := found.metadata["Name"]:
            known.setdefault(name, found.version)
    return dict(sorted(known.items(), key=lambda item: item[0].casefold()))
