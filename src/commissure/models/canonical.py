"""What markers and symptoms share: regularised canonical correlation, selection inside.

The correlation itself is computed by cca-zoo (an extra of the installation). What is around it is
what makes the difference between a finding and chance: whatever looks at the symptoms is part of
``fit``, so that it is repeated in every permutation and never sees the people held out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata
from sklearn.base import BaseEstimator

from commissure.errors import DatasetError

#: Parts of the training people that choose axes and shrinkage.
INNER_FOLDS = 5


class CanonicalVariates(BaseEstimator):
    """Canonical correlation of markers and symptoms.

    Either the markers are brought to their main axes, or those are chosen that follow a symptom
    most, as in Drysdale et al. 2017. Where several numbers of axes or shrinkages are named, the
    pair is taken whose first variates correlate most in people left out.

    Parameters
    ----------
    variates
        Pairs of variates.
    axes
        Numbers of main axes to choose from; empty where markers are selected.
    selected
        Number of markers with the largest absolute Spearman correlation with any symptom; None for
        all of them.
    shrinkage
        Shrinkages towards the identity to choose from: 0 is CCA, 1 is PLS.
    """

    def __init__(
        self,
        variates: int = 2,
        axes: Sequence[int] = (5, 10, 20),
        selected: int | None = None,
        shrinkage: Sequence[float] = (0.3, 0.9),
    ) -> None:
        self.variates = variates
        self.axes = axes
        self.selected = selected
        self.shrinkage = shrinkage

    def fit(
        self, X: np.ndarray, Y: np.ndarray, *, ranks: np.ndarray | None = None
    ) -> CanonicalVariates:
        """Learn from markers (people, markers) and symptoms (people, items), without gaps.

        ``ranks`` are :func:`unit_ranks` of the markers, for whoever fits the same ones many times.

        Raises
        ------
        DatasetError
            There are fewer people than variates can be learnt from.
        """
        X, Y = np.asarray(X, float), np.asarray(Y, float)
        if len(X) < 2 * INNER_FOLDS or min(X.shape[1], Y.shape[1]) < 1:
            raise DatasetError(
                "canonical correlation",
                found=f"{len(X)} people with {X.shape[1]} markers and {Y.shape[1]} items",
                wanted=f"{2 * INNER_FOLDS} people at least, a marker and an item",
            )
        self.columns_ = self._selection(X, Y, ranks)
        self.centre_, self.symptom_centre_ = X.mean(axis=0), Y.mean(axis=0)
        spread = Y.std(axis=0)
        self.symptom_scale_ = np.where(spread > 0, spread, 1.0)
        items = (Y - self.symptom_centre_) / self.symptom_scale_
        rotation = self._rotation(X)
        scores = (X - self.centre_)[:, self.columns_] @ rotation
        count, shrinkage = self._chosen(scores, items)
        self.axes_, self.shrinkage_ = count, shrinkage
        left, right = weights_of(scores[:, :count], items, self.variates, shrinkage)
        self.loadings_ = np.zeros((X.shape[1], left.shape[1]))
        self.loadings_[self.columns_] = rotation[:, :count] @ left
        self.symptom_loadings_ = right / self.symptom_scale_[:, None]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Variates of the markers of any people, shape (people, variates)."""
        return (np.asarray(X, float) - self.centre_) @ self.loadings_

    def of_symptoms(self, Y: np.ndarray) -> np.ndarray:
        """Variates of their symptoms, shape (people, variates)."""
        return (np.asarray(Y, float) - self.symptom_centre_) @ self.symptom_loadings_

    def correlations(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Correlation of each pair of variates in any people, shape (variates,)."""
        return pairwise_r(self.transform(X), self.of_symptoms(Y))

    def _selection(self, X: np.ndarray, Y: np.ndarray, ranks: np.ndarray | None) -> np.ndarray:
        if self.selected is None or self.selected >= X.shape[1]:
            return np.arange(X.shape[1])
        ranks = unit_ranks(X) if ranks is None else ranks
        largest = np.abs(ranks.T @ unit_ranks(Y)).max(axis=1)
        return np.sort(np.argpartition(-largest, self.selected)[: self.selected])

    def _rotation(self, X: np.ndarray) -> np.ndarray:
        """Main axes of the chosen markers, or the markers themselves where none are asked for."""
        centred = (X - self.centre_)[:, self.columns_]
        if not self.axes:
            return np.eye(centred.shape[1])
        _, size, axes = np.linalg.svd(centred, full_matrices=False)
        kept = int((size > 1e-9 * max(size[0], 1e-300)).sum())
        return np.asarray(axes[: max(1, min(kept, max(self.axes)))].T)

    def _chosen(self, scores: np.ndarray, items: np.ndarray) -> tuple[int, float]:
        """Number of axes and shrinkage by the first correlation in people left out."""
        counts = sorted({min(count, scores.shape[1]) for count in self.axes or [scores.shape[1]]})
        pairs = [(count, shrinkage) for count in counts for shrinkage in self.shrinkage]
        if len(pairs) == 1:
            return pairs[0]
        part = np.arange(len(scores)) % INNER_FOLDS
        total = np.zeros(len(pairs))
        for fold in range(INNER_FOLDS):
            train, test = part != fold, part == fold
            for number, (count, shrinkage) in enumerate(pairs):
                left, right = weights_of(scores[train, :count], items[train], 1, shrinkage)
                total[number] += pairwise_r(scores[test, :count] @ left, items[test] @ right)[0]
        return pairs[int(total.argmax())]


def weights_of(
    X: np.ndarray, Y: np.ndarray, variates: int, shrinkage: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of both sides, shapes (columns, variates) and (items, variates), variates of SD 1."""
    # An extra of the installation: planning refuses the option where it is not there.
    from cca_zoo.linear import RidgeCCA

    count = max(1, min(variates, X.shape[1], Y.shape[1]))
    model = RidgeCCA(n_components=count, shrinkage=shrinkage).fit([X, Y])
    left, right = (np.asarray(weights, float) for weights in model.weights_)
    for weights, values in ((left, X), (right, Y)):
        spread = (values @ weights).std(axis=0)
        weights /= np.where(spread > 0, spread, 1.0)
    return left, right


def pairwise_r(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pearson correlation of columns of one place, 0 where one does not vary."""
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    size = np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    return np.asarray((left * right).sum(axis=0) / np.where(size > 0, size, np.inf))


def unit_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks about their mean, of unit norm: their products are Spearman correlations."""
    ranks = rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    size = np.sqrt((ranks**2).sum(axis=0))
    return np.asarray(ranks / np.where(size > 0, size, 1.0))
