"""Markers as deviations from reference charts, which training controls define."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from commissure.models.charts import MIN_CONTROLS, People, ReferenceCharts
from commissure.models.estimators import BlockModel
from commissure.models.logistic import Solver
from commissure.models.responses import Response
from commissure.models.two_labels import TwoLabels, encoded_labels
from commissure.study.design import CONFOUNDS, SITE, Block, Design


@dataclass(frozen=True)
class ChartColumns:
    """Where charts find their markers and people in the matrix of a study.

    Attributes
    ----------
    markers
        Columns that have charts.
    age, sex
        Columns with the age in years and with the sex as 0 and 1; None where there is none.
    sites
        Columns with the indicators of the sites.
    adjusted
        Those of ``markers`` that are freed of head size.
    head_size
        The column with the head size, or None.
    """

    markers: tuple[int, ...]
    age: int
    sex: int | None = None
    sites: tuple[int, ...] = ()
    adjusted: tuple[int, ...] = ()
    head_size: int | None = None


class ChartDeviations(TransformerMixin, BaseEstimator):
    """The matrix of a study with its markers as deviations from the charts of training controls.

    What is said of a person depends on no other person who is tested: controls of the test fold
    have no part in the charts.

    Parameters
    ----------
    columns
        Where markers and people stand.
    min_controls
        Controls with a marker, without whom it has no chart and is a gap in everybody.
    """

    def __init__(self, columns: ChartColumns, min_controls: int = MIN_CONTROLS) -> None:
        self.columns = columns
        self.min_controls = min_controls

    def fit(self, X: np.ndarray, y: np.ndarray) -> ChartDeviations:
        """Learn from those of ``X`` whose ``y`` is -1 (controls, who carry no label)."""
        X, y = np.asarray(X, float), np.asarray(y)
        controls = X[(y if y.ndim == 1 else y[:, 0]) < 0]
        self.charts_ = None
        people = self._people(controls)
        if np.isfinite(people.age).sum() >= self.min_controls:
            adjusted = np.isin(self.columns.markers, self.columns.adjusted)
            self.charts_ = ReferenceCharts(adjusted, self.min_controls).fit(
                controls[:, list(self.columns.markers)], people
            )
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The matrix of any people, shape (people, columns); gaps where there is no deviation."""
        check_is_fitted(self)
        X = np.array(X, float)
        markers = list(self.columns.markers)
        if self.charts_ is None:
            X[:, markers] = np.nan
        else:
            X[:, markers] = self.charts_.scores(X[:, markers], self._people(X))
        return X

    def _people(self, X: np.ndarray) -> People:
        columns = self.columns
        site = np.full(len(X), "", dtype=object)
        for number in columns.sites:
            site[X[:, number] > 0] = str(number)
        return People(
            age=X[:, columns.age],
            female=np.full(len(X), np.nan) if columns.sex is None else X[:, columns.sex],
            site=site,
            head_size=None if columns.head_size is None else X[:, columns.head_size],
        )


class DeviationModel(TwoLabels):
    """One ridge regression on the deviations of all modalities, each block weighing the same.

    Parameters
    ----------
    blocks
        The modalities.
    columns, min_controls
        As :class:`ChartDeviations` takes them. Where the controls in training are too few,
        everybody gets the base rate.
    """

    def __init__(
        self,
        blocks: Sequence[Block] = (),
        penalties: Sequence[float] = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0),
        inner_folds: int = 5,
        seed: int = 0,
        solver: Solver = "newton",
        response: Response | None = None,
        columns: ChartColumns | None = None,
        min_controls: int = MIN_CONTROLS,
    ) -> None:
        super().__init__(blocks, penalties, inner_folds, seed, solver, response)
        self.columns = columns
        self.min_controls = min_controls

    def fit(self, X: np.ndarray, y: np.ndarray) -> DeviationModel:
        """Fit on the people with an outcome, and on the controls."""
        X, labels, labelled, self.single_ = encoded_labels(self, X, y)
        assert self.columns is not None
        # Age, sex, site and head size are in the charts: a block takes none of them out again.
        self.blocks_ = tuple(
            replace(block, adjusted=(), head_size=None, sites=(), kept=()) for block in self.blocks
        )
        self.deviations_ = ChartDeviations(self.columns, self.min_controls).fit(
            X, np.where(labelled, 0, -1)
        )
        labels, _ = self._response.freed(X[labelled], labels)
        self.base_ = self._response.base(labels)
        self.model_ = None
        if self.deviations_.charts_ is not None:
            deviations = self.deviations_.transform(X)
            if np.isfinite(deviations[labelled][:, list(self.columns.markers)]).any():
                self.model_ = BlockModel(self.blocks_, *self._options).fit(deviations, y)
        return self

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Logits of shape (people, labellings); NaN for people without any deviation."""
        X = np.asarray(X, float)
        if self.model_ is None:
            return np.broadcast_to(self.base_, (len(X), len(self.base_)))
        return self.model_.logits(self.deviations_.transform(X))


def chart_columns(design: Design, blocks: Sequence[Block]) -> ChartColumns | None:
    """Where charts of a study's blocks find what they need; None without an age."""
    confounds = design.blocks[CONFOUNDS].columns if CONFOUNDS in design.blocks else ()
    named = {design.columns[number].marker.split("=")[0]: number for number in confounds}
    if "age" not in named:
        return None
    adjusted = [number for block in blocks for number in block.adjusted]
    heads = [block.head_size for block in blocks if block.head_size is not None]
    sites = design.blocks[SITE].columns if SITE in design.blocks else ()
    return ChartColumns(
        markers=tuple(number for block in blocks for number in block.columns),
        age=named["age"],
        sex=named.get("sex"),
        sites=tuple(sites),
        adjusted=tuple(adjusted),
        head_size=heads[0] if heads else None,
    )
