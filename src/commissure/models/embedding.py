"""A learnt embedding as a block of a model: of training controls, or from elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from commissure.errors import DatasetError
from commissure.models.encoders.encoder import MarkerEncoder
from commissure.models.encoders.fine_tuning import BATCH, FineTuned, Kind, fine_tune
from commissure.models.encoders.pretraining import pretrain_markers
from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.encoders.stored_encoder import StoredEncoder, load_encoder
from commissure.models.estimators import BlockModel, LateFusion
from commissure.models.logistic import Solver
from commissure.models.preparation import Preparation
from commissure.models.responses import Gaussian, Response
from commissure.models.training import stacked
from commissure.models.two_labels import TwoLabels, encoded_labels
from commissure.study.design import Block, Design

#: Name of the block.
EMBEDDING = "embedding"
#: Encoders of folds that are kept: checks and permutations come back to the same controls.
_KEPT = 128
_learnt: dict[str, MarkerEncoder] = {}


@dataclass(frozen=True)
class EmbeddingColumns:
    """What an embedding is made of in the matrix of a study.

    Attributes
    ----------
    settings
        How it is learnt.
    age
        The column with the age in years; None where the encoder is from elsewhere.
    encoder
        Folder of an encoder from elsewhere.
    markers
        Columns of its markers, in its order.
    beside
        Whether it joins the modalities by late fusion, and does not stand alone.
    tuned
        Times that people with an outcome are seen while it moves encoder and head; 0 leaves the
        encoder as it is.
    permutations
        In how many permutations the model takes part; None for all.
    """

    settings: PretrainingSettings
    age: int | None = None
    encoder: str | None = None
    markers: tuple[int, ...] = ()
    beside: bool = False
    tuned: int = 0
    permutations: int | None = None


class EmbeddingModel(TwoLabels):
    """Ridge regression on an embedding, late fusion with it, or its encoder moved by the outcome.

    Without an encoder from elsewhere, preparation and encoder are learnt on the controls in
    training: no person who is tested, and nobody with an outcome, has a part in them. Tuned, the
    encoder is then moved, with a linear head, by the outcomes in training.

    Parameters
    ----------
    blocks
        The modalities.
    columns
        What the embedding is made of. Where the controls in training are fewer than a batch,
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
        columns: EmbeddingColumns | None = None,
    ) -> None:
        super().__init__(blocks, penalties, inner_folds, seed, solver, response)
        self.columns = columns

    def fit(self, X: np.ndarray, y: np.ndarray) -> EmbeddingModel:
        """Fit on the people with an outcome; the encoder on the controls."""
        X, labels, labelled, self.single_ = encoded_labels(self, X, y)
        assert self.columns is not None
        self.blocks_ = tuple(self.blocks)
        labels, self.part_ = self._response.freed(X[labelled], labels)
        self.base_ = self._response.base(labels)
        self.tuned_: list[FineTuned] = []
        self.preparations_: list[Preparation] = []
        self.encoder_ = self._encoder(X[~labelled])
        self.model_ = None
        if self.encoder_ is None:
            return self
        if self.columns.tuned:
            self.tuned_ = self._tuned(X[labelled], labels)
            return self
        embedded = np.hstack([X, self._embedding(X)])
        family = next((block.family for block in self.blocks_), None)
        places = tuple(range(X.shape[1], embedded.shape[1]))
        block = Block(EMBEDDING, places, family=family)
        if np.isfinite(embedded[labelled][:, places]).any():
            if self.columns.beside:
                model: TwoLabels = LateFusion((*self.blocks_, block), *self._options)
            else:
                model = BlockModel((block,), *self._options)
            self.model_ = model.fit(embedded, y)
        return self

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Logits of shape (people, labellings); NaN for people without any marker."""
        X = np.asarray(X, float)
        if self.tuned_:
            values = self._values(X)
            said = np.column_stack([head.predict(values) for head in self.tuned_])
            said = np.where(self._embeddable(X)[:, None], said, np.nan)
            return said + self._response.added(X, self.part_)
        if self.model_ is None:
            return np.broadcast_to(self.base_, (len(X), len(self.base_)))
        return self.model_.logits(np.hstack([X, self._embedding(X)]))

    def _encoder(self, controls: np.ndarray) -> MarkerEncoder | None:
        """The encoder; None where the controls are too few."""
        columns = self.columns
        assert columns is not None
        if columns.encoder is not None:
            return stored_encoder(columns.encoder).encoder
        ages = controls[:, columns.age]
        aged = np.isfinite(ages) & _measured(controls, self.blocks_)
        if aged.sum() < columns.settings.batch:
            return None
        self.preparations_ = [Preparation(block).fit(controls) for block in self.blocks_]
        values = stacked(self.preparations_, controls[aged])
        return _learnt_encoder(values, ages[aged], columns.settings)

    def _tuned(self, X: np.ndarray, labels: np.ndarray) -> list[FineTuned]:
        """The encoder moved by each column of outcomes; none where people are fewer than eight."""
        assert self.columns is not None and self.encoder_ is not None
        there = self._embeddable(X)
        if there.sum() < BATCH:
            return []
        values = self._values(X[there])
        kind: Kind = "number" if isinstance(self._response, Gaussian) else "labels"
        return [
            fine_tune(
                self.encoder_, values, outcome, kind=kind, epochs=self.columns.tuned,
                seed=self.seed,
            )
            for outcome in labels[there].T
        ]  # fmt: skip

    def _values(self, X: np.ndarray) -> np.ndarray:
        """What the encoder takes, of any people."""
        assert self.columns is not None
        if self.columns.encoder is not None:
            return X[:, list(self.columns.markers)]
        return stacked(self.preparations_, X)

    def _embeddable(self, X: np.ndarray) -> np.ndarray:
        """Who has any marker that the encoder takes."""
        assert self.columns is not None
        if self.columns.encoder is not None:
            return np.isfinite(self._values(X)).any(axis=1)
        return _measured(X, self.blocks_)

    def _embedding(self, X: np.ndarray) -> np.ndarray:
        """Embeddings of any people; NaN for who has no marker."""
        assert self.encoder_ is not None
        embedding = self.encoder_.embed(self._values(X))
        return np.where(self._embeddable(X)[:, None], embedding, np.nan)


def _measured(X: np.ndarray, blocks: Sequence[Block]) -> np.ndarray:
    numbers = [number for block in blocks for number in block.columns]
    return np.isfinite(X[:, numbers]).any(axis=1)


def _learnt_encoder(
    values: np.ndarray, ages: np.ndarray, settings: PretrainingSettings
) -> MarkerEncoder:
    """The encoder of these controls, learnt once."""
    content = values.tobytes() + ages.tobytes() + settings.model_dump_json().encode()
    key = hashlib.sha256(content).hexdigest()
    if key not in _learnt:
        while len(_learnt) >= _KEPT:
            del _learnt[next(iter(_learnt))]
        _learnt[key] = pretrain_markers(values, ages, settings)[0]
    return _learnt[key]


@lru_cache(maxsize=4)
def stored_encoder(folder: str) -> StoredEncoder:
    """An encoder from elsewhere, read once."""
    return load_encoder(Path(folder))


def encoder_columns(
    stored: StoredEncoder, design: Design, units: Mapping[str, str]
) -> tuple[int, ...]:
    """Where the markers of an encoder stand in the matrix of a study.

    Raises
    ------
    DatasetError
        The study lacks one of them, or has it in another unit.
    """
    numbers = {column: number for number, column in enumerate(design.columns)}
    for column, unit in zip(stored.columns, stored.units, strict=True):
        name = " ".join(part for part in (column.modality, column.region, column.marker) if part)
        if column not in numbers:
            raise DatasetError(
                "fusion.embedding.encoder", found=f"it takes {name}, and the study has no such "
                "marker",
                wanted="an encoder of markers of the study, of the same atlas and template",
                mend="Learn one on markers of the same settings (commissure pretrain)",
            )  # fmt: skip
        if units.get(column.marker, unit) != unit:
            raise DatasetError(
                "fusion.embedding.encoder", found=f"it takes {name} in {unit}, and the study has "
                f"it in {units[column.marker]}",
                wanted="one unit", mend="Convert the table, or learn an encoder on these markers",
            )  # fmt: skip
    return tuple(numbers[column] for column in stored.columns)
