"""How the permutations of a study are divided among jobs."""

from __future__ import annotations

from commissure.evaluation.settings import EvaluationSettings

#: Permutations that are worked on together, in one job or in several; of many people fewer.
BLOCK, BLOCK_OF_MANY, MANY = 250, 125, 2000


def block_of(people: int) -> int:
    """How many permutations of a study of so many people are worked on together."""
    return BLOCK_OF_MANY if people > MANY else BLOCK


def parts_of(settings: EvaluationSettings, people: int) -> int:
    """How many jobs run the permutations of a study of so many people; 1 for none apart."""
    blocks = -(-settings.permutations // block_of(people))
    wanted = settings.permutation_jobs or (
        blocks if people > settings.permutation_jobs_above else 1
    )
    return max(1, min(wanted, blocks))


def numbers_of(part: int, parts: int, *, permutations: int, block: int) -> range:
    """Permutations of one of so many parts, from 0: whole blocks."""
    blocks = -(-permutations // block)
    first, end = ((part + step) * blocks // parts * block for step in (0, 1))
    return range(first, min(end, permutations))
