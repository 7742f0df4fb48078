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

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from commissure.models.logistic import (
    Solver,
    axes_of,
    sigmoid,
)
from commissure.models.preparation import Preparation, has_block
from commissure.models.responses import LOGISTIC, Response
from commissure.study.design import Block
from commissure.study.outcomes.kind import carries_outcome
from commissure.study.splits import stratified_folds

#: Ridge penalty of calibration and stacking, on evidence of unit variance: a weak prior.
LEVEL_ONE_PENALTY = 1.0


class TwoLabels(ClassifierMixin, BaseEstimator, ABC):
    """What the estimators share: two labels, gaps allowed, a penalty by inner folds.

    Attributes
    ----------
    blocks_ : tuple of Block
        The blocks that it was fitted on.
    base_ : numpy.ndarray
        Logit of the share of positive labels in training, shape (labellings,).
    """

    blocks_: tuple[Block, ...]
    base_: np.ndarray

    def __init__(
        self,
        blocks: Sequence[Block] = (),
        penalties: Sequence[float] = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0),
        inner_folds: int = 5,
        seed: int = 0,
        solver: Solver = "newton",
        response: Response | None = None,
    ) -> None:
        self.blocks = blocks
        self.penalties = penalties
        self.inner_folds = inner_folds
        self.seed = seed
        self.solver = solver
        self.response = response

    @property
    def _response(self) -> Response:
        """How the outcome is learnt; two labels unless another response was given."""
        return self.response or LOGISTIC

    @property
    def _options(self) -> tuple[Any, ...]:
        """The parameters that the models of the blocks share."""
        return self.penalties, self.inner_folds, self.seed, self.solver, self.response

    def __sklearn_tags__(self) -> Any:
        """The tags."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    @abstractmethod
    def logits(self, X: np.ndarray) -> np.ndarray:
        """Logits of shape (people, labellings); NaN for people who have none of the blocks."""

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Logit of the positive label; NaN for people who have none of the blocks."""
        return squeezed(self, X)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both labels, shape (people, 2)."""
        return both_probabilities(self, X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The more probable label; people without data get the negative one."""
        return named(self, self.decision_function(X) > 0)


class BlockModel(TwoLabels):
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

    def fit(self, X: np.ndarray, y: np.ndarray) -> BlockModel:
        """Fit on the people with a label who have at least one of the blocks."""
        X, labels, labelled, self.single_ = encoded_labels(self, X, y)
        self.blocks_ = checked_blocks(self.blocks, X)
        response = self._response
        labels, self.freed_ = response.freed(X[labelled], labels)
        marks = np.where(labelled, 0, -1)
        penalties = np.asarray(self.penalties, float)
        families = families_of(X[labelled], self.blocks_)
        inner = inner_fold_numbers(int(labelled.sum()), self.inner_folds, self.seed, families)
        present = self._present(X[labelled])
        everyone = np.full(len(X), -1)
        everyone[labelled] = inner
        logits = np.full((len(penalties), len(inner), labels.shape[1]), np.nan)
        evidence = logits.copy()
        for fold in np.unique(inner):
            test = (inner == fold) & present
            train = (inner != fold) & present
            if not test.any() or not train.any():
                continue
            prepared = self._prepared(X[everyone != fold], marks[everyone != fold])
            axes = axes_of(self._stacked(prepared, X[labelled][train]))
            intercept, weights = response.path(axes, labels[train], penalties, self.solver)
            scores = axes.project(self._stacked(prepared, X[labelled][test]))
            evidence[:, test] = np.einsum("ir,lbr->lib", scores, weights)
            logits[:, test] = evidence[:, test] + intercept[:, None, :]
        seen = np.isfinite(logits[0, :, 0])
        chosen = response.loss(labels[seen], logits[:, seen]).argmin(axis=0)
        self.penalty_ = penalties[chosen]
        self.evidence_ = evidence[chosen, :, np.arange(labels.shape[1])].T
        self.preparations_ = self._prepared(X, marks)
        axes = axes_of(self._stacked(self.preparations_, X[labelled][present]))
        intercept, weights = response.path(axes, labels[present], penalties, self.solver)
        column = np.arange(labels.shape[1])
        self.intercept_ = intercept[chosen, column]
        self.coef_ = axes.column_weights(weights[chosen, column])
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
        return self._stacked(self.preparations_, np.asarray(X, float))

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

    def _prepared(self, X: np.ndarray, marks: np.ndarray) -> list[Preparation]:
        return [Preparation(block).fit(X, marks) for block in self.blocks_]

    def _stacked(self, prepared: list[Preparation], X: np.ndarray) -> np.ndarray:
        parts = [preparation.transform(X) for preparation in prepared]
        return np.concatenate(parts, axis=1) / np.sqrt(len(parts))


class FusedEstimator(TwoLabels):
    """A model that says how much each block weighs in it."""

    @abstractmethod
    def block_weights(self) -> np.ndarray:
        """Weight of each block, shape (blocks, labellings)."""


