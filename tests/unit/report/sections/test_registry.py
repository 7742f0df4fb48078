"""A section has one name: its anchor, its module and its template."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import commissure.report
from commissure.report.sections.registry import SECTIONS

ROOM = Path(commissure.report.__file__).parent


def test_anchor_module_and_template_agree():
    anchors = [section.anchor for section in SECTIONS]
    modules = {path.stem for path in (ROOM / "sections").glob("*.py")} - {"__init__", "registry"}
    templates = {path.stem for path in (ROOM / "templates/sections").glob("*.html")}
    assert len(anchors) == len(set(anchors))
    assert set(anchors) == modules == templates


def test_a_section_is_made_by_the_module_of_its_name():
    for section in SECTIONS:
        assert section.content.__module__ == f"commissure.report.sections.{section.anchor}"
        assert importlib.util.find_spec(section.content.__module__)
