"""The planted effects: one row per marker, and how markers hang together within a group."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pandas as pd

from commissure.files import read_table

#: Shares of the variance of z that are common to everything, to a modality, to both sides.
COMMON, WITHIN_MODALITY, BOTH_SIDES = 0.15, 0.35, 0.25

#: The largest factor on a layer of effects that may be asked for.
LARGEST_FACTOR = 3.0


@lru_cache(maxsize=1)
def planted_effects() -> pd.DataFrame:
    """The planted truth: mean, SD, dependence on age and sex, and both effects of every marker."""
    return read_table(Path(__file__).with_name("planted_effects.tsv"), text=("region",)).fillna(
        {"pair": ""}
    )
