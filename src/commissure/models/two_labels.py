"""What the estimators share: two labels in any words, gaps allowed, a penalty by inner folds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from commissure.models.logistic import Solver, sigmoid
from commissure.models.responses import LOGISTIC, Response
from commissure.study.design import Block
from commissure.study.outcomes.kind import carries_outcome
from commissure.study.splits import stratified_folds


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


def encoded_outcomes(model: Any, y: np.ndarray, labelled: np.ndarray) -> tuple[np.ndarray, bool]:
    """The outcomes of an estimator whose training people have been checked.

    Labels are 1, 0 and -1, or what the estimator's response takes.

    Returns
    -------
    labels, single
        As :func:`encoded_labels` returns them.
    """
    table = y[:, None] if y.ndim == 1 else y
    if model.response is not None:
        return model.response.columns(table[labelled]), y.ndim == 1
    model.classes_ = np.array([0, 1])
    return table[labelled].astype(float), y.ndim == 1


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
