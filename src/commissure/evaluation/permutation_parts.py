"""How the permutations of a study are divided among jobs."""

from __future__ import annotations

from typing import Literal

from commissure.evaluation.settings import EvaluationSettings

#: Permutations that are worked on together, in one job or in several; of many people fewer.
BLOCK, BLOCK_OF_MANY, MANY = 250, 125, 2000

#: Which divisions of the people a job goes through: folds, sites left out, or both.
Divisions = Literal["all", "folds", "sites"]


def block_of(people: int) -> int:
    """How many permutations of a study of so many people are worked on together."""
    return BLOCK_OF_MANY if people > MANY else BLOCK


def in_jobs(settings: EvaluationSettings, people: int) -> bool:
    """Whether the parts of a study of so many people are jobs of their own."""
    if settings.permutation_jobs is not None:
        return settings.permutation_jobs > 1
    return people > settings.permutation_jobs_above


def parts_of(settings: EvaluationSettings, people: int) -> int:
    """How many jobs run the permutations of a study of so many people; 1 for none apart.

    At most one for every block, or two: one for its folds and one for its sites left out.
    """
    if not in_jobs(settings, people) or not settings.permutations:
        return 1
    blocks = -(-settings.permutations // block_of(people))
    wanted = settings.permutation_jobs or 2 * blocks
    return 2 * blocks if wanted >= 2 * blocks else min(wanted, blocks)


def part_of(part: int, parts: int, *, permutations: int, block: int) -> tuple[Divisions, range]:
    """Divisions and permutations of one of so many parts, from 0: whole blocks."""
    blocks = -(-permutations // block)
    divisions: Divisions = "all"
    if parts > blocks > 0:
        divisions = "folds" if part < blocks else "sites"
        part, parts = part % blocks, blocks
    first, end = ((part + step) * blocks // parts * block for step in (0, 1))
    return divisions, range(first, min(end, permutations))
