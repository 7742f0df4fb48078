"""How disorders change the brain on average: published effects by trait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.images.resources import resource

#: Tracts that are sums of others of the 24; the 21 without them count nothing twice.
COMPOUND_TRACTS = ("CC", "IC", "CR")


@dataclass(frozen=True)
class EffectPattern:
    """What a disorder does to a set of traits.

    Attributes
    ----------
    traits
        Names of the traits, in the order of ``d``.
    d
        Standardised differences patients - controls.
    source
        Where they are published.
    """

    traits: tuple[str, ...]
    d: tuple[float, ...]
    source: str

    @property
    def values(self) -> np.ndarray:
        """The differences, shape (traits,)."""
        return np.array(self.d)

    def without(self, names: Sequence[str]) -> EffectPattern:
        """The pattern without some of its traits."""
        kept = [(t, d) for t, d in zip(self.traits, self.d, strict=True) if t not in names]
        return EffectPattern(tuple(t for t, _ in kept), tuple(d for _, d in kept), self.source)

    def check(self, names: Sequence[str], *, who: str) -> None:
        """Refuse traits that are not those of the pattern, in its order.

        Raises
        ------
        DatasetError
            A name is not the pattern's at that place: misspelt, missing, too many, or permuted.
        """
        given, wanted = [str(name) for name in names], list(self.traits)
        if given == wanted:
            return
        unknown = [name for name in given if name not in wanted]
        absent = [name for name in wanted if name not in given]
        if unknown:
            near = get_close_matches(unknown[0], absent, n=1, cutoff=0.5)
            found = f"'{unknown[0]}' is no trait of the pattern"
            mend = f"Call it {near[0]}" if near else "Leave it out"
            if unknown[0] in ("IFO", "TAP"):
                mend = "ENIGMA's IFO is the atlas's UNC, and its UNC is TAP: rename both"
        elif len(set(given)) < len(given):
            twice = next(name for name in given if given.count(name) > 1)
            found, mend = f"{twice} stands twice", "Give each trait once"
        elif absent:
            found, mend = f"{', '.join(absent[:3])} is missing", "Add what is missing"
        else:
            place = next(i for i, name in enumerate(given) if name != wanted[i])
            found = f"{given[place]} stands where the pattern has {wanted[place]}"
            mend = "Give each trait once, in the order of the pattern"
        raise DatasetError(
            who, found=found, wanted=f"{len(wanted)} traits: {', '.join(wanted)}", mend=mend
        )


@lru_cache(maxsize=1)
def _table() -> pd.DataFrame:
    return read_table(resource("effect-patterns", "enigma.tsv"), text=("trait", "source"))


def effect_pattern(traits: str, disorder: str) -> EffectPattern:
    """The effects of a disorder on a set of traits.

    Parameters
    ----------
    traits
        ``fa``, ``subcortical`` or ``thickness``.
    disorder
        ``schizophrenia``, ``depression`` or ``bipolar``.
    """
    table = _table()
    rows = table[(table["traits"] == traits) & (table["disorder"] == disorder)]
    return EffectPattern(
        tuple(rows["trait"]), tuple(map(float, rows["d"])), str(rows["source"].iloc[0])
    )
