"""Jobs ask for more with every attempt, and the last of a batch for no more than before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from commissure.flow.asked import Asked, attempt_number
from commissure.flow.attempts import ATTEMPTS


class Plan:
    def memory_mb(self, rule, batch, default, *, address_space):
        return {"learnt": 1700 if address_space else 700}.get(rule, default)

    def runtime_min(self, rule, batch, default):
        return {"learnt": 5}.get(rule, default)


@pytest.mark.parametrize(("batch", "times"), [("0001", [1, 2, 3, 2]), (None, [1, 2, 3, 4])])
def test_more_with_every_attempt(batch, times):
    asked = Asked(Plan(), {"runtime": SimpleNamespace(value=20)})
    wildcards = SimpleNamespace(**({"batch": batch} if batch else {}))
    attempts = range(1, ATTEMPTS + 1)
    for rule, memory, minutes in (("learnt", 700, 5), ("new", 2000, 20)):
        assert [asked.memory(2000, rule)(wildcards, n) for n in attempts] == [
            memory * n for n in times
        ]
        assert [asked.minutes(rule)(wildcards, n) for n in attempts] == [minutes * n for n in times]
    assert [attempt_number(wildcards, n) for n in attempts] == [1, 2, 3, 4]


def test_where_address_space_is_limited_it_is_asked_for():
    limited = Asked(Plan(), None)
    limited.address_space = lambda: True
    assert limited.memory(2000, "learnt")(SimpleNamespace(batch="0001"), 2) == 3400


def test_without_a_profile_a_step_has_half_an_hour():
    assert Asked(Plan(), None).minutes("new")(SimpleNamespace(), 1) == 30
