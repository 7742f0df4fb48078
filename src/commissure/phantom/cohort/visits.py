"""One scan or several: later visits, travelling subjects, the same scan with other noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from commissure.phantom.cohort.draw import possible, scanner
from commissure.phantom.cohort.planted_effects import planted_effects
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.person import Person

#: SD of what happens to a marker between two visits, as a share of its SD between people; none
#: where visits follow each other at once.
CHANGE_PER_VISIT = 0.2


def draw_scans(people: Sequence[Person], request: CohortRequest) -> list[Person]:
    """Say when and where each person is scanned: one entry per scanning session.

    Parameters
    ----------
    people
        From :func:`commissure.phantom.cohort.draw.draw_cohort`.
    request
        ``visits``: sessions are named 1, 2 ...; ``years_between``: markers follow age, and each
        changes by :data:`CHANGE_PER_VISIT` of its SD, but with 0 nothing about a person changes,
        and two visits differ by noise alone; ``change``: shares by which volumes change from each
        visit to the next beside that; ``travelling``: so many of the controls are scanned at
        every site, with sessions named by their order and their site, as 1B, the first at the site
        they belong to; ``motion``: with 0 the same people lie still, and nothing else about their
        images changes; ``noise_seed``: draws pose, movement, artefacts and noise anew, of people
        who stay as they are.
    """
    controls = [person.participant_id for person in people if person.group == "control"]
    travels = set(controls[: request.travelling])
    machines = [scanner(index) for index in range(request.n_sites)]
    scans = []
    for number, person in enumerate(people):
        rng = np.random.default_rng(np.random.SeedSequence([request.seed, 4, number]))
        now, order = person, 0
        for visit in range(1, request.visits + 1):
            if visit > 1:
                now = _changed(_later(now, request.years_between, rng), request.change)
            elsewhere = [machine for machine in machines if machine.site != person.site]
            places = [person.scanner, *(elsewhere if person.participant_id in travels else [])]
            for place in places:
                order += 1
                name = str(visit) if request.visits > 1 else ""
                scans.append(
                    replace(
                        now,
                        site=place.site,
                        scanner=place,
                        session=f"{order}{place.site}" if request.travelling else name,
                        seed=_seed_of_scan(person, request, number, order - 1),
                        lasting_seed=person.seed,
                        motion_scale_mm=request.motion * person.motion_scale_mm,
                    )
                )
    return scans


def _later(person: Person, years: float, rng: np.random.Generator) -> Person:
    if years == 0:
        return person
    markers = dict(person.markers)
    for row in planted_effects().to_dict("records"):
        key = row["marker"], row["region"]
        change = CHANGE_PER_VISIT * row["sd"] * rng.standard_normal()
        low, high = possible(row["marker"])
        value = markers[key] + years * row["age_per_year"] + change
        markers[key] = float(np.clip(value, low, high))
    return replace(person, age=round(person.age + years, 1), markers=markers)


def _changed(person: Person, change: Mapping[str, float]) -> Person:
    markers = dict(person.markers)
    low, high = possible("volume_factor")
    for region, share in change.items():
        key = "volume_factor", region
        markers[key] = float(np.clip(markers.get(key, 1.0) * (1 + share), low, high))
    return replace(person, markers=markers)


def _seed_of_scan(person: Person, request: CohortRequest, number: int, order: int) -> int:
    if request.noise_seed is None and order == 0:
        return person.seed
    start = [request.seed, 2] if request.noise_seed is None else [request.noise_seed, 3]
    return int(np.random.SeedSequence([*start, number, order]).generate_state(1)[0])
