"""What the planted effects allow: the best separation that any classifier of true markers reaches.

Within a group the markers are jointly normal with known means and correlations, so the likelihood
ratio of resistant against responsive is linear in them and no other score separates the groups
better (Neyman-Pearson). Its area under the curve is Phi(D / sqrt(2)) with D² = d' R⁻¹ d.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from commissure.errors import ConfigError
from commissure.phantom.cohort.planted_effects import (
    BOTH_SIDES,
    COMMON,
    LARGEST_FACTOR,
    WITHIN_MODALITY,
    planted_effects,
)
from commissure.phantom.person import Person


def marker_correlation() -> np.ndarray:
    """Correlation of the markers within a group, rows and columns as in the table of effects."""
    table = planted_effects()
    modality, loading = table["modality"].to_numpy(), table["loading"].to_numpy(float)
    pair = np.where(table["pair"] == "", "", table["modality"] + " " + table["pair"])
    same = pair[:, None] == pair
    shared = COMMON + WITHIN_MODALITY * (modality[:, None] == modality)
    shared = shared + BOTH_SIDES * (same & (pair != ""))
    correlation = np.outer(loading, loading) * shared
    np.fill_diagonal(correlation, 1.0)
    return correlation


def separation(modalities: Sequence[str] | frozenset[str] | None = None) -> float:
    """Mahalanobis distance D of resistant from responsive people at the planted effects.

    Parameters
    ----------
    modalities
        Which modalities' markers are seen; ``None`` is all.
    """
    table = planted_effects()
    names = table["modality"].to_numpy()
    seen = np.ones(len(table), bool) if modalities is None else np.isin(names, list(modalities))
    d = table["d_resistant"].to_numpy(float)[seen]
    correlation = marker_correlation()[np.ix_(seen, seen)]
    return math.sqrt(float(d @ np.linalg.solve(correlation, d)))


def auc_of(distance: float) -> float:
    """Area under the curve of two normal distributions that lie so many SD apart."""
    return NormalDist().cdf(distance / math.sqrt(2))


def factor_for_auc(auc: float) -> float:
    """Factor on the layer resistant - responsive with which the oracle reaches an AUC.

    Raises
    ------
    ConfigError
        Below chance, or beyond what the largest factor allows.
    """
    most = auc_of(LARGEST_FACTOR * separation())
    if not 0.5 <= auc <= most:
        raise ConfigError(
            "cohort.auc",
            found=f"an area under the curve of {auc}",
            wanted=f"0.5 to {most:.4f}, which {LARGEST_FACTOR:g} times the published effects allow",
        )
    return math.sqrt(2) * NormalDist().inv_cdf(auc) / separation()


def oracle_scores(people: Sequence[Person], factor: float) -> Mapping[str, float]:
    """Log-likelihood ratio, resistant against responsive, of every patient from their true markers.

    Parameters
    ----------
    people
        Only the markers of modalities that a person was measured with count.
    factor
        On the layer resistant - responsive, as the people were drawn; 0 leaves nothing to tell
        them apart, and the scores are those of factor 1.

    Returns
    -------
    dict
        By participant; controls have no score.
    """
    table = planted_effects()
    correlation = marker_correlation()
    modality = table["modality"].to_numpy()
    keys = list(zip(table["marker"], table["region"], strict=True))
    d = (factor or 1.0) * table["d_resistant"].to_numpy(float)
    weights: dict[frozenset[str], np.ndarray] = {}
    ratios: dict[str, float] = {}
    for person in people:
        if person.group == "control" or person.participant_id in ratios:
            continue
        seen = np.isin(modality, list(person.modalities))
        if person.modalities not in weights:
            full = np.zeros(len(d))
            full[seen] = np.linalg.solve(correlation[np.ix_(seen, seen)], d[seen])
            weights[person.modalities] = full
        value = np.array([person.markers[key] for key in keys])
        expected = table["mean"] + table["age_per_year"] * (person.age - 35)
        expected = expected + table["male"] * (person.sex == "M")
        z = (value - expected.to_numpy(float)) / table["sd"].to_numpy(float)
        # What responsive and resistant patients share (d_patient) moves all scores alike.
        ratios[person.participant_id] = float(weights[person.modalities] @ (z - d / 2))
    return ratios
