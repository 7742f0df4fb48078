"""A learnt encoder of marker vectors, and what healthy people look like in it. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.covariance import LedoitWolf

#: A standardised marker beyond counts as that far.
FARTHEST = 5.0
#: Names of the weights that are the encoder's, as PyTorch numbers its layers, in their order.
_WEIGHTS = ("0.weight", "0.bias", "2.weight", "2.bias")


@dataclass(frozen=True)
class HealthyReference:
    """What embeddings of healthy people are at an age, and how they spread.

    Attributes
    ----------
    line
        Intercept and slope on age, in years, of each dimension, shape (2, dimensions).
    precision
        Inverse of the shrunk covariance about that line, (dimensions, dimensions).
    marker_line
        Intercept and slope on age of each standardised marker, shape (2, markers).
    """

    line: np.ndarray
    precision: np.ndarray
    marker_line: np.ndarray

    def distance(self, embedding: np.ndarray, ages: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance from healthy people of the same age, per dimension.

        Parameters
        ----------
        embedding
            (..., people, dimensions).
        ages
            (people,), years.

        Returns
        -------
        numpy.ndarray
            (..., people); its mean over the healthy people is 1.
        """
        away = embedding - on_line(self.line, ages)
        squared = np.einsum("...i,ij,...j->...", away, self.precision, away)
        return np.asarray(squared / embedding.shape[-1])


@dataclass(frozen=True)
class MarkerEncoder:
    """Marker vectors to embeddings.

    Attributes
    ----------
    mean, sd
        By which markers are standardised, shape (markers,).
    weights
        Weights and offsets of the two layers: (hidden, markers), (hidden,), (dimensions, hidden),
        (dimensions,).
    healthy
        What healthy people look like; None before it is learnt.
    """

    mean: np.ndarray
    sd: np.ndarray
    weights: tuple[np.ndarray, ...]
    healthy: HealthyReference | None = None

    @property
    def dimensions(self) -> int:
        """Numbers that a person becomes."""
        return len(self.weights[3])

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """Markers in standard deviations of the healthy people; a gap is their mean, 0."""
        with np.errstate(invalid="ignore"):
            z = np.clip((values - self.mean) / self.sd, -FARTHEST, FARTHEST)
        return np.nan_to_num(z)

    def embed(self, values: np.ndarray) -> np.ndarray:
        """Embeddings of people, (people, dimensions); NaN for who has no marker at all."""
        embedding = self.embed_standardised(self.standardised(values))
        return np.where(np.isfinite(values).any(axis=1)[:, None], embedding, np.nan)

    def embed_standardised(self, z: np.ndarray) -> np.ndarray:
        """Embeddings of standardised markers, shape (..., dimensions)."""
        first, first_offset, second, second_offset = (w.astype(float) for w in self.weights)
        return np.maximum(z @ first.T + first_offset, 0.0) @ second.T + second_offset

    def with_healthy(self, values: np.ndarray, ages: np.ndarray) -> MarkerEncoder:
        """The encoder that knows what healthy people look like: these."""
        z = self.standardised(values)
        embedding = self.embed_standardised(z)
        healthy = healthy_reference(embedding, ages, _line(z, ages))
        return MarkerEncoder(self.mean, self.sd, self.weights, healthy)

    def deviation(self, values: np.ndarray, ages: np.ndarray) -> np.ndarray:
        """How far each person's embedding lies from healthy people's of their age, (people,)."""
        assert self.healthy is not None
        return self.healthy.distance(self.embed(values), ages)

    def deviation_map(self, values: np.ndarray, ages: np.ndarray) -> np.ndarray:
        """What each marker adds to a person's deviation.

        The deviation falls by so much when the marker is put to what healthy people of that age
        have; occlusion, as of Zeiler MD and Fergus R, ECCV 2014.

        Parameters
        ----------
        values, ages
            (people, markers) and (people,), years.

        Returns
        -------
        numpy.ndarray
            (people, markers); NaN where a marker or the age is unknown.
        """
        assert self.healthy is not None
        z, expected = self.standardised(values), on_line(self.healthy.marker_line, ages)
        whole = self.healthy.distance(self.embed_standardised(z), ages)
        first, first_offset, second, second_offset = (w.astype(float) for w in self.weights)
        before = z @ first.T + first_offset
        added = np.empty_like(z)
        for marker in range(z.shape[1]):
            # Of the first layer only the part of this marker changes.
            moved = before + (expected[:, marker] - z[:, marker])[:, None] * first[:, marker]
            embedding = np.maximum(moved, 0.0) @ second.T + second_offset
            added[:, marker] = whole - self.healthy.distance(embedding, ages)
        return np.where(np.isfinite(values), added, np.nan)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays by name, for :mod:`commissure.stored_arrays`."""
        named = {"mean": self.mean, "sd": self.sd}
        named |= dict(zip(_WEIGHTS, self.weights, strict=True))
        if self.healthy is not None:
            named |= {f"healthy.{name}": value for name, value in vars(self.healthy).items()}
        return named

    @staticmethod
    def of_arrays(arrays: Mapping[str, Any]) -> MarkerEncoder:
        """The encoder of arrays; KeyError or ValueError where they are not of one."""
        weights = weights_of(arrays)
        first, first_offset, second, second_offset = weights
        if (
            first.shape != (len(first_offset), len(arrays["mean"]))
            or second.shape != (len(second_offset), len(first_offset))
            or arrays["sd"].shape != arrays["mean"].shape
        ):
            raise ValueError("the shapes of its layers do not fit each other")
        healthy = HealthyReference(
            arrays["healthy.line"], arrays["healthy.precision"], arrays["healthy.marker_line"]
        )
        return MarkerEncoder(arrays["mean"], arrays["sd"], weights, healthy)


def weights_of(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Of the weights of a network for markers those of the encoder, in order."""
    return tuple(arrays[name] for name in _WEIGHTS)


def scale_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each marker; 1 for a marker that does not vary."""
    sd = np.nanstd(values, axis=0)
    return np.nanmean(values, axis=0), np.where(sd > 0, sd, 1.0)


def healthy_reference(
    embedding: np.ndarray, ages: np.ndarray, marker_line: np.ndarray
) -> HealthyReference:
    """What healthy people's embeddings are at an age, and how they spread.

    The covariance is shrunk; of few people, or of numbers that hang together, it is then too wide
    or too narrow as a whole. It is scaled so that the mean distance of these people is 1.

    Parameters
    ----------
    embedding, ages
        (people, dimensions) and years, (people,).
    marker_line
        As of :class:`HealthyReference`.
    """
    line = _line(embedding, ages)
    spread = LedoitWolf(assume_centered=True).fit(embedding - on_line(line, ages))
    unscaled = HealthyReference(line, np.asarray(spread.precision_), marker_line)
    mean = float(unscaled.distance(embedding, ages).mean())
    return replace(unscaled, precision=unscaled.precision / mean) if mean > 0 else unscaled


def _line(values: np.ndarray, ages: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones(len(ages)), ages])
    return np.asarray(np.linalg.lstsq(design, values, rcond=None)[0])


def on_line(line: np.ndarray, ages: np.ndarray) -> np.ndarray:
    """What a line, (2, numbers), says at ages in years: (people, numbers)."""
    return line[0] + np.asarray(ages, float)[:, None] * line[1]
