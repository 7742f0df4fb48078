"""What a site computes for a logistic model, and for a model that is averaged."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.evaluation.pairs import wins_by_labelling
from commissure.federated.allowed import MIN_SITES, TooFewPeople
from commissure.federated.site_encoder import encoder_difference
from commissure.federated.site_learning import LEARNERS, LocalSteps, local_difference, shaped
from commissure.models.logistic import sigmoid

if TYPE_CHECKING:
    from commissure.federated.site import Site

Answer = tuple[int, dict[str, np.ndarray]]


def fold_of_people(site: Site, folds: int) -> np.ndarray:
    """Which fold each person of a site is in; drawn by the site's own values, which nobody knows.

    Raises
    ------
    TooFewPeople
        A fold would have so few of this site's people that a sum over all sites' may be of few.
    """
    least = math.ceil(site.min_people / MIN_SITES)
    if folds > 1 and len(site.labels) // folds < least:
        raise TooFewPeople(
            f"site {site.name}", found=f"{len(site.labels)} people in {folds} folds",
            wanted=f"{least} in each", mend="Ask for fewer folds",
        )  # fmt: skip
    drawn = hashlib.sha256(np.ascontiguousarray(site.markers).tobytes()).digest()
    rng = np.random.default_rng(np.frombuffer(drawn, np.uint32))
    return rng.permutation(np.arange(len(site.labels)) % max(folds, 1))


def training(site: Site, given: Mapping[str, Any]) -> np.ndarray:
    """Who is not in the fold that a request leaves out, shape (people,)."""
    if "without" not in given:
        return np.ones(len(site.labels), dtype=bool)
    return np.asarray(fold_of_people(site, int(given["folds"])) != int(given["without"]))


def training_markers(site: Site, given: Mapping[str, Any]) -> np.ndarray:
    """Markers, gaps in who is in the fold that a request leaves out."""
    return np.where(training(site, given)[:, None], site.markers, np.nan)


def scaled_markers(
    site: Site, given: Mapping[str, Any], fold: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Markers with an intercept, for a logistic model, and who has a label.

    What a person lacks is the mean of all sites, which is 0. With folds each person has the mean
    and spread of the others.
    """
    centre, scale = given["centre"], given["scale"]
    if fold is not None:
        centre, scale = np.atleast_2d(centre)[fold], np.atleast_2d(scale)[fold]
    values = np.nan_to_num((site.markers - centre) / scale)
    return np.column_stack([np.ones(len(values)), values]), np.isfinite(site.labels)


def _gradient(site: Site, given: Mapping[str, Any]) -> Answer:
    x, labelled = scaled_markers(site, given)
    labelled &= training(site, given)
    x, y = x[labelled], site.labels[labelled]
    logits = x @ given["coefficients"]
    expected = sigmoid(logits)
    arrays = {
        "people": np.array(float(len(y))),
        "value": np.array(float((y * logits - np.logaddexp(0, logits)).sum())),
        "gradient": x.T @ (y - expected),
        "hessian": (x * (expected * (1 - expected))[:, None]).T @ x,
    }
    return len(y), arrays


def _difference(site: Site, given: Mapping[str, Any]) -> Answer:
    if given["learner"] == "encoder":
        return encoder_difference(site, given)
    x, labelled = scaled_markers(site, given)
    x, y = x[labelled, 1:], site.labels[labelled]
    learner = LEARNERS[given["learner"]]
    weights = shaped(given["weights"], learner.start(x.shape[1], 0))
    difference = local_difference(
        learner, weights, x, y, LocalSteps.of(given), site.noise_generator()
    )
    return len(y), {"people": np.array(float(len(y))), "weighted": len(y) * difference}


def _wins(site: Site, given: Mapping[str, Any]) -> Answer:
    """Pairs of one fold, where there are folds: each has the model that has not seen it."""
    models = np.atleast_2d(given["coefficients"])
    fold = fold_of_people(site, len(models))
    x, labelled = scaled_markers(site, given, fold)
    scores = np.einsum("ij,ij->i", x, models[fold])[labelled]
    y, fold = site.labels[labelled], fold[labelled]
    # The seed is the site's own business: shuffled labels of two sites are independent.
    rng = np.random.default_rng([int(given["seed"]), *site.name.encode()])
    shuffled = (_shuffled(y, fold, rng) for _ in range(int(given["permutations"])))
    labels = np.column_stack([y, *shuffled])
    tables = np.tile(scores[:, None], labels.shape[1])
    won, _ = wins_by_labelling(labels, tables, fold)
    pairs = sum(
        float((y[fold == f] == 1).sum() * (y[fold == f] == 0).sum()) for f in range(len(models))
    )
    return len(y), {"won": (labels * won).sum(axis=0), "compared": np.array(pairs)}


def _shuffled(y: np.ndarray, fold: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels, shuffled within each fold."""
    again = np.empty_like(y)
    for number in np.unique(fold):
        again[fold == number] = rng.permutation(y[fold == number])
    return again


MODEL_ANSWERS: dict[str, Callable[[Site, Mapping[str, Any]], Answer]] = {
    "gradient": _gradient,
    "wins": _wins,
    "difference": _difference,
}
