"""The templates of the pages, and what all of them share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from commissure.report import text

_TEMPLATES = Path(__file__).parent / "templates"


def template_environment() -> jinja2.Environment:
    """The templates; whatever is no number becomes a dash, never a word of the machine."""

    def shown(value: Any) -> Any:
        if value is None or (isinstance(value, float) and not text.is_number(value)):
            return text.ABSENT
        return text.visible(value) if isinstance(value, str) else value

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        listed=text.listed, capital=text.capital, some=text.some, count=text.count
    )
    environment.globals.update(
        style=(_TEMPLATES / "style.css").read_text(encoding="utf-8"),
        behaviour=(_TEMPLATES / "page.js").read_text(encoding="utf-8"),
        subject_behaviour=(_TEMPLATES / "subject.js").read_text(encoding="utf-8"),
    )
    return environment
