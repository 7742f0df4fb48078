"""What the table of people says of sex, site, group and age, whatever the spelling."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from commissure.errors import DatasetError
from commissure.study.labels.vocabulary import means_control
from commissure.tables.cell_values import cell_number
from commissure.tables.delimited import Cells

#: Ages beyond are those of nobody, years.
OLDEST = 120.0

#: Spellings of a sex: those of BIDS, and the words of German, French and Spanish.
SEX_WORDS: Mapping[str, Sequence[str]] = {
    "F": ("f", "female", "w", "weiblich", "woman", "women", "frau", "femme", "feminin", "féminin",
          "mujer", "femenino", "femenina", "girl"),
    "M": ("m", "male", "man", "men", "männlich", "maennlich", "mann", "homme", "masculin",
          "hombre", "masculino", "boy"),
    "O": ("o", "other", "d", "divers", "diverse", "nonbinary", "non-binary"),
}  # fmt: skip
_SEX_OF = {word: sex for sex, words in SEX_WORDS.items() for word in words}
_TOP_AGE = re.compile(r"(\d{2,3}) ?\+")
_WHOLE_NUMBER = re.compile(r"(\d+)\.0+")


def check_ages(table: Cells, name: str, people: Sequence[str]) -> list[str]:
    """Refuse an age that is no number of years of a person; a sentence on those cut off at the top.

    Raises
    ------
    DatasetError
        Line, person and cell are named.
    """
    cells = table.column(name)
    for row, cell in enumerate(cells):
        age = cell_number(_TOP_AGE.sub(r"\1", cell)) if cell else 0.0
        if age is None or not 0 <= age <= OLDEST:
            raise DatasetError(
                table.where(row, people[row]),
                found=f"{name} is '{cell}'",
                wanted=f"years from 0 to {OLDEST:g} with a decimal point, 89+ for who is older, or "
                "n/a",
                mend=f"Mend the cell in {table.path}",
            )
    top = sorted({cell for cell in cells if _TOP_AGE.fullmatch(cell)})
    count = sum(cell in top for cell in cells)
    if not top:
        return []
    return [f"{table.path.name}: {name} is {' or '.join(top)} in {count} people, who count as "
            f"{' or '.join(cell[:-1] for cell in top)} years old."]  # fmt: skip


def age_in_years(cell: object) -> object:
    """A cell of the age, ``89+`` as 89: BIDS hides higher ages so."""
    return _TOP_AGE.sub(r"\1", cell.strip()) if isinstance(cell, str) else cell


def plain_codes(table: Cells, name: str) -> dict[str, str]:
    """How each cell of a column of words or codes is written."""
    return {cell: _plain_number(cell) for cell in table.column(name) if cell}


def sex_of(cell: str) -> str | None:
    """The sex that a word means, as :data:`SEX_WORDS` names it; None for a code or another word."""
    return _SEX_OF.get(cell.casefold())


def written_sex(table: Cells, name: str, people: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """How each cell of the sex is written, and a sentence where spellings became one.

    A column of one spelling for each sex, or of codes only, stays as it is.

    Raises
    ------
    DatasetError
        Words and codes stand side by side: nobody can say what a code means.
    """
    cells = table.column(name)
    plain = plain_codes(table, name)
    codes = {cell for cell in plain if cell_number(cell) is not None}
    known = {cell: sex for cell in plain if (sex := sex_of(cell))}
    if codes and known:
        row = next(number for number, cell in enumerate(cells) if cell in codes)
        raise DatasetError(
            table.where(row, people[row]),
            found=f"{name} is '{cells[row]}', and '{min(known)}' in others",
            wanted="either words or codes in the whole column",
            mend=f"Write F, M or O in {table.path}",
        )
    several = [sex for sex in SEX_WORDS if list(known.values()).count(sex) > 1]
    if not several:
        return plain, []
    merged = [
        f"{', '.join(sorted(cell for cell in known if known[cell] == sex))} as {sex}"
        for sex in several
    ]
    return plain | known, [f"{table.path.name}: {name} is spelt in several ways; written are "
                           f"{', '.join(merged)}."]  # fmt: skip


def written_sites(table: Cells, name: str) -> tuple[dict[str, str], list[str]]:
    """How each cell of the site is written, and sentences on those that are nearly one site."""
    position = table.header.index(name)
    sites = plain_codes(table, name)
    cautions = []
    spaced = sum(row.cells[position] != row.cells[position].strip() for row in table.rows)
    if spaced:
        cautions.append(
            f"{table.path.name}: {spaced} cells of {name} have blanks around them: they count "
            "without."
        )
    for site in sorted(set(sites.values())):
        written = sorted(cell for cell in sites if sites[cell] == site)
        if len(written) > 1:
            cautions.append(f"{table.path.name}: {name} {' and '.join(written)} are one: {site}.")
    alike: dict[str, list[str]] = {}
    for site in sorted(set(sites.values())):
        alike.setdefault(_likeness(site), []).append(site)
    for several in alike.values():
        if len(several) > 1:
            words = ", ".join(f"'{site}'" for site in several)
            cautions.append(
                f"{table.path.name}: {name} {words} are spelt alike and count as {len(several)} "
                "sites."
            )
    return sites, cautions


def group_cautions(table: Cells, name: str, control: Iterable[str]) -> list[str]:
    """A sentence on each group whose name is nearly a word for a control."""
    words = sorted({word.strip().casefold() for word in ("control", *control)})
    cautions = []
    cells = table.column(name)
    for group in sorted({cell for cell in cells if cell}):
        plain = group.casefold()
        near = difflib.get_close_matches(plain, [w for w in words if len(w) > 4], 1, cutoff=0.8)
        if near and not means_control(group, words):
            cautions.append(
                f"{table.path.name}: {name} is '{group}' in {cells.count(group)} people, which is "
                f"nearly '{near[0]}': they count as no controls (participants.control names the "
                "words that do)."
            )
    return cautions


def _plain_number(cell: str) -> str:
    """``1.0`` as ``1``: a spreadsheet writes codes so where a cell of the column is empty."""
    whole = _WHOLE_NUMBER.fullmatch(cell)
    return whole[1] if whole else cell


def _likeness(site: str) -> str:
    return re.sub(r"[\s_.-]+", "", site.casefold()).lstrip("0")
