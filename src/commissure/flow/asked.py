"""What jobs ask for, as functions for the resources of a rule: Snakemake gives them the attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from commissure.flow.attempts import ATTEMPTS

#: Minutes of a step where neither the profile nor earlier jobs say any.
USUAL_MIN = 30

Resource = Callable[[Any, int], int]


class Knows(Protocol):
    """What the plan of a run knows of earlier jobs."""

    def memory_mb(self, rule: str, batch: str | None, default: int, *, address_space: bool) -> int:
        """Memory that a job asks for."""

    def runtime_min(self, rule: str, batch: str | None, default: int) -> int:
        """Minutes that a job asks for."""


class Asked:
    """What the jobs of a run ask for: what earlier ones used, and more with every attempt.

    Parameters
    ----------
    plan
        The plan of the run.
    defaults
        Default resources of the profile, as Snakemake has them.

    Attributes
    ----------
    address_space
        Says, once jobs are known, whether the scheduler limits address space and not memory.
    """

    def __init__(self, plan: Knows, defaults: Mapping[str, Any] | None) -> None:
        self.plan = plan
        self.address_space: Callable[[], bool] = lambda: False
        runtime = (defaults or {}).get("runtime")
        self.usual_min: int = getattr(runtime, "value", None) or USUAL_MIN

    def memory(self, megabytes: int, rule: str | None = None) -> Resource:
        """Memory of a rule, MB; without its name what is given, and not what is learnt."""

        def asked(wildcards: Any, attempt: int) -> int:
            batch = getattr(wildcards, "batch", None)
            usual = megabytes
            if rule:
                usual = self.plan.memory_mb(
                    rule, batch, megabytes, address_space=self.address_space()
                )
            return times(attempt, batch) * usual

        return asked

    def minutes(self, rule: str) -> Resource:
        """Minutes of a rule."""

        def asked(wildcards: Any, attempt: int) -> int:
            batch = getattr(wildcards, "batch", None)
            return times(attempt, batch) * self.plan.runtime_min(rule, batch, self.usual_min)

        return asked


def attempt_number(wildcards: Any, attempt: int) -> int:
    """Which attempt of a job it is: its script is told so as a resource."""
    return attempt


def times(attempt: int, batch: str | None) -> int:
    """How often what is usual an attempt asks for.

    The last attempt of a batch does without the images at which others died, and so asks for less:
    what no node has would not be submitted.
    """
    return 2 if batch is not None and attempt >= ATTEMPTS else attempt
