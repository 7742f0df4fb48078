"""A table of the section on models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelTable:
    """One table: its title, a note, headings and cells."""

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
