"""Large cohorts, with effects and without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.planted_effects import planted_effects
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.person import Person

N = 700


@pytest.fixture(scope="session")
def large() -> list[Person]:
    return draw_cohort(CohortRequest(controls=N, responsive=N, resistant=N, sites=2, seed=7))


@pytest.fixture(scope="session")
def no_effect() -> list[Person]:
    return draw_cohort(CohortRequest(controls=N, responsive=N, resistant=N, effects=0.0, seed=7))


@pytest.fixture(scope="session")
def without_age_and_sex() -> Callable[[list[Person]], dict[tuple[str, str], np.ndarray]]:
    """True markers of people, less what age and sex make of them."""

    def adjusted(people: list[Person]) -> dict[tuple[str, str], np.ndarray]:
        age = np.array([p.age for p in people]) - 35
        male = np.array([p.sex == "M" for p in people])
        return {
            (row.marker, row.region): np.array([p.markers[row.marker, row.region] for p in people])
            - row.age_per_year * age
            - row.male * male
            for row in planted_effects().itertuples()
        }

    return adjusted
