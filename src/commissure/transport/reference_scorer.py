"""Scores of a model that Commissure stored as ``model.json``; needs NumPy and nothing else.

The file stands beside the model and can be copied or read as the recipe of its scores::

    import scorer
    model = scorer.read_model("model.json")
    p = scorer.probabilities(model, X)    # two labels, or classes
    said = scorer.logits(model, X)        # a number, a log hazard, or logits

``X`` has a row a person and the columns of ``model["columns"]`` in their order, each in its unit,
NaN where nothing was measured. Columns of the modality ``site`` are 1 for the people of that site,
else 0; ``covariates`` are what the outcome was freed of, as the severity before. The scores are
those of ``commissure apply``; who is unlike the training people, or one of them, is not told here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np


def read_model(path: str | PathLike[str]) -> dict[str, Any]:
    """The stored model as lists and numbers."""
    with open(path, encoding="utf-8") as file:
        model: dict[str, Any] = json.load(file)
    if model.get("format") != 2:
        raise ValueError(f"{path} has the format {model.get('format')}; this file reads format 2")
    return model


def probabilities(model: Mapping[str, Any], X: np.ndarray) -> np.ndarray:
    """Probability of the label ``model["positive"]``, NaN without any modality, shape (people,).

    Of classes that of each in the order of ``model["classes"]``, shape (people, classes).
    """
    if model["kind"] not in ("binary", "classes"):
        raise ValueError(f"a model of the kind {model['kind']} gives no probabilities: take logits")
    p = 0.5 * (1.0 + np.tanh(0.5 * logits(model, X)))
    return np.asarray(p if p.ndim == 1 else p / np.maximum(p.sum(axis=1, keepdims=True), 1e-300))


def logits(model: Mapping[str, Any], X: np.ndarray) -> np.ndarray:
    """What the model says, NaN without any modality: shape (people,), of classes (people, classes).

    The logit of the label ``model["positive"]``, the number that is expected, the log hazard, or
    the logit of each class against all others.
    """
    X = np.asarray(X, float)
    if X.ndim != 2 or X.shape[1] != len(model["columns"]):
        raise ValueError(f"X has the shape {X.shape}; the columns are {len(model['columns'])}")
    evidence = np.stack(
        [_evidence(part, X, len(model["intercept"])) for part in model["models"]], axis=1
    )
    known = np.isfinite(evidence)
    said = (np.where(known, evidence, 0.0) * np.array(model["weights"])).sum(axis=1)
    if model["join"] == "mean":
        said = said / np.maximum(known.sum(axis=1), 1)
    said = said + np.array(model["intercept"])
    covariates = model["covariates"]
    if covariates is not None:
        said = said + _centred(covariates, X) @ np.array(covariates["slopes"])
    again = model["recalibration"]
    said = again["intercept"] + again["slope"] * np.where(known.any(axis=1), said, np.nan)
    return np.asarray(said[:, 0] if said.shape[1] == 1 else said)


def _evidence(part: Mapping[str, Any], X: np.ndarray, outputs: int) -> np.ndarray:
    """What the markers of some blocks say, (people, outputs), NaN for who has none of them."""
    blocks = part["blocks"]
    prepared = np.concatenate([_prepared(block, X) for block in blocks], axis=1)
    present = np.any([_measured(block, X) for block in blocks], axis=0)
    said = prepared / np.sqrt(len(blocks)) @ np.reshape(part["weights"], (-1, outputs))
    return np.where(present[:, None], said, np.nan)


def _measured(block: Mapping[str, Any], X: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(X[:, block["columns"]]).any(axis=1))


def _prepared(block: Mapping[str, Any], X: np.ndarray) -> np.ndarray:
    """The columns of a block, comparable; 0 for people who do not have it."""
    values = X[:, block["columns"]]
    head = block["head_size"]
    if head is not None:
        low, high = _limits([head["low"]], [head["high"]])
        size = X[:, head["column"]]
        size = np.where((size < low) | (size > high), np.nan, size) - head["mean"]
        values = values - np.array(head["slopes"]) * np.nan_to_num(size)[:, None]
    before = block["before"]
    if before is not None:
        baseline = X[:, before["columns"]] - np.array(before["means"])
        values = values - np.array(before["slopes"]) * baseline
    values = np.clip(values, *_limits(block["low"], block["high"]))
    values = values[:, np.array(block["kept"], dtype=bool)]
    values = np.where(np.isfinite(values), values, np.array(block["medians"], float))
    if block["sites"] is not None:
        values = _aligned(block["sites"], values, X)
    removed = block["removed"]
    if removed is not None:
        values = values - _centred(removed, X) @ np.array(removed["slopes"])
    values = (values - np.array(block["mean"], float)) / np.array(block["scale"], float)
    return np.where(_measured(block, X)[:, None], values, 0.0)


def _aligned(sites: Mapping[str, Any], values: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Values of the sites that the model knows, shifted and stretched."""
    marks = X[:, sites["columns"]] > 0
    site = np.where(marks.any(axis=1), marks.argmax(axis=1), -1)
    known = np.array(sites["known"])
    place = np.searchsorted(known, site).clip(max=len(known) - 1)
    aligned = values * np.array(sites["stretch"])[place] + np.array(sites["shift"])[place]
    kept = sites["confounds"]
    if kept is not None:
        aligned += np.einsum("ik,ikc->ic", _centred(kept, X), np.array(kept["slopes"])[place])
    return np.where((known[place] == site)[:, None], aligned, values)


def _centred(confounds: Mapping[str, Any], X: np.ndarray) -> np.ndarray:
    """Confounds about the training means; what is not known counts as the mean."""
    return np.nan_to_num(X[:, confounds["columns"]] - np.array(confounds["means"]))


def _limits(low: list[float | None], high: list[float | None]) -> tuple[np.ndarray, np.ndarray]:
    """Limits of columns; null is none."""
    lowest, highest = np.array(low, float), np.array(high, float)
    return (
        np.where(np.isnan(lowest), -np.inf, lowest),
        np.where(np.isnan(highest), np.inf, highest),
    )
