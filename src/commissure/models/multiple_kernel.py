"""Multiple-kernel learning: modalities joined as kernels whose weights are learnt.

Every modality has a Gaussian kernel on its prepared markers, width by the median distance, centred
and of unit trace over the training people. The weights are those whose sum of kernels is most
aligned with the labels and are not negative (Cortes, Mohri and Rostamizadeh 2012, JMLR 13:795,
``alignf``). Logistic regression in the joint kernel's axes, penalty by inner folds. A modality that
a person lacks is the training mean in its kernel: neither for nor against.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from commissure.models.estimators import FusedEstimator
from commissure.models.logistic import Axes, base_logit, logistic_path
from commissure.models.preparation import Preparation, has_block
from commissure.models.two_labels import (
    checked_blocks,
    encoded_labels,
    families_of,
    inner_fold_numbers,
)
from commissure.study.design import Block


@dataclass(frozen=True)
class Kernel:
    """A modality's kernel over its training people, and what new people need to be placed in it."""

    preparation: Preparation
    people: np.ndarray
    width: float
    means: np.ndarray
    mean: float
    trace: float

    def rows(self, X: np.ndarray, block: Block) -> np.ndarray:
        """Centred kernel of new people with the training people; 0 for people without the block."""
        raw = _gaussian(self.preparation.transform(X), self.people, self.width)
        rows = (raw - raw.mean(axis=1, keepdims=True) - self.means + self.mean) / self.trace
        return np.where(has_block(X, block)[:, None], rows, 0.0)


class MultipleKernelFusion(FusedEstimator):
    """Kernel logistic regression on a learnt sum of the modalities' kernels.

    Attributes
    ----------
    weights_ : numpy.ndarray
        Weight of each block's kernel, shape (blocks, labellings); they sum to 1.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> MultipleKernelFusion:
        """Fit on the people with a label who have at least one of the blocks."""
        X, labels, labelled, self.single_ = encoded_labels(self, X, y)
        self.blocks_ = checked_blocks(self.blocks, X)
        people = int(labelled.sum())
        if people < 2:
            raise ValueError(f"n_samples = {people}: a kernel needs at least two labelled people")
        families = families_of(X[labelled], self.blocks_)
        inner = inner_fold_numbers(people, self.inner_folds, self.seed, families)
        everyone = np.full(len(X), -1)
        everyone[labelled] = inner
        penalties = np.asarray(self.penalties, float)
        loss = np.zeros((len(penalties), labels.shape[1]))
        marks = np.where(labelled, 0, -1)
        training = X[labelled]
        for fold in np.unique(inner):
            train, test = inner != fold, inner == fold
            kernels, stack = self._kernels(
                X[everyone != fold], marks[everyone != fold], training[train]
            )
            new = np.stack(
                [k.rows(training[test], b) for k, b in zip(kernels, self.blocks_, strict=True)]
            )
            for labelling in range(labels.shape[1]):
                eta = aligned_weights(stack, labels[train, labelling])
                axes = _axes(np.tensordot(eta, stack, 1))
                intercept, weights = logistic_path(
                    axes, labels[train, labelling : labelling + 1], penalties, self.solver
                )
                logit = axes.project(np.tensordot(eta, new, 1)) @ weights[:, 0].T + intercept[:, 0]
                y_test = labels[test, labelling : labelling + 1]
                loss[:, labelling] += (np.logaddexp(0.0, logit) - y_test * logit).sum(axis=0)
        self.penalty_ = penalties[loss.argmin(axis=0)]
        self.kernels_, stack = self._kernels(X, marks, training)
        self.base_ = base_logit(labels)
        self.weights_ = np.empty((len(self.blocks_), labels.shape[1]))
        self.intercept_ = np.empty(labels.shape[1])
        self.dual_ = np.empty((len(training), labels.shape[1]))
        for labelling in range(labels.shape[1]):
            eta = aligned_weights(stack, labels[:, labelling])
            axes = _axes(np.tensordot(eta, stack, 1))
            alone = slice(labelling, labelling + 1)
            intercept, weights = logistic_path(
                axes, labels[:, alone], self.penalty_[alone], self.solver
            )
            self.weights_[:, labelling], self.intercept_[labelling] = eta, intercept[0, 0]
            self.dual_[:, labelling] = axes.column_weights(weights[0])[:, 0]
        return self

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Logits of shape (people, labellings)."""
        X = np.asarray(X, float)
        rows = np.stack([k.rows(X, b) for k, b in zip(self.kernels_, self.blocks_, strict=True)])
        logit = np.einsum("mb,mij,jb->ib", self.weights_, rows, self.dual_) + self.intercept_
        present = np.any([has_block(X, block) for block in self.blocks_], axis=0)
        return np.where(present[:, None], logit, np.nan)

    def block_weights(self) -> np.ndarray:
        """Weight of each block's kernel, shape (blocks, labellings)."""
        return self.weights_

    def _kernels(
        self, X: np.ndarray, marks: np.ndarray, training: np.ndarray
    ) -> tuple[list[Kernel], np.ndarray]:
        """Kernels of all blocks over the labelled training people, and their stack."""
        kernels = []
        for block in self.blocks_:
            prepared = Preparation(block).fit(X, marks)
            measured = has_block(training, block)
            people = prepared.transform(training)
            apart = ((people[measured][:, None, :] - people[measured][None, :, :]) ** 2).sum(axis=2)
            near = apart[np.triu_indices(len(apart), 1)]
            width = float(np.median(near)) if len(near) and np.median(near) > 0 else 1.0
            raw = _gaussian(people, people, width)
            centred = raw - raw.mean(axis=0) - raw.mean(axis=1)[:, None] + raw.mean()
            trace = max(float(np.trace(centred[np.ix_(measured, measured)])), 1e-12)
            kernels.append(Kernel(prepared, people, width, raw.mean(axis=0), float(raw.mean()),
                                  trace / max(1, measured.sum())))  # fmt: skip
        stack = []
        for kernel, block in zip(kernels, self.blocks_, strict=True):
            measured = has_block(training, block)
            stack.append(kernel.rows(training, block) * measured[None, :])
        return kernels, np.stack(stack)


def aligned_weights(stack: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Non-negative weights of the sum of kernels that is most aligned with the labels.

    Parameters
    ----------
    stack
        Centred kernels, shape (kernels, people, people).
    labels
        Ones and zeros, shape (people,).

    Returns
    -------
    numpy.ndarray
        Shape (kernels,); they sum to 1, all alike where no kernel is aligned.
    """
    signs = labels - labels.mean()
    agreement = np.einsum("mij,i,j->m", stack, signs, signs)
    products = np.einsum("mij,nij->mn", stack, stack)
    size = float(np.trace(products))
    if size <= 0:
        return np.full(len(stack), 1 / len(stack))
    products += 1e-10 * size * np.eye(len(stack))
    root = np.linalg.cholesky(products)
    # min v'Mv - 2v'a over v >= 0 is a least-squares problem in the Cholesky root of M.
    weights, _ = nnls(root.T, np.linalg.solve(root, agreement))
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(stack), 1 / len(stack))


def _gaussian(first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
    square = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    return np.exp(-np.maximum(square, 0.0) / (2 * width))


def _axes(kernel: np.ndarray) -> Axes:
    value, vector = np.linalg.eigh((kernel + kernel.T) / 2)
    kept = value > 1e-10 * max(value[-1], 1e-300)
    value, vector = value[kept], vector[:, kept]
    return Axes(vector * np.sqrt(value), vector / np.sqrt(value))
