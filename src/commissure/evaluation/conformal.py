"""Sets of outcomes instead of one: as many as a prediction is not sure enough to leave out.

Of two labels or several classes a set holds those that are not refuted; of a number it is an
interval about the prediction. An outcome is refuted where a person is among the least typical
``1 - level`` of the people of other folds who have it, by the predictions that were made while they
were left out (cross-conformal and by label: Vovk 2015, Ann Math Artif Intell 74:9; of a number
typical is what lies near its prediction: Papadopoulos 2002, ECML). The level is a promise for
people drawn as these were, on average over all of them. It is none for one site, and none for a
site that was not in training: how often sets held the truth there is measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from commissure.evaluation.decisions import ScoredPeople, with_wilson
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.measures.hand_till import class_probabilities
from commissure.evaluation.out_of_fold import Scores, left_out_of, repeats_of
from commissure.evaluation.settings import EvaluationSettings
from commissure.study.settings import OutcomeKindName
from commissure.study.study import Study


@dataclass(frozen=True)
class Typicality:
    """How typical outcomes would be of people, by what a model says of them.

    Attributes
    ----------
    values
        Shape (people, outcomes), larger is more typical; NaN for people who are not scored. Of a
        number there is one column, of the outcome that the person has.
    true
        Column of each person's outcome, -1 for people without one.
    """

    values: np.ndarray
    true: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Who is scored and has an outcome."""
        return (self.true >= 0) & np.isfinite(self.values).all(axis=1)


def typicality(kind: OutcomeKindName, labels: np.ndarray, said: np.ndarray) -> Typicality | None:
    """How typical outcomes are; None for a time to an event, of which no set is given.

    Parameters
    ----------
    kind
        Kind of the outcome.
    labels, said
        Outcomes as their kind holds them, shape (people,), and what a model says of the people:
        logits (people,), a number (people,), or logits of the classes (people, classes).
    """
    if kind == "binary":
        return Typicality(
            np.column_stack([said, -said]), np.select([labels == 1, labels == 0], [0, 1], -1)
        )
    if kind == "classes":
        logs = np.log(np.clip(class_probabilities(said), 1e-300, None))
        return Typicality(logs, np.maximum(labels, -1))
    if kind == "continuous":
        return Typicality(-np.abs(labels - said)[:, None], np.where(np.isfinite(labels), 0, -1))
    return None


def limits(typical: Typicality, people: np.ndarray, level: float) -> np.ndarray:
    """Typicality from which each outcome belongs to a set, shape (outcomes,).

    Minus infinity where so few people have an outcome that nothing refutes it.

    Parameters
    ----------
    typical
        Of everybody.
    people
        Who is looked at, shape (people,).
    level
        Share of the people with an outcome who are to have it in their set.
    """
    found = np.full(typical.values.shape[1], -math.inf)
    for outcome in range(len(found)):
        rows = people & typical.known & (typical.true == outcome)
        # The person in question counts as one of those who are at most as typical.
        place = math.floor((1 - level + 1e-12) * (int(rows.sum()) + 1))
        if place:
            found[outcome] = np.sort(typical.values[rows, outcome])[place - 1]
    return found


def cross_conformal_sets(typical: Typicality, fold: np.ndarray, level: float) -> np.ndarray:
    """Which outcomes each person's set holds by the people of other folds, (people, outcomes)."""
    sets = np.zeros(typical.values.shape, dtype=bool)
    for name in np.unique(fold):
        test = fold == name
        sets[test] = typical.values[test] >= limits(typical, ~test, level)
    return sets


def label_sets(people: ScoredPeople, level: float) -> np.ndarray:
    """Which labels are not refuted, shape (people, 2): the positive, the negative one."""
    typical = typicality("binary", people.labels, people.logits)
    assert typical is not None
    return cross_conformal_sets(typical, people.fold, level)


def conformal_results(
    study: Study[EvaluationSettings], scores: Scores, models: Iterable[str]
) -> dict[str, Any]:
    """How often the sets of models hold the true outcome, and how often they say anything.

    Returns
    -------
    dict
        ``level``, and by model what :func:`conformal_record` says. A model that scores people of
        one label only is left out. Empty for a time to an event.
    """
    level, results = study.settings.conformal_level, {}
    for name in models:
        record = conformal_record(
            study, repeats_of(study, scores[name]), left_out_of(study, scores[name])
        )
        if record is not None:
            results[name] = record
    return {"level": level, "models": results} if results else {}


