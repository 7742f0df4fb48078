"""The models as scikit-learn estimators: everything that is learnt, is learnt in ``fit``.

All take the study's whole matrix (people x columns, NaN where nothing was measured) and know their
own columns from :class:`~commissure.study.design.Block`. Labels are 1 and 0; people with -1 are
reference people (controls): they carry no label and serve head-size regression only. With a
:class:`~commissure.models.responses.Response` they learn other outcomes, and a logit is then the
linear predictor of that outcome: the number itself, a log hazard, or a logit of each class.

``fit`` also takes labels of shape (people, labellings). Each column is a labelling of its own,
fitted as if it were alone; what does not depend on labels is computed once. The permutation test
is one such fit.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from commissure.models.logistic import Axes
from commissure.models.preparation import has_block
from commissure.models.training import TrainingPeople, stacked
from commissure.models.two_labels import (
    TwoLabels,
    checked_blocks,
    encoded_labels,
    encoded_outcomes,
)

#: Ridge penalty of calibration and stacking, on evidence of unit variance: a weak prior.
LEVEL_ONE_PENALTY = 1.0


class TrainedTogether(TwoLabels):
    """An estimator that takes what others have learnt of the same training people."""

    def _training(
        self, X: np.ndarray, y: np.ndarray, training: TrainingPeople | None
    ) -> tuple[np.ndarray, TrainingPeople]:
        """Outcomes of the labelled people in columns, and the training people."""
        if training is None:
            X, labels, labelled, self.single_ = encoded_labels(self, X, y)
            training = TrainingPeople(X, labelled, self.inner_folds, self.seed)
        else:
            labels, self.single_ = encoded_outcomes(self, y, training.labelled)
            self.n_features_in_ = training.X.shape[1]
        self.blocks_ = checked_blocks(self.blocks, training.X)
        return labels, training


class BlockModel(TrainedTogether):
    """Ridge logistic regression on one block, or on several side by side (early fusion).

    Every block has unit mean square norm after its preparation, so a block of 100 columns weighs
    no more than one of 3. Blocks that a person lacks are 0, the training mean. The penalty is the
    one with the smallest log loss over inner folds, in each of which the preparation is learnt
    anew; inner folds are dealt without a look at the labels.

    Attributes
    ----------
    evidence_ : numpy.ndarray
        Inner out-of-fold logits of the training people at the chosen penalty without the
        intercept, shape (labelled training people, labellings): 0 at the mean of the inner
        training people who have the blocks; NaN for people who have none of the blocks. What late
        fusion and stacking learn from.
    """

    def fit(
        self, X: np.ndarray, y: np.ndarray, training: TrainingPeople | None = None
    ) -> BlockModel:
        """Fit on the people with a label who have at least one of the blocks.

        ``training`` takes what other models, or other labellings, of the same people have learnt
        of them without a look at labels.
        """
        labels, training = self._training(X, y, training)
        response = self._response
        labels, self.freed_ = response.freed(training.labelled_rows, labels)
        penalties = np.asarray(self.penalties, float)
        present = training.present(self.blocks_)
        divisions = training.inner_divisions(self.blocks_)
        paths = [
            response.path(
                Axes(division.scores, division.scores[:0]),
                labels[division.train],
                penalties,
                self.solver,
            )
            for division in divisions
        ]
        seen = np.zeros(len(labels), dtype=bool)
        for division in divisions:
            seen[division.test] = True
        losses, scores = [], np.empty(labels.shape)
        for number in range(len(penalties)):
            for division, (intercept, weights) in zip(divisions, paths, strict=True):
                scores[division.test] = division.test_scores @ weights[number].T + intercept[number]
            losses.append(response.loss(labels[seen], scores[seen][None])[0])
        chosen = np.argmin(losses, axis=0)
        column = np.arange(labels.shape[1])
        self.penalty_ = penalties[chosen]
        self.evidence_ = np.full(labels.shape, np.nan)
        for division, (_, weights) in zip(divisions, paths, strict=True):
            self.evidence_[division.test] = division.test_scores @ weights[chosen, column].T
        self.preparations_ = training.preparations(self.blocks_)
        axes = training.axes(self.blocks_)
        # From the strongest penalty down each solution starts the next: weaker ones are not needed.
        needed = np.flatnonzero(penalties >= self.penalty_.min())
        intercept, weights = response.path(axes, labels[present], penalties[needed], self.solver)
        place = np.searchsorted(needed, chosen)
        self.intercept_ = intercept[place, column]
        self.coef_ = axes.column_weights(weights[place, column])
        self.base_ = response.base(labels[present])
        return self

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Logits of shape (people, labellings)."""
        X = np.asarray(X, float)
        return self.evidence(X) + self.intercept_ + self._response.added(X, self.freed_)

    def evidence(self, X: np.ndarray) -> np.ndarray:
        """Logits without the intercept, shape (people, labellings): what the markers say."""
        X = np.asarray(X, float)
        return np.where(self._present(X)[:, None], self.prepared_markers(X) @ self.coef_, np.nan)

    def prepared_markers(self, X: np.ndarray) -> np.ndarray:
        """The prepared blocks side by side."""
        return stacked(self.preparations_, np.asarray(X, float))

    def kept_columns(self) -> list[tuple[str, int]]:
        """Block and column number of each row of ``coef_``."""
        return [
            (block.name, column)
            for block, prepared in zip(self.blocks_, self.preparations_, strict=True)
            for column, kept in zip(block.columns, prepared.kept_, strict=True)
            if kept
        ]

    def _present(self, X: np.ndarray) -> np.ndarray:
        return np.any([has_block(X, block) for block in self.blocks_], axis=0)


