"""Into which jobs a fusion is divided, beside its permutations."""

from __future__ import annotations

from commissure.fusion.settings import FusionSettings

#: Repeats of the cross-validation of one job.
REPEATS = 5
REPEATS_FROM = "repeats-from-"
SITES, ATTEMPTS = "sites", "attempts"
TRAINING, EXCLUSIONS = "training", "exclusions"


def part_names(settings: FusionSettings) -> list[str]:
    """Names of the parts that need nothing of each other, each a job of its own."""
    names = [f"{REPEATS_FROM}{first}" for first in range(0, settings.repeats, REPEATS)]
    names += [SITES, ATTEMPTS]
    if settings.secondary_analyses:
        names += [EXCLUSIONS, TRAINING] if settings.outcome.kind == "binary" else [EXCLUSIONS]
    return names
