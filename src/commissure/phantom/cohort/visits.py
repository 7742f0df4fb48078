"""One scan or several: later visits, travelling subjects, the same scan with other noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from commissure.errors import ConfigError
from commissure.phantom.cohort.draw import possible, scanner
from commissure.phantom.cohort.planted_effects import effects_table
from commissure.phantom.person import Person

#: SD of what happens to a marker between two visits, as a share of its SD between people; none
#: where visits follow each other at once.
CHANGE_PER_VISIT = 0.2


def draw_scans(
    people: Sequence[Person],
    *,
    sites: int,
    visits: int = 1,
    years_between: float = 1.0,
    travelling: int = 0,
    motion: float = 1.0,
    seed: int = 1,
    noise_seed: int | None = None,
) -> list[Person]:
    """Say when and where each person is scanned: one entry per scanning session.

    Parameters
    ----------
    people
        From :func:`commissure.phantom.cohort.draw.draw_cohort`.
    sites
        How many sites there are.
    visits
        How often everybody is scanned. Sessions are named 1, 2 ...
    years_between
        Age between two visits. Markers follow age, and each changes by :data:`CHANGE_PER_VISIT` of
        its SD; with 0 nothing about a person changes, and two visits differ by noise alone.
    travelling
        How many of the controls are scanned at every site. Sessions are then named by their order
        and their site, as 1B: everybody's first is at his own site.
    motion
        Factor on everybody's head motion; with 0 the same people lie still, and nothing else about
        their images changes.
    seed
        As the people were drawn with.
    noise_seed
        Draws pose, movement, artefacts and noise anew, of people who stay as they are.

    Raises
    ------
    ConfigError
        No visit, years that run backwards, negative motion, more travelling subjects than controls,
        or no site to travel to.
    """
    if not 0 <= motion <= 20:
        raise ConfigError("--motion", found=f"a factor of {motion}", wanted="0 to 20")
    controls = [person.participant_id for person in people if person.group == "control"]
    _refuse_impossible(visits, years_between, travelling, len(controls), sites)
    travels = set(controls[:travelling])
    machines = [scanner(index) for index in range(sites)]
    scans = []
    for number, person in enumerate(people):
        own = np.random.default_rng(np.random.SeedSequence([seed, 4, number]))
        now, order = person, 0
        for visit in range(1, visits + 1):
            if visit > 1:
                now = _later(now, years_between, own)
            elsewhere = [machine for machine in machines if machine.site != person.site]
            places = [person.scanner, *(elsewhere if person.participant_id in travels else [])]
            for place in places:
                order += 1
                name = f"{order}{place.site}" if travelling else str(visit) if visits > 1 else ""
                scans.append(
                    replace(
                        now,
                        site=place.site,
                        scanner=place,
                        session=name,
                        seed=_seed_of_scan(person, seed, noise_seed, number, order - 1),
                        own_seed=person.seed,
                        motion_scale_mm=motion * person.motion_scale_mm,
                    )
                )
    return scans


def _later(person: Person, years: float, rng: np.random.Generator) -> Person:
    if years == 0:
        return person
    markers = dict(person.markers)
    for row in effects_table().to_dict("records"):
        key = row["marker"], row["region"]
        change = CHANGE_PER_VISIT * row["sd"] * rng.standard_normal()
        low, high = possible(row["marker"])
        value = markers[key] + years * row["age_per_year"] + change
        markers[key] = float(np.clip(value, low, high))
    return replace(person, age=round(person.age + years, 1), markers=markers)


def _seed_of_scan(
    person: Person, seed: int, noise_seed: int | None, number: int, order: int
) -> int:
    if noise_seed is None and order == 0:
        return person.seed
    start = [seed, 2] if noise_seed is None else [noise_seed, 3]
    return int(np.random.SeedSequence([*start, number, order]).generate_state(1)[0])


def _refuse_impossible(
    visits: int, years_between: float, travelling: int, controls: int, sites: int
) -> None:
    if not 1 <= visits <= 9:
        raise ConfigError("--visits", found=f"{visits}", wanted="1 to 9")
    if not 0 <= years_between <= 20:
        raise ConfigError("--years-between", found=f"{years_between}", wanted="0 to 20 years")
    if not 0 <= travelling <= controls:
        raise ConfigError(
            "--travelling",
            found=f"{travelling} travelling subjects among {controls} controls",
            wanted=f"0 to {controls}",
        )
    if travelling and sites < 2:
        raise ConfigError("--travelling", found="one site", wanted="two sites to travel between")
