"""How far two readings agree: Cohen's kappa, also weighted, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import cohen_kappa_score

from commissure.errors import DatasetError

#: Order of the categories, in which kappa weighs how far two differ. What is not evaluable has no
#: place in it.
ORDER = ("CR", "PR", "MR", "SD", "NON-CR/NON-PD", "PD")

#: Draws of the bootstrap, and its interval.
DRAWS = 2000
INTERVAL = 0.95


@dataclass(frozen=True)
class Kappa:
    """Chance-corrected agreement; NaN where both readings have one and the same category."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """Two readings of the same visits.

    Attributes
    ----------
    pairs, people
        Visits that both have, and whose they are.
    equal
        Share of equal categories.
    kappa
        Cohen's kappa over all categories.
    weighted
        With linear weights along :data:`ORDER`, of the visits that both found evaluable.
    categories
        Rows and columns of the table.
    table
        Visits by category of the first (rows) and the second reading.
    """

    pairs: int
    people: int
    equal: float
    kappa: Kappa
    weighted: Kappa
    categories: tuple[str, ...]
    table: np.ndarray


def agreement(
    first: Sequence[str],
    second: Sequence[str],
    people: Sequence[str],
    *,
    seed: int = 1,
) -> Agreement:
    """Compare two readings.

    Intervals are of a bootstrap over people, whose visits belong together; draws in which kappa
    is not defined are left out.

    Parameters
    ----------
    first, second
        Category at each visit.
    people
        Whose visit it is.
    seed
        Of the bootstrap.

    Raises
    ------
    DatasetError
        There is no visit, or a category is not known.

    Notes
    -----
    Cohen J, Educ Psychol Meas 20:37-46, 1960; Psychol Bull 70:213-220, 1968.
    """
    categories = (*ORDER, "NE")
    unknown = sorted({*first, *second} - set(categories))
    if unknown or not first:
        raise DatasetError(
            "agreement of two readings",
            found=f"the category '{unknown[0]}'" if unknown else "no visit that both have read",
            wanted=f"one of {', '.join(categories)}" if unknown else "at least one",
        )
    a, b, who = np.array(first), np.array(second), np.array(people)
    seen = tuple(name for name in categories if name in {*first, *second})
    evaluable = (a != "NE") & (b != "NE")
    return Agreement(
        len(a),
        len(set(people)),
        float(np.mean(a == b)),
        _with_interval(a, b, who, seed, weighted=False),
        _with_interval(a[evaluable], b[evaluable], who[evaluable], seed, weighted=True),
        seen,
        np.array([[np.sum((a == x) & (b == y)) for y in seen] for x in seen]),
    )


def _with_interval(
    a: np.ndarray, b: np.ndarray, who: np.ndarray, seed: int, *, weighted: bool
) -> Kappa:
    categories = list(ORDER) if weighted else [*ORDER, "NE"]
    if not len(a) or len({*a, *b}) < 2:
        return Kappa(math.nan, math.nan, math.nan)
    places = {name: place for place, name in enumerate(categories)}
    first, second = (np.array([places[name] for name in reading]) for reading in (a, b))
    value = cohen_kappa_score(
        first, second, labels=range(len(categories)), weights="linear" if weighted else None
    )
    people, person = np.unique(who, return_inverse=True)
    tables = np.zeros((len(people), len(categories), len(categories)))
    np.add.at(tables, (person, first, second), 1)
    drawn = np.random.default_rng(seed).multinomial(
        len(people), np.full(len(people), 1 / len(people)), size=DRAWS
    )
    values = _kappas(np.einsum("dp,pij->dij", drawn, tables), weighted=weighted)
    values = values[np.isfinite(values)]
    if len(people) < 2 or not len(values):
        return Kappa(float(value), math.nan, math.nan)
    tail = 100 * (1 - INTERVAL) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return Kappa(float(value), float(low), float(high))


def _kappas(tables: np.ndarray, *, weighted: bool) -> np.ndarray:
    """Kappa of many tables (draws, categories, categories) at once; NaN where not defined."""
    places = np.arange(tables.shape[1])
    apart = np.abs(places[:, None] - places) if weighted else places[:, None] != places
    count = tables.sum(axis=(1, 2))
    by_chance = np.einsum("di,dj,ij->d", tables.sum(axis=2), tables.sum(axis=1), apart)
    seen = np.einsum("dij,ij->d", tables, apart)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - seen * count / by_chance