class FusedEstimator(TwoLabels):
    """A model that says how much each block weighs in it."""

    @abstractmethod
    def block_weights(self) -> np.ndarray:
        """Weight of each block, shape (blocks, labellings)."""


class EvidenceFusion(TrainedTogether, FusedEstimator):
    """What late fusion and stacking share: one model per block, joined by their evidence.

    The evidence of a block is the logit of its model without the intercept. It is 0 at the mean of
    the training people who have the block, so that who has a block tells nothing: a base rate among
    those who have it would, where gaps differ between the labels.
    """

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        fitted: Sequence[BlockModel] | None = None,
        training: TrainingPeople | None = None,
    ) -> Any:
        """Fit the model of each block and the join.

        ``fitted`` takes models of the blocks that were fitted on the same people, labels, penalties
        and folds, to save fitting them again; ``training`` is that of :meth:`BlockModel.fit`.
        """
        labels, training = self._training(X, y, training)
        self.models_ = list(fitted) if fitted is not None else [
            BlockModel((block,), *self._options).fit(
                training.X, self._again(y, labels, training.labelled)
            )
            for block in self.blocks_
        ]  # fmt: skip
        labels, self.freed_ = self._response.freed(training.labelled_rows, labels)
        evidence = np.stack([model.evidence_ for model in self.models_], axis=2)
        self.base_ = self._response.base(labels)
        self._join(np.swapaxes(evidence, 0, 1), labels)
        return self

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Logits of shape (people, labellings)."""
        X = np.asarray(X, float)
        evidence = np.stack([model.evidence(X) for model in self.models_], axis=2)
        joined = self._joined(evidence) + self._response.added(X, self.freed_)
        return np.where(np.isfinite(evidence).any(axis=2), joined, np.nan)

    def _again(self, y: np.ndarray, labels: np.ndarray, labelled: np.ndarray) -> np.ndarray:
        """The outcomes as the model of a block takes them."""
        if self.response is not None:
            return y
        table = np.full((len(labelled), labels.shape[1]), -1)
        table[labelled] = labels
        return table[:, 0] if self.single_ else table

    @abstractmethod
    def _join(self, evidence: np.ndarray, labels: np.ndarray) -> None:
        """Learn how the evidence of the models, (models, people, labellings), is joined."""

    @abstractmethod
    def _joined(self, evidence: np.ndarray) -> np.ndarray:
        """Logits (people, labellings) of evidence of shape (people, labellings, models)."""


class LateFusion(EvidenceFusion):
    """The mean of the calibrated evidence of the modalities that a person has.

    Each modality's evidence is calibrated by a logistic regression on its inner out-of-fold
    evidence whose slope is not below 0. The intercept is that of all training people alike,
    whichever modalities they have.
    """

    def _join(self, evidence: np.ndarray, labels: np.ndarray) -> None:
        self.slopes_ = np.zeros((evidence.shape[2], len(evidence)))
        for block in range(evidence.shape[2]):
            of_block = evidence[:, :, block : block + 1]
            rows = np.isfinite(of_block[0, :, 0])
            if not rows.any():
                continue
            scale = _scale(of_block[:, rows])
            _, slope = self._response.joined(
                of_block[:, rows] / scale, labels[rows], LEVEL_ONE_PENALTY
            )
            self.slopes_[block] = slope[:, 0] / scale[:, 0, 0]
        self.intercept_ = self._response.intercept(labels, self._mean(np.swapaxes(evidence, 0, 1)))

    def _joined(self, evidence: np.ndarray) -> np.ndarray:
        return self.intercept_ + self._mean(evidence)

    def _mean(self, evidence: np.ndarray) -> np.ndarray:
        """Mean calibrated evidence over the blocks that each person has, 0 where there is none."""
        known = np.isfinite(evidence)
        calibrated = np.where(known, evidence, 0.0) * self.slopes_.T
        return calibrated.sum(axis=2) / np.maximum(known.sum(axis=2), 1)

    def block_weights(self) -> np.ndarray:
        """Slope of each block's evidence, shape (blocks, labellings)."""
        return self.slopes_


class StackedFusion(EvidenceFusion):
    """A ridge logistic regression with non-negative weights on the modalities' evidence.

    Learnt on inner out-of-fold evidence; a modality that a person lacks counts as the training
    mean, neither for nor against.
    """

    def _join(self, evidence: np.ndarray, labels: np.ndarray) -> None:
        self.scale_ = _scale(evidence)
        standardised = np.nan_to_num(evidence / self.scale_)
        self.intercept_, self.weights_ = self._response.joined(
            standardised, labels, LEVEL_ONE_PENALTY
        )

    def _joined(self, evidence: np.ndarray) -> np.ndarray:
        standardised = np.nan_to_num(evidence / self.scale_[:, 0])
        return np.einsum("ibm,bm->ib", standardised, self.weights_) + self.intercept_

    def block_weights(self) -> np.ndarray:
        """Weight of each block's evidence, shape (blocks, labellings)."""
        return (self.weights_ / self.scale_[:, 0]).T


def _scale(evidence: np.ndarray) -> np.ndarray:
    known = np.isfinite(evidence)
    square = np.where(known, evidence, 0.0) ** 2
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    spread = np.sqrt(square.sum(axis=1, keepdims=True) / count)
    return np.where(spread > 1e-12, spread, 1.0)
