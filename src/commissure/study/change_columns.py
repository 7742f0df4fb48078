"""Which columns of the matrix are baselines of a change, and whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from commissure.markers.change import BEFORE, CHANGE, RESIDUAL

if TYPE_CHECKING:
    from commissure.study.design import Block, DesignColumn

#: Number of the column with the baseline, by modality, marker and region.
Baselines = Mapping[tuple[str, str, str], int]


def baselines_of_change(columns: Sequence[DesignColumn]) -> Baselines:
    """The baselines from which a follow-up is freed; they are no markers of their own."""
    return {
        (column.modality.removesuffix(BEFORE), column.marker, column.region): index
        for index, column in enumerate(columns)
        if column.modality.endswith(BEFORE)
    }


def with_baselines(
    blocks: Mapping[str, Block], columns: Sequence[DesignColumn], before: Baselines
) -> dict[str, Block]:
    """The blocks, those of residual change with a baseline for each column.

    A change is not freed of head size: that is the same at both visits.
    """
    made = {}
    for name, block in blocks.items():
        if name.endswith((RESIDUAL, CHANGE)):
            block = replace(block, adjusted=(), head_size=None)
        if name.endswith(RESIDUAL):
            modality = name.removesuffix(RESIDUAL)
            places = [columns[index] for index in block.columns]
            numbers = [before[modality, place.marker, place.region] for place in places]
            block = replace(block, before=tuple(numbers))
        made[name] = block
    return made
