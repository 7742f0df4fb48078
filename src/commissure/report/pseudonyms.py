"""Other names for people, visits and sites, and texts in which nothing else tells who they are."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

#: What the last part of a shortened path may be.
_SHORTENED = re.compile(r"…/[^\s'\"<>&),;:]+")
_DAY = re.compile(
    r"\b(?:19|20)\d\d-[01]\d-[0-3]\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:[+-]\d\d:?\d\d|Z)?)?"
    r"|\b[0-3]?\d[./][01]?\d[./](?:19|20)\d\d\b|\b(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\b"
)
_TEXT = re.compile(r"(>)([^<]*)(?=<)")
_UNTOUCHED = re.compile(r"(<(?:script|style)\b.*?</(?:script|style)>)", re.S)

# In a figure's address a sign before a name may be written as %3E.
_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-F]{2}))"
_AFTER = r"(?![A-Za-z0-9])"

# Letters as outlines behind a comment that says what they are; in an address, "<" is %3C.
_DRAWN = re.compile(
    r"(?:<|%3C)!--(.*?)--(?:>|%3E)((?:\s|%0A)*(?:<|%3C)g\b.*?(?:<|%3C)/g(?:>|%3E))", re.S
)
_OUTLINE = re.compile(r"(?:<|%3C)use\b.*?/(?:>|%3E)", re.S)

#: A label of so many signs is replaced also where it stands without its prefix.
_LONG = 4


@dataclass(frozen=True)
class Pseudonyms:
    """Names in the copy by names in the study.

    Attributes
    ----------
    people, sessions, sites
        With their prefixes, as they stand in the tables.
    """

    people: Mapping[str, str]
    sessions: Mapping[str, str]
    sites: Mapping[str, str]

    @classmethod
    def of(cls, people: Iterable[str], sessions: Iterable[str], sites: Iterable[str]) -> Pseudonyms:
        """Give names: people in an order drawn by the machine's own chance, the others sorted."""
        who = sorted(set(people))
        # The order of the dataset would tell who came when; no seed may give it back.
        random.SystemRandom().shuffle(who)
        digits = max(3, len(str(len(who))))
        letter = next(
            x for x in "PQXYZ" if x == "Z" or not any(w.startswith(f"sub-{x}") for w in who)
        )
        return cls(
            {name: f"sub-{letter}{number:0{digits}d}" for number, name in enumerate(who, 1)},
            {name: f"ses-V{number}" for number, name in enumerate(sorted(set(sessions) - {""}), 1)},
            {name: f"site {number}" for number, name in enumerate(sorted(set(sites)), 1)},
        )

    def replaced(self, value: Any) -> Any:
        """Names in a table cell or JSON value, replaced wherever they stand."""
        if isinstance(value, str):
            return self.sites.get(value) or self.named(value)
        if isinstance(value, Mapping):
            return {self.replaced(key): self.replaced(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.replaced(item) for item in value]
        return value

    def named(self, text: str) -> str:
        """A text in which people and visits, and long names of sites, have their other names."""
        return self._pattern.sub(lambda found: self._names[found[0]], text) if text else text

    def page(self, document: str) -> str:
        """An HTML page in which no name, day or part of a path is left."""
        document = self.named(document)
        parts = _UNTOUCHED.split(document)
        return "".join(
            part if number % 2 else _TEXT.sub(_without_days_and_paths, part)
            for number, part in enumerate(parts)
        )

    def plain(self, document: str) -> str:
        """A text or table in which no name, day or part of a path is left."""
        return _DAY.sub("…", _SHORTENED.sub("…", self.named(document)))

    @cached_property
    def _names(self) -> dict[str, str]:
        names = {**self.people, **self.sessions}
        for kinds in (self.people, self.sessions):
            for old, new in kinds.items():
                label = old.partition("-")[2]
                # Of a label of digits, or of a short one, other words could consist as well.
                if len(label) >= _LONG and not label.isdigit():
                    names.setdefault(label, new.partition("-")[2])
        for old, new in self.sites.items():
            if len(old) >= _LONG and not old.isdigit():
                names.setdefault(old, new)
                names.setdefault(quote(old), quote(new))
        return names

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest = sorted(self._names, key=len, reverse=True)
        return whole_words(longest) if longest else re.compile(r"(?!)")


def whole_words(words: Iterable[str]) -> re.Pattern[str]:
    """Any of some words, where no letter or digit stands around it."""
    return re.compile(f"{_BEFORE}(?:{'|'.join(map(re.escape, words))}){_AFTER}")


def _without_days_and_paths(found: re.Match[str]) -> str:
    return found[1] + _DAY.sub("…", _SHORTENED.sub("…", found[2]))


def without_drawn_names(svg: str, names: Iterable[str]) -> str:
    """A figure in which no name stands as the outline of its letters.

    Older figures of spectra draw letters as curves, and leave the text as a comment before them.
    """
    pattern = whole_words(names)

    def emptied(found: re.Match[str]) -> str:
        return _OUTLINE.sub("", found[2]) if pattern.search(found[1]) else found[0]

    return _DRAWN.sub(emptied, svg)
