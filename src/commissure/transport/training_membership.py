"""By what a stored model recognises its own training people.

A score of somebody on whom the model was trained is no prediction. The model therefore keeps
one-way digests of its training people's markers: of each modality, and of all together. Markers
are rounded to a thousandth of the training standard deviation, so that the digests of two models
cannot be compared. Who holds a person's markers can see by them that the model was trained on that
person; nobody can find the markers from a digest, because none is kept of so few that they could
be guessed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.study.design import Block

#: Steps of a standard deviation to which markers are rounded.
STEPS = 1000
#: Bits that markers must carry, rounded, before a digest of them is kept.
MIN_BITS = 64.0
_MISSING = np.iinfo(np.int64).min


def training_digests(
    values: np.ndarray, blocks: Sequence[Block], domain: Mapping[str, Mapping[str, Any]]
) -> tuple[list[str], int]:
    """Digests of the training people, and how many of them have one.

    Parameters
    ----------
    values
        The training people's matrix, reference people included, shape (people, columns).
    blocks
        The modalities of the model.
    domain
        What its training people were like, by block, as from
        :func:`~commissure.transport.applicability_domain.training_domain`.

    Returns
    -------
    digests, people
        Sorted, so that they keep no order of the people; number of people with at least one.
    """
    kept: set[str] = set()
    recognisable = np.zeros(len(values), dtype=bool)
    for steps, digests in _views(values, blocks, domain):
        unguessable: dict[bytes, bool] = {}
        measured = steps != _MISSING
        for person, digest in enumerate(digests):
            markers = measured[person]
            if markers.tobytes() not in unguessable:
                unguessable[markers.tobytes()] = _unguessable(steps[:, markers])
            if unguessable[markers.tobytes()]:
                kept.add(digest)
                recognisable[person] = True
    return sorted(kept), int(recognisable.sum())


def in_training(
    values: np.ndarray,
    blocks: Sequence[Block],
    domain: Mapping[str, Mapping[str, Any]],
    digests: Sequence[str],
) -> np.ndarray:
    """Who is one of the training people, shape (people,).

    Parameters
    ----------
    values, blocks, domain
        As in :func:`training_digests`, but of any people.
    digests
        Those of the training people.
    """
    known = set(digests)
    trained_on = np.zeros(len(values), dtype=bool)
    for _, view in _views(values, blocks, domain):
        trained_on |= np.array([digest in known for digest in view], dtype=bool)
    return trained_on


def _views(
    values: np.ndarray, blocks: Sequence[Block], domain: Mapping[str, Mapping[str, Any]]
) -> list[tuple[np.ndarray, list[str]]]:
    """Rounded markers and their digests: of each modality, and of all where there are several."""
    parts = {block.name: _rounded(values, block, domain[block.name]) for block in blocks}
    if len(parts) > 1:
        parts["all modalities"] = np.hstack(list(parts.values()))
    return [(steps, [_digest(name, row) for row in steps]) for name, steps in parts.items()]


def _rounded(values: np.ndarray, block: Block, domain: Mapping[str, Any]) -> np.ndarray:
    markers = values[:, list(block.columns)]
    spread = np.where(domain["sd"] > 0, domain["sd"], np.inf)
    with np.errstate(over="ignore"):
        steps = np.clip(np.rint(STEPS * (markers - domain["mean"]) / spread), -1e15, 1e15)
    measured = np.isfinite(markers)
    return np.where(measured, np.where(measured, steps, 0).astype(np.int64), _MISSING)


def _digest(name: str, steps: np.ndarray) -> str:
    content = name.encode() + b"\0" + steps.astype("<i8").tobytes()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _unguessable(steps: np.ndarray) -> bool:
    """Whether markers carry :data:`MIN_BITS`; some of them are asked first, which is quick."""
    if not steps.shape[1]:
        return False
    some = np.unique(np.linspace(0, steps.shape[1] - 1, 32).astype(int))
    return _bits(steps[:, some]) >= MIN_BITS or _bits(steps) >= MIN_BITS


def _bits(steps: np.ndarray) -> float:
    """Entropy of rounded markers, as of a normal distribution with the people's correlations."""
    if len(steps) < 2:
        return 0.0
    filled = np.where(steps != _MISSING, steps, 0).astype(float)
    size = np.linalg.svd(filled - filled.mean(axis=0), compute_uv=False)
    variance = size**2 / (len(steps) - 1)
    bits = 0.5 * np.log2(2 * math.pi * math.e * np.maximum(variance, 1e-300))
    return float(np.maximum(bits, 0.0).sum())