class EvidenceFusion(FusedEstimator):
    """What late fusion and stacking share: one model per block, joined by their evidence.

    The evidence of a block is the logit of its model without the intercept. It is 0 at the mean of
    the training people who have the block, so that who has a block tells nothing: a base rate among
    those who have it would, where gaps differ between the labels.
    """

    def fit(self, X: np.ndarray, y: np.ndarray, fitted: Sequence[BlockModel] | None = None) -> Any:
        """Fit the model of each block and the join.

        ``fitted`` takes models of the blocks that were fitted on the same people, labels, penalties
        and folds, to save fitting them again.
        """
        X, labels, labelled, self.single_ = encoded_labels(self, X, y)
        self.blocks_ = checked_blocks(self.blocks, X)
        self.models_ = list(fitted) if fitted is not None else [
            BlockModel((block,), *self._options).fit(X, self._again(y, labels, labelled))
            for block in self.blocks_
        ]  # fmt: skip
        labels, self.freed_ = self._response.freed(X[labelled], labels)
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


def inner_fold_numbers(
    people: int, inner_folds: int, seed: int, families: np.ndarray | None = None
) -> np.ndarray:
    """Inner folds of the training people, without a look at their labels.

    Parameters
    ----------
    people
        How many there are.
    inner_folds, seed
        Of the settings.
    families
        Number of each person's family, of :func:`families_of`: a family stays in one fold.
    """
    cards = people if families is None else len(np.unique(families))
    return stratified_folds(np.zeros(people), min(inner_folds, cards), (seed, 2), families)


def families_of(rows: np.ndarray, blocks: Sequence[Block]) -> np.ndarray | None:
    """Number of each person's family; None where the blocks know of none."""
    column = next((block.family for block in blocks if block.family is not None), None)
    return None if column is None else rows[:, column]


def encoded_labels(
    model: Any, X: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Check what an estimator is fitted to, and tell labels from reference people.

    Labels are 1 and 0, with -1 for reference people; or any two other values, the second of which
    in their order is the positive one; or a table of 1, 0 and -1 with a labelling per column. With
    a response of another outcome they are what that outcome is held as.

    Returns
    -------
    X, labels, labelled, single
        The values; zeros and ones of the labelled people (or what the response learns of them),
        shape (people, labellings); who is labelled; whether there is one labelling.

    Raises
    ------
    ValueError
        There are more than two labels, or the values are no finite table (gaps are allowed).
    """
    y = np.asarray(y)
    if model.response is not None:
        X = validate_data(model, X, dtype=float, ensure_all_finite="allow-nan")
        table = y[:, None] if y.ndim == 1 else y
        labelled = carries_outcome(table[:, 0])
        return X, model.response.columns(table[labelled]), labelled, y.ndim == 1
    if y.ndim == 2 and y.shape[1] != 1:
        X = validate_data(model, X, dtype=float, ensure_all_finite="allow-nan")
        model.classes_ = np.array([0, 1])
        labelled = y[:, 0] >= 0
        return X, y[labelled].astype(float), labelled, False
    single = y.ndim == 1
    X, y = validate_data(model, X, y, dtype=float, ensure_all_finite="allow-nan")
    check_classification_targets(y)
    classes = np.unique(y)
    numbered = y.dtype.kind in "iuf" and set(classes.tolist()) <= {-1, 0, 1}
    if numbered and set(classes.tolist()) != {-1, 1}:
        model.classes_ = np.array([0, 1])
        labelled = y >= 0
        return X, y[labelled, None].astype(float), labelled, single
    if len(classes) > 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is multiclass: "
            f"{len(classes)} classes"
        )
    model.classes_ = classes
    return X, (y == classes[-1])[:, None].astype(float), np.ones(len(y), dtype=bool), single


def checked_blocks(blocks: Sequence[Block], X: np.ndarray) -> tuple[Block, ...]:
    """The blocks, or one of all columns where none is named."""
    return tuple(blocks) or (Block("all", tuple(range(X.shape[1]))),)


def squeezed(model: Any, X: np.ndarray) -> np.ndarray:
    """Logits of checked values, without the axis of the labellings where there is one."""
    check_is_fitted(model)
    X = validate_data(model, X, dtype=float, ensure_all_finite="allow-nan", reset=False)
    logits = model.logits(X)
    return logits[:, 0] if model.single_ else logits


def named(model: Any, positive: np.ndarray) -> np.ndarray:
    """The labels in the words of the fit."""
    return model.classes_[np.minimum(positive.astype(int), len(model.classes_) - 1)]


def both_probabilities(model: Any, X: np.ndarray) -> np.ndarray:
    """Probabilities of both labels, shape (people, 2)."""
    check_is_fitted(model)
    X = validate_data(model, X, dtype=float, ensure_all_finite="allow-nan", reset=False)
    p = sigmoid(model.logits(X)[:, 0])
    return np.column_stack([1 - p, p])


def _scale(evidence: np.ndarray) -> np.ndarray:
    known = np.isfinite(evidence)
    square = np.where(known, evidence, 0.0) ** 2
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    spread = np.sqrt(square.sum(axis=1, keepdims=True) / count)
    return np.where(spread > 1e-12, spread, 1.0)
