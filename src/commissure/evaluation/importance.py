"""Which markers a model listens to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from commissure.models.estimators import BlockModel, FusedEstimator
from commissure.models.two_labels import TwoLabels
from commissure.study.design import Design

Key = tuple[str, str, str, str]


def haufe_patterns(model: BlockModel, values: np.ndarray) -> np.ndarray:
    """Correlation of every kept column with the model's logit, shape (kept columns, labellings).

    The activation pattern of Haufe et al. (2014, NeuroImage 87:96), ``A = Cov(x, s) / Var(s)``, for
    markers and scores of unit variance. A weight may serve to cancel noise; a pattern says how the
    marker differs with the logit.

    Parameters
    ----------
    model
        A fitted model.
    values
        The training people, shape (people, columns).
    """
    prepared = model.prepared_markers(values)
    logit = model.logits(values)
    known = np.isfinite(logit[:, 0])
    # A block that a person lacks is 0 throughout: that says nothing of its markers.
    prepared, logit = prepared[known], logit[known]
    prepared, logit = prepared - prepared.mean(axis=0), logit - logit.mean(axis=0)
    norm = np.sqrt((prepared**2).sum(axis=0)[:, None] * (logit**2).sum(axis=0))
    return np.where(norm > 0, prepared.T @ logit / np.where(norm > 0, norm, 1.0), 0.0)


def marker_patterns(model: BlockModel, values: np.ndarray) -> Mapping[int, float]:
    """Patterns of the first labelling by column number."""
    patterns = haufe_patterns(model, values)[:, 0]
    columns = (column for _, column in model.kept_columns())
    return {c: float(pattern) for c, pattern in zip(columns, patterns, strict=True)}


class Importance:
    """Patterns and weights gathered over training folds."""

    def __init__(self, design: Design) -> None:
        self._design = design
        self._sums: dict[Key, list[float]] = {}

    def add(self, fitted: Mapping[str, TwoLabels], values: np.ndarray) -> None:
        """Take the models of one training fold."""
        for name, model in fitted.items():
            if isinstance(model, BlockModel):
                for number, pattern in marker_patterns(model, values).items():
                    column = self._design.columns[number]
                    self._gather((name, column.modality, column.region, column.marker), pattern)
            elif isinstance(model, FusedEstimator):
                weights = model.block_weights()[:, 0]
                share = weights / weights.sum() if weights.sum() > 0 else weights
                for block, weight in zip(model.blocks, share, strict=True):
                    self._gather((name, block.name, "", "evidence"), float(weight))

    def gathered(self) -> list[tuple[Key, list[float]]]:
        """All that was taken: model, modality, region and marker, with a number a fold."""
        return list(self._sums.items())

    def extend(self, gathered: Sequence[tuple[Sequence[str], Sequence[float]]]) -> None:
        """Take what others have gathered in further folds."""
        for (model, modality, region, marker), values in gathered:
            self._sums.setdefault((model, modality, region, marker), []).extend(values)

    def rows(self, order: Sequence[str]) -> list[tuple[str, str, str, str, float]]:
        """Means over the folds: models in the order given, then by size."""
        rows = [(*key, float(np.mean(values))) for key, values in self._sums.items()]
        place = {name: index for index, name in enumerate(order)}
        return sorted(rows, key=lambda row: (place[row[0]], -abs(row[4]), row[1:4]))

    def _gather(self, key: Key, value: float) -> None:
        self._sums.setdefault(key, []).append(value)
