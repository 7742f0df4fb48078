"""The parts of a fusion that need neither its permutations nor each other.

Each may be a job of its own. What it finds stands in a file, with every number in full, under the
name of the function that computed it: :meth:`commissure.fusion.fitted.FittedStudy.result_of` takes
it from there or calls the function itself, so that the result is the same to the last bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from commissure.files import write_text
from commissure.fusion import measured, secondary
from commissure.fusion.divided import DividedStudy
from commissure.fusion.falsification.confounds import curved_predictions
from commissure.fusion.falsification.measured import values_in_noise
from commissure.fusion.falsification.planted import aucs_in_noise
from commissure.fusion.falsification.registry import separate_attempts
from commissure.fusion.part_names import (
    ATTEMPTS,
    EXCLUSIONS,
    REPEATS,
    REPEATS_FROM,
    SITES,
    TRAINING,
)
from commissure.fusion.predictions import stored_rounds
from commissure.study.splits import CV, LEAVE_SITE_OUT

Analysis = Callable[[DividedStudy], Any]

#: Analyses of each part, of two labels and of other outcomes.
_OF_LABELS: Mapping[str, Sequence[Analysis]] = {
    SITES: (secondary.modality_value, secondary.marker_stability),
    ATTEMPTS: (separate_attempts, aucs_in_noise, curved_predictions),
    EXCLUSIONS: (secondary.under_other_exclusions,),
    TRAINING: (secondary.sizes_of_training,),
}
_OF_OTHERS: Mapping[str, Sequence[Analysis]] = {
    ATTEMPTS: (separate_attempts, values_in_noise),
    EXCLUSIONS: (measured.exclusion_sensitivity,),
}
_SECONDARY = (secondary.modality_value, secondary.marker_stability)


def results_of_part(divided: DividedStudy, part: str) -> dict[str, Any]:
    """What a part of a fusion finds, by the names of the functions that computed it.

    Parameters
    ----------
    divided
        The study.
    part
        One of :func:`commissure.fusion.part_names.part_names`.
    """
    settings = divided.study.settings
    if part.startswith(REPEATS_FROM):
        first = int(part.removeprefix(REPEATS_FROM))
        return stored_rounds(divided, [(CV, first + step) for step in range(REPEATS)])
    results = stored_rounds(divided, [(LEAVE_SITE_OUT, 0)]) if part == SITES else {}
    of_kind = _OF_LABELS if settings.outcome.kind == "binary" else _OF_OTHERS
    for analysis in of_kind.get(part, ()):
        if settings.secondary_analyses or analysis not in _SECONDARY:
            results[analysis.__name__] = analysis(divided)
    return results


def write_part(results: Mapping[str, Any], path: Path) -> None:
    """Write what a part found; numbers keep every digit, and NaN stays NaN."""
    write_text(json.dumps(results, default=lambda value: value.tolist()), path)


def read_parts(paths: Sequence[Path]) -> dict[str, Any]:
    """What all parts found."""
    results: dict[str, Any] = {}
    for path in paths:
        results |= json.loads(path.read_text(encoding="utf-8"))
    return results
