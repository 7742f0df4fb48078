"""Where people are compared: their markers prepared, then main axes or canonical variates.

Everything is learnt from the rows that are given to ``fit``, so that people held out stay so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator

from commissure.models.canonical import CanonicalVariates
from commissure.models.preparation import Preparation
from commissure.study.design import Block
from commissure.subtypes.significance import background_variance


class MarkerSpace(BaseEstimator):
    """Positions of people by their markers alone: main axes of the prepared blocks.

    Parameters
    ----------
    blocks
        Columns of the matrix; each is freed of its ``removed`` columns and has unit mean square
        norm, as in the classifier's early fusion.
    axes
        Number of main axes; 0 for the prepared markers themselves.
    """

    def __init__(self, blocks: Sequence[Block] = (), axes: int = 10) -> None:
        self.blocks = blocks
        self.axes = axes

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> MarkerSpace:
        """Learn from the matrix of people (people, columns)."""
        self.blocks_ = tuple(self.blocks)
        self.preparations_ = [Preparation(block).fit(X) for block in self.blocks]
        prepared = self.prepared(X)
        self.centre_ = prepared.mean(axis=0)
        centred = prepared - self.centre_
        self.background_ = 0.0
        if self.axes:
            self.background_ = background_variance(centred)
            _, size, axes = np.linalg.svd(centred, full_matrices=False)
            kept = int((size > 1e-9 * max(size.max(initial=0.0), 1e-300)).sum())
            self.axes_ = axes[: min(self.axes, kept)].T
        else:
            self.axes_ = np.eye(centred.shape[1])
        return self

    def prepared(self, X: np.ndarray) -> np.ndarray:
        """Prepared markers of any people, shape (people, markers)."""
        return np.hstack([part.transform(X) for part in self.preparations_])

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Positions of any people, shape (people, axes)."""
        return (self.prepared(X) - self.centre_) @ self.axes_


class SharedSpace(BaseEstimator):
    """Positions of people by what their markers share with symptoms.

    Parameters
    ----------
    blocks
        As :class:`MarkerSpace` takes them.
    variates
        What is learnt of markers and symptoms.
    """

    def __init__(
        self, blocks: Sequence[Block] = (), variates: CanonicalVariates | None = None
    ) -> None:
        self.blocks = blocks
        self.variates = variates

    def fit(self, X: np.ndarray, y: np.ndarray) -> SharedSpace:
        """Learn from the matrix (people, columns) and the symptoms (people, items)."""
        self.blocks_ = tuple(self.blocks)
        self.markers_ = MarkerSpace(self.blocks, axes=0).fit(X)
        model = CanonicalVariates() if self.variates is None else self.variates
        self.variates_ = model.fit(self.markers_.transform(X), y)
        # Variates have unit variance: nothing of them is background.
        self.background_ = 0.0
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Variates of the markers of any people, shape (people, variates)."""
        return self.variates_.transform(self.markers_.transform(X))


Space = MarkerSpace | SharedSpace
