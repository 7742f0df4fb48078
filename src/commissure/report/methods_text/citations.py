"""The literature that a text of methods cites: entries of ``references.bib`` by their keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).parent / "references.bib"

#: A citation in a sentence: ``[@avants2008; @tustison2010]``.
CITATION = re.compile(r"\[(@[a-z]+\d*(?:; @[a-z]+\d*)*)\]")
_ACCENTS = {
    r"{\'e}": "é", r"{\`e}": "è", r"{\"e}": "ë", r"{\"o}": "ö", r"{\"u}": "ü", "--": "–",
}  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """One entry.

    Attributes
    ----------
    key
        As cited.
    entry
        The entry as BibTeX.
    fields
        Its fields; ``author``, ``title`` and ``year`` are there always.
    """

    key: str
    entry: str
    fields: Mapping[str, str]

    @property
    def label(self) -> str:
        """As in running text: ``Avants et al. 2008``."""
        authors = self.fields["author"].strip("{}").split(" and ")
        names = [_plain(author.split(",")[0]) for author in authors]
        named = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        return f"{named} {self.fields['year']}"

    @property
    def line(self) -> str:
        """As in a list of references."""
        authors = [_plain(a.strip("{}")) for a in self.fields["author"].split(" and ")]
        listed = ", ".join("et al" if a == "others" else _initials(a) for a in authors)
        text = f"{listed}. {_plain(self.fields['title'])}."
        if "journal" in self.fields:
            text += (
                f" {self.fields['journal']} {self.fields['year']};{self.fields['volume']}:"
                f"{_plain(self.fields['pages'])}."
            )
        else:
            text += f" {self.fields['year']}."
        return text + (f" doi:{self.fields['doi']}" if "doi" in self.fields else "")


def references() -> dict[str, Reference]:
    """All entries by their keys."""
    entries = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        head = re.match(r"@\w+\{(\w+),", line)
        if head:
            fields = dict(re.findall(r"(\w+)=\{((?:[^{}]|\{[^{}]*\})*)\}", line))
            entries[head[1]] = Reference(head[1], line, fields)
    return entries


def cited(text: str) -> list[str]:
    """Keys in the order in which a text first cites them."""
    keys = (key.strip()[1:] for group in CITATION.findall(text) for key in group.split(";"))
    return list(dict.fromkeys(keys))


def without_citations(text: str) -> str:
    """A sentence as plain text."""
    return re.sub(r"\s+([.,;:)])", r"\1", re.sub(r"\s{2,}", " ", CITATION.sub("", text)))


def bibliography(keys: Iterable[str]) -> str:
    """BibTeX of the entries with these keys.

    Raises
    ------
    KeyError
        A key has no entry.
    """
    known = references()
    return "\n".join(known[key].entry.replace("&", r"\&") for key in sorted(keys)) + "\n"


def _initials(author: str) -> str:
    family, _, given = author.partition(", ")
    letters = "".join(part[0] for part in re.split(r"[ -]", given) if part)
    return f"{family} {letters}".strip()


def _plain(text: str) -> str:
    for tex, letter in _ACCENTS.items():
        text = text.replace(tex, letter)
    return text
