"""Columns of the matrix from which nothing is learnt, and values that a reader is told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.markers.change import BEFORE
from commissure.study.outcome_words import outcome_word
from commissure.study.settings import StudySettings

if TYPE_CHECKING:
    from commissure.study.design import DesignColumn

#: Robust standard deviations from which a value is told as far from all others, and the fewest
#: values that are compared.
FAR, FEWEST_TO_COMPARE = 10.0, 10
#: Values that differ by less are the same: the square of the difference may be 0.
SMALLEST = 1e-100


def idle_columns(values: np.ndarray, columns: Sequence[DesignColumn]) -> tuple[set[int], list[str]]:
    """Columns from which nothing can be learnt, and sentences on them.

    They have one value in everybody who has them, or are copies of an earlier column.
    """
    constant, copies = set(), set()
    first_with: dict[bytes, int] = {}
    for index, column in enumerate(values.T):
        if columns[index].modality.endswith(BEFORE):
            continue
        known = column[np.isfinite(column)]
        if len(known) > 2 and np.ptp(known) < SMALLEST:
            constant.add(index)
            continue
        # Where values are few, equal ones are no sign of a copy.
        if len(set(known.tolist())) > 5 and first_with.setdefault(column.tobytes(), index) != index:
            copies.add(index)
    names = {
        index: (columns[index].modality, columns[index].marker, columns[index].region)
        for index in constant | copies
    }
    cautions = []
    if constant:
        markers = named_and_counted({names[index] for index in constant})
        cautions.append(f"{markers} one value in everybody: not used.")
    if copies:
        markers = named_and_counted({names[index] for index in copies})
        cautions.append(
            f"{markers} the values of another marker in everybody: only the other is used."
        )
    return constant | copies, cautions


def far_values(values: np.ndarray, columns: Sequence[DesignColumn]) -> list[str]:
    """A sentence on values far from all others, as a code for nothing or a slipped point."""
    far: dict[int, int] = {}
    for index, column in enumerate(values.T):
        if columns[index].modality.endswith(BEFORE):
            continue
        known = column[np.isfinite(column)]
        if len(known) < FEWEST_TO_COMPARE:
            continue
        lower, middle, upper = np.quantile(known, [0.25, 0.5, 0.75])
        spread = (upper - lower) / 1.349
        if spread > 1e-9 * abs(middle):
            count = int((np.abs(known - middle) > FAR * spread).sum())
            if count:
                far[index] = count
    if not far:
        return []
    worst = sorted(far, key=lambda index: (-far[index], index))[:3]
    named = ", ".join(
        f"{columns[i].modality} {columns[i].marker} {columns[i].region} in {far[i]} people".strip()
        for i in worst
    )
    return [
        f"{len(far)} markers hold values more than {FAR:g} robust standard deviations from the "
        f"median ({named}{' and more' if len(far) > 3 else ''}): each fold brings them to the "
        "limit of its training people. If they mean that nothing was measured, write n/a."
    ]


def following_columns(
    columns: Sequence[DesignColumn],
    definitions: Mapping[str, Mapping[str, Any]],
    settings: StudySettings,
) -> tuple[set[int], list[str]]:
    """Columns of a lab's tables that follow or define the outcome by their names, and a sentence.

    What was measured from images is named by the program and tells nothing by its name.
    """
    given = {
        index: column.region
        for index, column in enumerate(columns)
        if definitions.get(column.marker, {}).get("given_by") == "table"
    }
    regions = set(given.values())
    label = (settings.label.column or "").casefold()
    words = {}
    for index, region in given.items():
        word = outcome_word(region, regions) or outcome_word(columns[index].marker)
        if region.casefold() == label:
            word = "the label"
        if word and region not in settings.allow_post_outcome:
            words[index] = f"{region} ('{word}')"
    if not words:
        return set(), []
    shown = ", ".join([*words.values()][:6]) + (" and more" if len(words) > 6 else "")
    return set(words), [
        f"{len(words)} columns of the lab's tables follow or define the outcome by their names and "
        f"are not used: {shown}. fusion.allow_post_outcome lets them in."
    ]


def named_and_counted(markers: set[tuple[str, str, str]]) -> str:
    """Name up to three markers, and count the rest: ``2 markers (a, b) have``."""
    names = [" ".join(part for part in marker if part) for marker in sorted(markers)]
    shown = ", ".join(names[:3]) + (" and more" if len(names) > 3 else "")
    return f"1 marker ({shown}) has" if len(names) == 1 else f"{len(names)} markers ({shown}) have"
