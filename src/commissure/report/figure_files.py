"""Figures of people as they come into a page."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from commissure.names import parse_name
from commissure.report import text

_KEPT = " !$&'()*+,-./:;=?@[]_~{}|^"


def figure_caption(path: Path, session: str, modality: str) -> str:
    """Say in words what a figure shows, from its BIDS name."""
    try:
        entities, suffix, _ = parse_name(path.name)
    except ValueError:
        return f"{text.modality(modality)}: {path.stem}"
    shown_by_name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", entities.get("desc", "")).lower()
    extra = [f"{key} {entities[key]}" for key in ("task", "acq", "voi", "dir", "run")
             if entities.get(key)]  # fmt: skip
    head = f"{session}, " if session else ""
    return f"{head}{shown_by_name or suffix} of {', '.join([suffix, *extra])}"


def data_address(path: Path) -> str:
    """A figure as a data address for ``<img>``: nothing in it can clash with the page.

    Only the characters that an address cannot hold are escaped, which is a quarter smaller than
    base64 around a figure whose images are base64 already.
    """
    drawn = path.read_text(encoding="utf-8")
    drawn = drawn[drawn.find("<svg") :] if "<svg" in drawn else drawn
    # Ten times as fast as urllib, which looks at every character of a megabyte.
    for sign in '%<>#"`\\\n\r\t':
        drawn = drawn.replace(sign, f"%{ord(sign):02X}")
    if not (drawn.isascii() and drawn.isprintable()):
        drawn = quote(drawn, safe="%" + _KEPT)
    return "data:image/svg+xml;charset=utf-8," + drawn
