"""Sentences that steps left on many scans, summed up: one line for all that say the same."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from commissure.report import text

_NUMBER = re.compile(r"[-−]?\d+(?:\.\d+)?%?")
#: A name of a structure or parcel: capitals, alone or before a side.
_LABEL = re.compile(r"[A-Z][A-Z0-9]+(?:_[LR])?|[A-Z][A-Za-z0-9]*_[A-Za-z0-9_]+")
_EDGES = re.compile(r"^([(“\"]*)(.*?)([.,:;)”\"%]*)$")


@dataclass(frozen=True)
class SummedNote:
    """One sentence for several notes.

    Attributes
    ----------
    sentence
        Where notes differ in a number, its range; where they differ in a structure, their list.
    people
        Whose scans carry it, in order.
    notes
        How many notes say so.
    """

    sentence: str
    people: Sequence[str]
    notes: int


def summed_notes(notes: Iterable[tuple[str, str]]) -> list[SummedNote]:
    """Sum up notes, the most frequent first.

    Parameters
    ----------
    notes
        Person and sentence of each note.
    """
    groups: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for who, note in notes:
        words = text.without_paths(note).split()
        groups.setdefault(tuple(_kind(word) for word in words), []).append((who, words))
    summed = [
        SummedNote(
            " ".join(_joined([words[k] for _, words in group]) for k in range(len(kinds))),
            sorted({who for who, _ in group}),
            len(group),
        )
        for kinds, group in groups.items()
    ]
    return sorted(summed, key=lambda note: (-len(note.people), -note.notes, note.sentence))


@functools.lru_cache(maxsize=4096)
def _kind(word: str) -> str:
    """What must agree in notes that are one: the word itself, or that it is a number or label."""
    before, core, after = _parts(word)
    if _NUMBER.fullmatch(core):
        return f"{before}#{after}"
    return f"{before}@{after}" if _LABEL.fullmatch(core) else word


def _parts(word: str) -> tuple[str, str, str]:
    parts = _EDGES.match(word)
    return (parts[1], parts[2], parts[3]) if parts else ("", word, "")


def _joined(words: Sequence[str]) -> str:
    """One word for all that stand at its place."""
    unique = list(dict.fromkeys(words))
    if len(unique) == 1:
        return unique[0]
    before, core, after = _parts(unique[0])
    cores = [_parts(word)[1] for word in unique]
    if _NUMBER.fullmatch(core):
        ordered = sorted(cores, key=lambda number: float(number.strip("%").replace("−", "-")))
        return f"{before}{ordered[0]} to {ordered[-1]}{after}"
    return f"{before}{text.some(sorted(cores), 6)}{after}"
