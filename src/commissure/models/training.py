"""What models learn of their training people without a look at labels, each part once.

Inner folds, preparation and singular axes are the same for every labelling, and a block is prepared
in the same way whether it stands alone or beside others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from commissure.models.logistic import Axes, axes_of
from commissure.models.preparation import Preparation, has_block
from commissure.models.two_labels import families_of, inner_fold_numbers
from commissure.study.design import Block

Blocks = tuple[Block, ...]


@dataclass(frozen=True)
class InnerDivision:
    """An inner fold as a model of some blocks sees it.

    Attributes
    ----------
    train, test
        Numbers among the labelled people, of those who have any of the blocks.
    scores, test_scores
        Both on the singular axes of the training people, shape (people, axes).
    """

    train: np.ndarray
    test: np.ndarray
    scores: np.ndarray
    test_scores: np.ndarray


class TrainingPeople:
    """Training people, and what was learnt of them without a look at their labels.

    Attributes
    ----------
    X
        All columns of the study, shape (people, columns).
    labelled
        Who carries an outcome, shape (people,); the others are reference people.
    """

    def __init__(
        self,
        X: np.ndarray,
        labelled: np.ndarray,
        inner_folds: int,
        seed: int,
        *,
        again: bool = False,
    ) -> None:
        """Take the people; ``again`` keeps their axes for models of other labellings."""
        self.X, self.labelled = X, labelled
        self._inner_folds, self._seed, self._again = inner_folds, seed, again
        self._preparations: dict[tuple[Block, int], Preparation] = {}
        self._divisions: dict[Blocks, list[InnerDivision]] = {}
        self._axes: dict[Blocks, Axes] = {}
        self._present: dict[Block, np.ndarray] = {}
        self._numbers: dict[int | None, np.ndarray] = {}

    @cached_property
    def labelled_rows(self) -> np.ndarray:
        """The columns of the labelled people."""
        return self.X[self.labelled]

    def present(self, blocks: Blocks) -> np.ndarray:
        """Who of the labelled people has any of the blocks."""
        for block in blocks:
            if block not in self._present:
                self._present[block] = has_block(self.labelled_rows, block)
        return np.any([self._present[block] for block in blocks], axis=0)

    def preparations(self, blocks: Blocks) -> list[Preparation]:
        """The preparation of each block, learnt in everybody."""
        return [self._preparation(block, -1) for block in blocks]

    def axes(self, blocks: Blocks) -> Axes:
        """Singular axes of all labelled people who have any of the blocks."""
        if blocks in self._axes:
            return self._axes[blocks]
        rows = self.labelled_rows[self.present(blocks)]
        axes = axes_of(stacked(self.preparations(blocks), rows))
        if self._again:
            self._axes[blocks] = axes
        return axes

    def inner_divisions(self, blocks: Blocks) -> list[InnerDivision]:
        """The inner folds with anybody to train on and to test."""
        if blocks in self._divisions:
            return self._divisions[blocks]
        divisions = []
        for train, test, training, tested in self.inner_markers(blocks):
            axes = axes_of(training)
            divisions.append(InnerDivision(train, test, axes.scores, axes.project(tested)))
        if self._again:
            self._divisions[blocks] = divisions
        return divisions

    def inner_markers(
        self, blocks: Blocks
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Training and test people of every inner fold, and their prepared markers."""
        inner, present = self._inner(blocks), self.present(blocks)
        for fold in np.unique(inner):
            test = np.flatnonzero((inner == fold) & present)
            train = np.flatnonzero((inner != fold) & present)
            if len(test) and len(train):
                prepared = [self._preparation(block, int(fold)) for block in blocks]
                rows = self.labelled_rows
                yield train, test, stacked(prepared, rows[train]), stacked(prepared, rows[test])

    def _inner(self, blocks: Blocks) -> np.ndarray:
        """Inner fold of each labelled person."""
        column = next((block.family for block in blocks if block.family is not None), None)
        if column not in self._numbers:
            families = families_of(self.labelled_rows, blocks)
            people = len(self.labelled_rows)
            self._numbers[column] = inner_fold_numbers(
                people, self._inner_folds, self._seed, families
            )
        return self._numbers[column]

    def _preparation(self, block: Block, fold: int) -> Preparation:
        """The preparation of a block without the people of an inner fold; -1 leaves nobody out."""
        if (block, fold) not in self._preparations:
            kept = np.ones(len(self.X), dtype=bool)
            if fold >= 0:
                kept[self.labelled] = self._inner((block,)) != fold
            marks = np.where(self.labelled, 0, -1)
            self._preparations[block, fold] = Preparation(block).fit(self.X[kept], marks[kept])
        return self._preparations[block, fold]


def stacked(prepared: Sequence[Preparation], X: np.ndarray) -> np.ndarray:
    """Prepared blocks side by side, each weighing the same, shape (people, kept columns)."""
    parts = [preparation.transform(X) for preparation in prepared]
    return np.concatenate(parts, axis=1) / np.sqrt(len(parts))
