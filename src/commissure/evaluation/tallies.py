"""What people won under many labellings, added up while folds and repeats go by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from commissure.evaluation.auc import auc_of_wins
from commissure.models.registry import ModelSpec


class Together:
    """What each person won in all repeats together, by model.

    Under the first labellings only, ``table``, of which there may be none. Small numbers and
    halves of them: single precision holds them exactly, in half the memory.
    """

    def __init__(self, table: np.ndarray, specs: Sequence[ModelSpec]) -> None:
        self._labels = table
        shape = (2, len(specs), *table.shape)
        self._place = {spec.name: place for place, spec in enumerate(specs)}
        self._won, self._compared = np.zeros(shape, dtype=np.float32)

    def add(
        self, name: str, rows: np.ndarray, first: int, won: np.ndarray, compared: np.ndarray
    ) -> None:
        """Take what the people of some rows won, from labelling ``first`` on."""
        kept = slice(first, min(first + won.shape[1], self._labels.shape[1]))
        if kept.stop > kept.start:
            size = kept.stop - kept.start
            self._won[self._place[name], rows, kept] += won[:, :size]
            self._compared[self._place[name], rows, kept] += compared[:, :size]

    def variances(self, name: str, labellings: int) -> np.ndarray | None:
        """DeLong's variance of all repeats together; NaN beyond the first labellings."""
        measured = self._labels.shape[1]
        if not measured:
            return None
        place = self._place[name]
        of_mean = np.full(labellings, np.nan)
        _, of_mean[:measured] = auc_of_wins(
            np.maximum(self._labels, 0).astype(float),
            self._won[place].astype(float),
            self._compared[place].astype(float),
        )
        return of_mean


class Tally:
    """AUC and DeLong's variance of every labelling, gathered over people who are compared apart.

    All that is added up are numbers of pairs, halves and quarters of them: the sums are exact.
    """

    def __init__(self, labellings: int) -> None:
        self._sums = np.zeros((2, 5, labellings))
        self._people = np.zeros((2, labellings))

    def add(self, first: int, labels: np.ndarray, won: np.ndarray, compared: np.ndarray) -> None:
        """Take what people won, shape (people, labellings from ``first`` on)."""
        part = slice(first, first + labels.shape[1])
        for side, of_side in enumerate((labels == 1, labels == 0)):
            met, had = np.where(of_side, compared, 0.0), np.where(of_side, won, 0.0)
            sums = self._sums[side, :, part]
            sums[0] += met.sum(axis=0)
            sums[1] += had.sum(axis=0)
            for row, (a, b) in enumerate(((had, had), (had, met), (met, met)), 2):
                sums[row] += np.einsum("ij,ij->j", a, b)
            self._people[side, part] += (met > 0).sum(axis=0)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """As :func:`commissure.evaluation.auc.auc_of_wins`."""
        pairs = self._sums[0, 0]
        total = np.maximum(pairs, 1)
        aucs = self._sums[0, 1] / total
        variances = np.zeros(len(pairs))
        for sums, size in zip(self._sums, self._people, strict=True):
            square = sums[2] - 2 * aucs * sums[3] + aucs**2 * sums[4]
            part = np.maximum(square, 0.0) / total**2 * size / np.maximum(size - 1, 1)
            variances += np.where(size > 1, part, 0.0)
        return np.where(pairs > 0, aucs, np.nan), np.where(pairs > 0, variances, np.nan)
