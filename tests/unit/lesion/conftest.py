"""Readings in few words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from commissure.lesion.readings import LesionReading, Patient, Visit


def lesion(name: str, size: float | None, role: str = "target", **more) -> LesionReading:
    """A lesion of a size (longest and short diameter); None is not evaluated, 0 is absent."""
    state = "not evaluated" if size is None else "absent" if size == 0 else "measured"
    values = {"organ": name, "state": state, "longest_mm": size, "short_mm": size} | more
    return LesionReading(name, role, **values)


def patient(*visits: list[LesionReading], days=None, **of_visits) -> Patient:
    """A patient with visits 56 days apart; ``of_visits`` are lists, one value a visit."""
    days = [56 * n for n in range(len(visits))] if days is None else days
    return Patient(
        "sub-01",
        tuple(
            Visit(
                f"ses-{n + 1}",
                days[n],
                tuple(lesions),
                **{name: values[n] for name, values in of_visits.items()},
            )
            for n, lesions in enumerate(visits)
        ),
    )


@pytest.fixture
def read() -> Callable:
    return lesion


@pytest.fixture
def seen() -> Callable:
    return patient
