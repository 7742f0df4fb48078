"""People with and without groups, of whom the truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from commissure.study.design import Block
from commissure.subtypes.search import Question

#: A cohort: markers, and the cluster of each person or None.
Planted = tuple[np.ndarray, np.ndarray | None]
CORNERS = np.array([[3.0, 3.0], [3.0, -3.0], [-3.0, 3.0], [-3.0, -3.0]])


def noise(people: int, markers: int) -> Callable[[np.random.Generator], Planted]:
    """One spherical cloud."""
    return lambda rng: (rng.normal(size=(people, markers)), None)


def gradient(people: int, markers: int) -> Callable[[np.random.Generator], Planted]:
    """One severity, uniform over eight standard deviations, along a direction of all markers."""

    def draw(rng: np.random.Generator) -> Planted:
        values = rng.normal(size=(people, markers))
        return values + rng.uniform(-4, 4, people)[:, None] * directions(rng, markers, 1).T, None

    return draw


def skewed(people: int, markers: int) -> Callable[[np.random.Generator], Planted]:
    """One cloud whose first direction is lognormal: many at one end, a long tail."""

    def draw(rng: np.random.Generator) -> Planted:
        values = rng.normal(size=(people, markers))
        tail = 3 * rng.lognormal(sigma=0.8, size=people)
        return values + tail[:, None] * directions(rng, markers, 1).T, None

    return draw


def two(people: int, markers: int, distance: float) -> Callable[[np.random.Generator], Planted]:
    """Two clusters, so many standard deviations apart."""

    def draw(rng: np.random.Generator) -> Planted:
        labels = np.arange(people) % 2
        values = rng.normal(size=(people, markers))
        return values + distance * labels[:, None] * directions(rng, markers, 1).T, labels

    return draw


def four(people: int, markers: int) -> Callable[[np.random.Generator], Planted]:
    """Four clusters at the corners of a square, six standard deviations apart."""

    def draw(rng: np.random.Generator) -> Planted:
        labels = np.arange(people) % 4
        values = rng.normal(size=(people, markers))
        return values + CORNERS[labels] @ directions(rng, markers, 2).T, labels

    return draw


def directions(rng: np.random.Generator, markers: int, count: int) -> np.ndarray:
    """Orthonormal directions that all markers share, shape (markers, count)."""
    return np.linalg.qr(rng.normal(size=(markers, count)))[0]


def question(values: np.ndarray, seed: int = 0, **more: object) -> Question:
    """A question on such people: one site, half of them for discovery."""
    rng = np.random.default_rng([seed, 999])
    discovery = np.zeros(len(values), bool)
    discovery[rng.permutation(len(values))[: len(values) // 2]] = True
    blocks = (Block("anat", tuple(range(values.shape[1]))),)
    return Question(values, blocks, discovery, np.full(len(values), "all"), **more)