def conformal_record(
    study: Study[EvaluationSettings], repeats: Sequence[HeldOut], away: HeldOut | None
) -> dict[str, Any] | None:
    """How often sets hold the true outcome: of all people, by site, and with the site left out.

    Parameters
    ----------
    study
        The study.
    repeats, away
        Predictions of a model in each repeat of the cross-validation, and with the site left out.

    Returns
    -------
    dict or None
        ``coverage`` (share of the people whose set holds their outcome, with Wilson's interval),
        ``coverage_left_out`` (the same with the site left out of the model, and its people out of
        the limits; None where no site can be), ``sites`` (``site``, ``n``, ``coverage``,
        ``coverage_left_out`` of each). Of two labels also ``coverage_positive`` and
        ``coverage_negative``; of labels and classes the shares of the people with one outcome in
        their set (``one``), several (``both``) and ``none``; of a number ``half_width``, that of
        the interval. Means over the repeats. None where nobody could be told apart.
    """
    kind, level = study.settings.outcome.kind, study.settings.conformal_level
    typical = [typicality(kind, held.labels, held.logits) for held in repeats]
    rounds = [
        (one, cross_conformal_sets(one, held.fold, level))
        for one, held in zip(typical, repeats, strict=True)
        if one is not None
    ]
    if not rounds or not rounds[0][0].known.any():
        return None
    first = rounds[0][0]
    if kind != "continuous" and len(np.unique(first.true[first.known])) < 2:
        return None
    hit = np.mean([_hits(one, sets) for one, sets in rounds], axis=0)
    hit_away = np.full(len(hit), math.nan)
    if away is not None:
        hit_away = _hits_elsewhere(kind, away, [one for one, _ in rounds], level)
    sites = [
        {
            "site": str(site),
            "n": int((first.known & (study.design.sites == site)).sum()),
            "coverage": _share(hit[study.design.sites == site]),
            "coverage_left_out": _share(hit_away[study.design.sites == site]),
        }
        for site in np.unique(study.design.sites[first.known])
    ]
    record: dict[str, Any] = {
        "coverage": _share(hit),
        "coverage_left_out": _share(hit_away),
        "sites": sites,
    }
    if kind == "continuous":
        half = -float(stored_limits(study, repeats)[0])
        return record | {"half_width": half if math.isfinite(half) else None}
    size = np.array([sets[one.known].sum(axis=1) for one, sets in rounds])
    if kind == "binary":
        record |= {
            f"coverage_{name}": _share(hit[first.true == number])
            for number, name in enumerate(("positive", "negative"))
        }
    return record | {
        "one": float((size == 1).mean()),
        "both": float((size > 1).mean()),
        "none": float((size == 0).mean()),
    }


def stored_limits(study: Study[EvaluationSettings], repeats: Sequence[HeldOut]) -> np.ndarray:
    """Limits by which new people get their sets: of everybody, means over the repeats.

    Shape (outcomes,); empty for a time to an event.
    """
    kind, level = study.settings.outcome.kind, study.settings.conformal_level
    typical = [typicality(kind, held.labels, held.logits) for held in repeats]
    rounds = [limits(one, one.known, level) for one in typical if one is not None]
    return np.mean(rounds, axis=0) if rounds else np.zeros(0)


def worst_site(sites: Iterable[Mapping[str, Any]], key: str) -> Mapping[str, Any] | None:
    """The site whose people were covered least; None where none was looked at."""
    known = [site for site in sites if site[key] is not None]
    return min(known, key=lambda site: site[key]["value"]) if known else None


def _hits_elsewhere(
    kind: OutcomeKindName, away: HeldOut, rounds: Sequence[Typicality], level: float
) -> np.ndarray:
    """:func:`_hits` where the site of each person is new, as it is to people of a frozen model.

    Limits come from the cross-validation of the people of other sites, predictions from the model
    without the site.
    """
    elsewhere = typicality(kind, away.labels, away.logits)
    assert elsewhere is not None
    sets = np.zeros(elsewhere.values.shape, dtype=bool)
    for site in np.unique(away.sites):
        here = away.sites == site
        least = np.mean([limits(one, ~here, level) for one in rounds], axis=0)
        sets[here] = elsewhere.values[here] >= least
    return _hits(elsewhere, sets)


def _hits(typical: Typicality, sets: np.ndarray) -> np.ndarray:
    """1 where the set holds a person's outcome, 0 where not, NaN for who has none or no score."""
    held = np.take_along_axis(sets, np.maximum(typical.true, 0)[:, None], axis=1)[:, 0]
    return np.where(typical.known, held.astype(float), math.nan)


def _share(hit: np.ndarray) -> dict[str, float] | None:
    known = hit[np.isfinite(hit)]
    return with_wilson(float(known.mean()), len(known)) if len(known) else None
