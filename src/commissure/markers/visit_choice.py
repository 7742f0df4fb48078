"""Which session of a person is the baseline: declared, by the names, or by acquisition times.

Planning calls this before anything is computed: it reads with the standard library alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from commissure.errors import ConfigError
from commissure.markers.settings import SessionsSettings
from commissure.markers.visit_names import named_baseline, visit_name
from commissure.tables.acquisition_times import Visit, acquisition_times

BASELINE, FOLLOWUP, OTHER = "baseline", "followup", "other"


@dataclass(frozen=True)
class VisitChoice:
    """Which sessions count as what.

    Attributes
    ----------
    baseline, followup
        Names of sessions, with prefix, the first that a person has first. Without any baseline
        each person's earliest session is theirs.
    times
        When a visit was, where that was read.
    how
        Why these are the baseline, in words.
    """

    baseline: Sequence[str] = ()
    followup: Sequence[str] = ()
    times: Mapping[Visit, datetime] = field(default_factory=dict)
    how: str = ""

    def visit_of(self, session: str) -> str:
        """What a session is, where that does not depend on the person."""
        if session == "" or session in self.baseline:
            return BASELINE
        return FOLLOWUP if session in self.followup else OTHER

    def place(self, visit: Visit) -> tuple[float, ...]:
        """A key that sorts the visits of one person by time, as far as it is known."""
        session = visit[1]
        if session in self.baseline:
            return (0.0, float(self.baseline.index(session)))
        if visit in self.times:
            return (1.0, self.times[visit].timestamp())
        said = visit_name(session)
        later = {"screening": -1.0, "baseline": 0.0, "followup": 3.0}
        return (1.0, later.get(said.kind, 1.0), said.value) if said else (2.0,)


def choose_visits(
    visits: Iterable[Visit], settings: SessionsSettings, files: Iterable[Path] = ()
) -> VisitChoice:
    """Decide which sessions are the baseline.

    Parameters
    ----------
    visits
        Everybody's sessions; an empty session is no visit.
    settings
        What is declared.
    files
        ``*_sessions.tsv`` and ``*_scans.tsv``, read where neither the settings nor the names say
        it.

    Raises
    ------
    ConfigError
        Nothing says which of several sessions is the first.
    DatasetError
        An acquisition time cannot be read.
    """
    sessions = _holders(visits)
    baseline, followup = (_prefixed(settings.names(key)) for key in ("baseline", "followup"))
    if baseline:
        return VisitChoice(baseline, followup, how="as sessions.baseline says")
    left = {name: people for name, people in sessions.items() if name not in followup}
    if len(left) == 1:
        return VisitChoice(tuple(left), followup, how="as the only one there is")
    if not left:
        return VisitChoice((), followup)
    named = named_baseline(left)
    if named is not None:
        return VisitChoice(named, followup, how="by the names of the sessions")
    times = acquisition_times(files)
    timed = _timed_baseline(left, times)
    if timed is None:
        raise _unordered(left, times)
    return VisitChoice(timed, followup, times, how="by the acquisition times")


def names_order(visits: Iterable[Visit], settings: SessionsSettings) -> bool:
    """Whether settings or names say which session is the first, so that no time is needed."""
    followup = _prefixed(settings.names("followup"))
    sessions = {name: people for name, people in _holders(visits).items() if name not in followup}
    if settings.names("baseline") or len(sessions) < 2:
        return True
    return named_baseline(sessions) is not None


def refuse_unknown_sessions(visits: Iterable[Visit], settings: SessionsSettings) -> None:
    """Refuse a declared session that nobody has.

    Raises
    ------
    ConfigError
        There is such a session.
    """
    sessions = _holders(visits)
    for key in ("baseline", "followup"):
        given = settings.names(key)
        for name, written in zip(_prefixed(given), given, strict=True):
            if name not in sessions:
                raise ConfigError(
                    f"sessions.{key}",
                    found=f"nobody has the session '{written}'",
                    wanted=f"one of {_shown(sessions)}",
                    mend=f"Correct sessions.{key} in config.yaml",
                )


def _holders(visits: Iterable[Visit]) -> dict[str, set[str]]:
    """People by session."""
    sessions: dict[str, set[str]] = {}
    for person, session in visits:
        if session:
            sessions.setdefault(session, set()).add(person)
    return sessions


def _prefixed(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"ses-{name.removeprefix('ses-')}" for name in names)


def _shown(sessions: Collection[str]) -> list[str]:
    return [name.removeprefix("ses-") for name in sorted(sessions)][:12]


def _unordered(
    sessions: Mapping[str, Collection[str]], times: Mapping[Visit, datetime]
) -> ConfigError:
    why = ", and the acq_times do not tell one order for everybody" if times else ""
    return ConfigError(
        "sessions",
        found=f"the names {_shown(sessions)} do not say which visit was the first{why}",
        wanted="the session that is the baseline",
        mend="Set sessions: {baseline: NAME} in config.yaml, or write acq_time into sessions.tsv "
        "or scans.tsv of the dataset",
    )


def _timed_baseline(
    sessions: Mapping[str, Collection[str]], times: Mapping[Visit, datetime]
) -> tuple[str, ...] | None:
    """Names before which nobody has another; None where the times do not say one order."""
    by_person: dict[str, list[str]] = {}
    for name in sorted(sessions):
        for who in sessions[name]:
            by_person.setdefault(who, []).append(name)
    several = {who: names for who, names in by_person.items() if len(names) > 1}
    if any((who, name) not in times for who, names in several.items() for name in names):
        return None
    before: set[tuple[str, str]] = set()
    for who, names in several.items():
        ordered = [name for _, name in sorted((times[who, name], name) for name in names)]
        before |= {(first, late) for i, first in enumerate(ordered) for late in ordered[i + 1 :]}
    if not before:
        return None
    if any((late, first) in before for first, late in before):
        # The order differs between people, as in a crossover: a name is no visit.
        return None
    later = {late for _, late in before}
    firsts = {first for first, _ in before} - later
    # A session that nobody has beside another one has no place.
    return tuple(sorted(firsts)) if firsts | later == set(sessions) else None


def session_files(bids_dir: Path, visits: Iterable[Visit]) -> list[Path]:
    """``*_sessions.tsv`` and ``*_scans.tsv`` of a dataset, those of the visits that are there."""
    files = set()
    for person, session in visits:
        folder = bids_dir / person
        files.add(folder / f"{person}_sessions.tsv")
        if session:
            files.add(folder / session / f"{person}_{session}_scans.tsv")
    return sorted(file for file in files if file.is_file())
