"""What the name of a session says of when it was: baseline, a count, a time, a day, a follow-up.

Names order themselves only where they say so: ``pre`` and ``post``, ``01`` and ``02``, ``baseline``
and ``12m``. The alphabet says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

Kind = Literal["screening", "baseline", "count", "time", "day", "followup"]

_BASELINE = frozenset(
    ("baseline", "base", "bl", "basal", "pre", "before", "intake", "entry", "enrolment",
     "enrollment", "initial", "admission", "inclusion", "pretreatment")
)  # fmt: skip
_SCREENING = frozenset(("screening", "screen", "scr", "prescreening"))
_FOLLOWUP = frozenset(
    ("followup", "fu", "fup", "post", "after", "end", "endpoint", "final", "last", "exit",
     "discharge", "termination", "posttreatment", "outcome")
)  # fmt: skip
# What may follow pre or post in one word.
_TREATED = (
    "treatment", "treat", "trt", "tx", "rx", "therapy", "op", "surgery", "ect", "tms", "rtms",
    "tdcs", "drug", "dose", "med", "medication", "intervention", "training", "test", "trial",
    "scan", "ketamine",
)  # fmt: skip
_DAYS_OF = {
    **dict.fromkeys(("d", "day", "days"), 1.0),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), 7.0),
    **dict.fromkeys(("m", "mo", "mon", "mth", "mths", "month", "months"), 30.44),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), 365.25),
}
_ORDINAL = {
    word: number
    for number, words in enumerate(("first one test", "second two retest", "third three"), 1)
    for word in words.split()
}
_DATE = re.compile(r"((?:19|20)\d\d)-?(\d\d)-?(\d\d)")
_LETTERED = re.compile(r"(\d+)([a-zA-Z])")
_YEAR = re.compile(r"(19|20)\d\d")


@dataclass(frozen=True)
class VisitName:
    """When a session was, as far as its name says so.

    Attributes
    ----------
    kind
        ``count`` numbers the visits, ``time`` tells days since a beginning, ``day`` is a date.
    value
        The number, days, or ordinal of the date; 0 where the name has none.
    word
        The word that is counted or the unit, empty for a plain number.
    """

    kind: Kind
    value: float = 0.0
    word: str = ""


def visit_name(session: str) -> VisitName | None:
    """What a session's name says, or None where it says nothing of its place among others.

    Parameters
    ----------
    session
        With or without ``ses-``.
    """
    name = session.removeprefix("ses-").strip()
    if (day := _day(name)) is not None:
        return VisitName("day", day)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold()
    spaced = re.sub(r"follow[\s_-]*up", "followup", spaced)
    words = re.findall(r"[a-z]+", spaced)
    numbers = [float(number) for number in re.findall(r"\d+", spaced)]
    first = numbers[0] if numbers else 0.0
    if any(word in _SCREENING for word in words):
        return VisitName("screening", first)
    if any(word in _BASELINE or _is_treated(word, "pre") for word in words):
        return VisitName("baseline", first)
    time = _time(spaced)
    if time is not None:
        return time
    if any(word in _FOLLOWUP or _is_treated(word, "post") for word in words):
        return VisitName("followup", first)
    if len(words) == 1 and not numbers and words[0] in _ORDINAL:
        return VisitName("count", float(_ORDINAL[words[0]]), "ordinal")
    if len(numbers) == 1:
        return VisitName("count", first, " ".join(words))
    return None


def _day(name: str) -> float | None:
    """Ordinal of a date or of a year, None where the name is neither."""
    if _YEAR.fullmatch(name):
        return float(date(int(name), 1, 1).toordinal())
    found = _DATE.fullmatch(name)
    if found is None:
        return None
    try:
        return float(date(*(int(part) for part in found.groups())).toordinal())
    except ValueError:
        return None


def _is_treated(word: str, before: str) -> bool:
    return word.startswith(before) and word[len(before) :] in _TREATED


def _time(spaced: str) -> VisitName | None:
    """A number with a unit of time beside it: ``12m``, ``month 3``, ``2 year follow up``."""
    parts = re.findall(r"[a-z]+|\d+", spaced)
    for index, part in enumerate(parts):
        if not part.isdigit():
            continue
        for near in (index + 1, index - 1):
            unit = parts[near] if 0 <= near < len(parts) else ""
            if unit in _DAYS_OF:
                return VisitName("time", float(part) * _DAYS_OF[unit], unit)
    return None


def named_baseline(sessions: Mapping[str, Collection[str]]) -> tuple[str, ...] | None:
    """The sessions that are the baseline by their names.

    Parameters
    ----------
    sessions
        Names of the sessions, each with the people who have it; two or more names.

    Returns
    -------
    tuple of str or None
        The names; several where nobody has two of them. Empty where each person's earliest counts,
        as with dates. None where the names do not say it.
    """
    said = {name: visit_name(name) for name in sessions}
    lettered = {name: _LETTERED.fullmatch(name.removeprefix("ses-")) for name in sessions}
    letters = {found[2].casefold() for found in lettered.values() if found}
    if all(lettered.values()) and len(letters) > 1 and not letters <= set(_DAYS_OF):
        # Order and place, as in 1A and 2B of people who travel between sites.
        said = {n: VisitName("count", float(f[1])) for n, f in lettered.items() if f}
    known = {name: place for name, place in said.items() if place is not None}
    if len(known) < len(said):
        return None
    kinds = {place.kind for place in known.values()}
    if kinds == {"day"}:
        return ()
    for kind in ("baseline", "screening"):
        if kind in kinds:
            named = [name for name, place in known.items() if place.kind == kind]
            return _first_each(named, known, sessions)
    if kinds <= {"count", "followup"} and "count" in kinds:
        counted = [name for name, place in known.items() if place.kind == "count"]
        if len({known[name].word for name in counted}) == 1:
            return _first_each(counted, known, sessions)
    if kinds <= {"time", "followup"} and "time" in kinds:
        return _first_time(known, sessions)
    return None


def _first_each(
    named: Collection[str],
    known: Mapping[str, VisitName],
    sessions: Mapping[str, Collection[str]],
) -> tuple[str, ...] | None:
    """The names with the smallest number; None where a person has two of them."""
    least = min(known[name].value for name in named)
    first = sorted(name for name in named if known[name].value == least)
    people = [who for name in first for who in sessions[name]]
    return tuple(first) if len(set(people)) == len(people) else None


def _first_time(
    known: Mapping[str, VisitName], sessions: Mapping[str, Collection[str]]
) -> tuple[str, ...] | None:
    """The time from which the others count; each person's own where nobody shares it."""
    timed = {name: place for name, place in known.items() if place.kind == "time"}
    least = min(place.value for place in timed.values())
    first = sorted(name for name, place in timed.items() if place.value == least)
    people = [who for name in first for who in sessions[name]]
    everybody = {who for holders in sessions.values() for who in holders}
    if {place.word for place in timed.values()} <= {"d", "day", "days"} and 2 * len(people) < len(
        everybody
    ):
        # Days since each person's own beginning, as in ses-d0129.
        return ()
    shown = timed[first[0]]
    if shown.value > _DAYS_OF[shown.word] or len(set(people)) < len(people):
        return None
    return tuple(first)
