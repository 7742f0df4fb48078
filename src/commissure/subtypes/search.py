"""The search: positions, the test of one cloud, every number of clusters, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from commissure.models.canonical import CanonicalVariates
from commissure.study.design import Block
from commissure.subtypes.confounds import Confound
from commissure.subtypes.external import ExternalVariable, external_tests
from commissure.subtypes.settings import SubtypesSettings
from commissure.subtypes.shared import SharedVariate, shared_variates
from commissure.subtypes.significance import SigClust, sigclust
from commissure.subtypes.solutions import (
    MIN_REPLICATION,
    Direction,
    Solution,
    add_stability,
    tried_solutions,
)
from commissure.subtypes.space import MarkerSpace, SharedSpace, Space

NO_CLUSTERS = "no clusters"
VALIDATED = "clusters, stable and external"
NOT_VALIDATED = "clusters, not validated"
#: Parts of the people, each of which is held out once where valleys are looked for.
FOLDS = 5


@dataclass(frozen=True)
class Question:
    """People among whom groups are looked for.

    Attributes
    ----------
    values
        The matrix, shape (people, columns).
    blocks
        Its blocks, each with what is taken out.
    discovery
        Who is in the discovery part, shape (people,).
    sites
        Site of each person.
    items
        Symptoms without gaps, shape (people, items); None for a search by markers alone.
    confounds
        What clusters must not follow.
    unchecked
        Mandatory confounds that are not known of these people.
    external, covariates
        What no cluster has seen, and what is taken out of it.
    """

    values: np.ndarray
    blocks: tuple[Block, ...]
    discovery: np.ndarray
    sites: np.ndarray
    items: np.ndarray | None = None
    confounds: Sequence[Confound] = ()
    unchecked: Sequence[str] = ()
    external: Sequence[ExternalVariable] = ()
    covariates: np.ndarray | None = None


@dataclass(frozen=True)
class Answer:
    """What the search says.

    Attributes
    ----------
    verdict, reasons
        One of the three verdicts, and why, in sentences.
    space
        Where the people were compared.
    positions
        Of everybody, shape (people, axes).
    learnt
        Numbers of the people from whom space and clusters were learnt.
    sigclust
        The test of two clusters against one cloud.
    solutions
        Every number of clusters.
    chosen
        The one that is reported; None without clusters.
    variates
        What markers and symptoms share; empty without symptoms.
    external
        Differences in what no cluster has seen.
    """

    verdict: str
    reasons: Sequence[str]
    space: Space
    positions: np.ndarray
    learnt: np.ndarray
    sigclust: SigClust
    solutions: Sequence[Solution]
    chosen: Solution | None = None
    variates: Sequence[SharedVariate] = ()
    external: Sequence[dict[str, Any]] = field(default_factory=list)


def search(
    question: Question,
    settings: SubtypesSettings,
    *,
    thorough: bool = True,
    say: Callable[[str], None] | None = None,
) -> Answer:
    """Look for groups and put them to the test.

    Parameters
    ----------
    question
        The people.
    settings
        The settings.
    thorough
        Whether the stability of every solution is computed, and not only of one that is chosen; the
        verdict is the same.
    say
        Takes a line on how far the work is.
    """
    say = say or (lambda line: None)
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 21]))
    everybody = np.arange(len(question.values))
    halves = np.flatnonzero(question.discovery), np.flatnonzero(~question.discovery)
    shared = question.items is not None
    variates = _variates(question, settings, rng) if shared else []
    axes = _axes(variates, settings) if shared else None
    # Markers have seen no symptom: all people may say where they lie. What symptoms chose may not.
    learnt, tested = (halves[0], halves[1]) if shared else (everybody, everybody)
    space = _fitted(question, settings, learnt)
    positions = space.transform(question.values)[:, :axes]
    say("subtypes: clusters against one cloud of people")
    test = sigclust(
        positions[tested], rng, simulations=settings.simulations, background=space.background_
    )
    directions = [
        _direction(question, settings, space if shared and not turn else None, halves, turn, axes)
        for turn in (0, 1)
    ]
    folds = _folds(question, settings, axes, rng)
    solutions = tried_solutions(
        learnt, positions, directions, folds, question.confounds, settings, rng
    )
    # Every cluster of an admissible solution has a valley to its neighbours: the finest is taken.
    best = max((one for one in solutions if not one.against), key=lambda one: one.k, default=None)
    chosen = best if test.p <= settings.alpha and _has_axes(variates, settings) else None
    say("subtypes: stability")
    for solution in solutions:
        if thorough or solution is chosen:
            add_stability(solution, learnt, positions, settings, rng)
    external = [] if chosen is None else _external(question, chosen, tested)
    verdict, reasons = _verdict(question, variates, test, solutions, chosen, external, settings)
    return Answer(
        verdict, reasons, space, positions, learnt, test, solutions, chosen, variates, external
    )


def _model(settings: SubtypesSettings) -> CanonicalVariates:
    """What is learnt of markers and symptoms, by the recipe."""
    if settings.recipe == "drysdale":
        return CanonicalVariates(2, (), settings.selected_markers, (0.0,))
    return CanonicalVariates()


def _fitted(question: Question, settings: SubtypesSettings, rows: np.ndarray) -> Space:
    """The space, learnt from some of the people."""
    if question.items is None:
        return MarkerSpace(question.blocks, settings.axes).fit(question.values[rows])
    space = SharedSpace(question.blocks, _model(settings))
    return space.fit(question.values[rows], question.items[rows])


def _variates(
    question: Question, settings: SubtypesSettings, rng: np.random.Generator
) -> list[SharedVariate]:
    assert question.items is not None
    markers = MarkerSpace(question.blocks, axes=0).fit(question.values[question.discovery])
    return shared_variates(
        _model(settings), markers.transform(question.values), question.items, question.discovery,
        question.sites, rng, permutations=settings.permutations,
    )  # fmt: skip


def _axes(variates: Sequence[SharedVariate], settings: SubtypesSettings) -> int | None:
    """Variates in which clusters are looked for: those that hold in people held out."""
    if settings.recipe == "drysdale":
        return None
    held = sum(variate.p_held_out <= settings.alpha for variate in variates)
    return held or None


def _has_axes(variates: Sequence[SharedVariate], settings: SubtypesSettings) -> bool:
    return not variates or any(v.p_held_out <= settings.alpha for v in variates)


def _direction(
    question: Question,
    settings: SubtypesSettings,
    fitted: Space | None,
    halves: tuple[np.ndarray, np.ndarray],
    turn: int,
    axes: int | None,
) -> Direction:
    """Positions in a space of one half; ``fitted`` where it is there already."""
    learnt, held = halves[turn], halves[1 - turn]
    if fitted is None:
        fitted = _fitted(question, settings, learnt)
    return Direction(learnt, held, fitted.transform(question.values)[:, :axes])


def _folds(
    question: Question, settings: SubtypesSettings, axes: int | None, rng: np.random.Generator
) -> list[Direction]:
    """Positions of each fifth of the people in a space that the others made."""
    fold = np.empty(len(question.values), int)
    for site in np.unique(question.sites):
        rows = rng.permutation(np.flatnonzero(question.sites == site))
        fold[rows] = (np.arange(len(rows)) + rng.integers(FOLDS)) % FOLDS
    directions = []
    for number in range(FOLDS):
        learnt, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(held):
            space = _fitted(question, settings, learnt)
            directions.append(Direction(learnt, held, space.transform(question.values)[:, :axes]))
    return directions


def _external(question: Question, chosen: Solution, tested: np.ndarray) -> list[dict[str, Any]]:
    """Differences among those whose symptoms chose nothing."""
    covariates = question.covariates
    covariates = np.zeros((len(question.values), 0)) if covariates is None else covariates
    variables = [
        ExternalVariable(
            one.name, one.values[tested], None if one.events is None else one.events[tested]
        )
        for one in question.external
    ]
    return external_tests(
        chosen.labels[tested], variables, covariates[tested], question.sites[tested]
    )


def _verdict(
    question: Question,
    variates: Sequence[SharedVariate],
    test: SigClust,
    solutions: Sequence[Solution],
    chosen: Solution | None,
    external: Sequence[dict[str, Any]],
    settings: SubtypesSettings,
) -> tuple[str, list[str]]:
    """The verdict and its reasons."""
    if chosen is None:
        return NO_CLUSTERS, _why_none(variates, test, solutions, settings)
    reasons = [
        f"{chosen.k} clusters of {', '.join(map(str, chosen.sizes))} people: one cloud of people "
        f"does not explain them (SigClust p {test.p:.2g}), and few people lie between them "
        f"(p {chosen.valley:.2g})."
    ]
    short = _shortcomings(question, chosen, external, settings)
    if short:
        return NOT_VALIDATED, [*reasons, *short]
    better = [row["variable"] for row in external if _differs(row, settings)]
    return VALIDATED, [
        *reasons,
        "They come again in people drawn anew and in people held out, and neither head size nor "
        f"site nor motion tells them. They differ in {', '.join(better)}.",
    ]


def _differs(row: dict[str, Any], settings: SubtypesSettings) -> bool:
    return row["p_corrected"] is not None and row["p_corrected"] <= settings.alpha


def _shortcomings(
    question: Question,
    chosen: Solution,
    external: Sequence[dict[str, Any]],
    settings: SubtypesSettings,
) -> list[str]:
    """What a solution lacks to be validated, in sentences."""
    short = []
    assert chosen.stability is not None
    if not chosen.stable:
        short.append(
            "They are not stable: bootstrap samples give clusters alike by "
            f"{chosen.stability.jaccard.min():.2f} (Jaccard), {100 * chosen.stability.pac:.0f} % "
            "of the pairs of people are together now and then, and centroids of other people put "
            f"{100 * chosen.replication:.0f} % of a cluster's pairs together "
            f"({100 * MIN_REPLICATION:.0f} % are asked for)."
        )
    if question.unchecked:
        short.append(
            f"Whether {' or '.join(question.unchecked)} tells them could not be checked: nothing "
            "is known of it."
        )
    compared = [row for row in external if row["p"] is not None]
    if not compared:
        short.append("There is nothing that they have not seen and in which they could differ.")
    elif not any(_differs(row, settings) for row in compared):
        names = ", ".join(row["variable"] for row in compared)
        short.append(f"They do not differ in what they have not seen ({names}).")
    return short


def _why_none(
    variates: Sequence[SharedVariate],
    test: SigClust,
    solutions: Sequence[Solution],
    settings: SubtypesSettings,
) -> list[str]:
    """Why there are no clusters, in sentences."""
    reasons = []
    if not _has_axes(variates, settings):
        best = max(variates, key=lambda variate: variate.held_out)
        reasons.append(
            "Markers and symptoms share nothing that holds in people held out (largest r "
            f"{best.held_out:.2f}, p {best.p_held_out:.2g})."
        )
    two = next((one for one in solutions if one.k == 2), None)
    sizes = (
        "" if two is None else f" Two clusters would have {two.sizes[0]} and {two.sizes[1]} people."
    )
    if test.p > settings.alpha:
        reasons.append(
            f"One cloud of people gives two clusters as tight as these (SigClust p {test.p:.2g})."
            + sizes
        )
    else:
        reasons.append(
            f"One Gaussian cloud does not explain the people (SigClust p {test.p:.2g}), but no "
            f"number of clusters does either.{sizes}"
        )
    told = [f"{one.k} clusters: {'; '.join(one.against)}." for one in solutions if one.against]
    return [*reasons, *told]
