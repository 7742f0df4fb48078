"""A network against masks that somebody drew: overlap, volume, and which lesions it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from commissure.lesion.masks import numbered_parts
from commissure.lesion.network.examples import read_example
from commissure.lesion.network.segment import dice, probabilities
from commissure.lesion.network.settings import NetworkShape
from commissure.names import Scan

#: Share of a drawn lesion that has to be marked for it to be seen.
SEEN_SHARE = 0.25


@dataclass(frozen=True)
class Overlap:
    """A mask against the one that was drawn.

    Attributes
    ----------
    dice
        Of all lesions together; 1 where both masks are empty.
    volume_percent
        Difference of the volume from the drawn one; NaN where none was drawn.
    seen
        For each drawn lesion whether it is marked, by its number from 1.
    false
        Marked parts that touch no drawn lesion.
    """

    dice: float
    volume_percent: float
    seen: Mapping[int, bool]
    false: int


def overlap(marked: np.ndarray, drawn: np.ndarray) -> Overlap:
    """Compare two masks on one grid.

    Parameters
    ----------
    marked
        (X, Y, Z) bool.
    drawn
        (X, Y, Z) integers: lesions by their numbers, 0 outside.
    """
    seen = {}
    for number, box in enumerate(find_objects(drawn), start=1):
        if box is not None:
            part = drawn[box] == number
            seen[number] = bool((marked[box] & part).sum() >= SEEN_SHARE * part.sum())
    parts = numbered_parts(marked)
    touching = set(np.unique(parts[drawn > 0])) - {0}
    volume = int((drawn > 0).sum())
    percent = 100 * (int(marked.sum()) - volume) / volume if volume else np.nan
    return Overlap(
        dice(marked, drawn > 0), percent, seen, int(parts.max(initial=0)) - len(touching)
    )


def trial_on(
    module: Any, shape: NetworkShape, scans: Sequence[Scan], *, device: str
) -> dict[str, Any] | None:
    """How a network does on people who were held out: for its card; None where there are none.

    One pass an image, in the voxels of the network, without a size floor.
    """
    if not scans:
        return None
    module = module.to(device)
    results = []
    for scan in scans:
        example = read_example(scan, shape)
        said = probabilities(module, shape, example.data, device=device, passes=1)[0]
        results.append(overlap(said >= 0.5, numbered_parts(example.lesions)))
    module.to("cpu")
    with_lesions = [one for one in results if one.seen]
    return {
        "people": len({scan.participant_id for scan in scans}),
        "images": len(results),
        "lesions": sum(len(one.seen) for one in results),
        "dice_mean": _mean([one.dice for one in with_lesions]),
        "lesion_recall": _mean([float(seen) for one in results for seen in one.seen.values()]),
        "volume_percent_mean": _mean([one.volume_percent for one in with_lesions]),
        "false_lesions_per_image": _mean([float(one.false) for one in results]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
