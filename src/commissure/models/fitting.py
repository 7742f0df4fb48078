"""Fitting the models of a study to some of its people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from commissure.models.deviations import DeviationModel
from commissure.models.embedding import EmbeddingModel
from commissure.models.estimators import BlockModel, EvidenceFusion
from commissure.models.imported import ImportedModel
from commissure.models.logistic import Solver
from commissure.models.registry import FUSED_MODELS, FusedModel, ModelSpec
from commissure.models.responses import LOGISTIC, Response
from commissure.models.settings import ModelSettings
from commissure.models.training import TrainingPeople
from commissure.models.two_labels import TwoLabels
from commissure.models.vulnerability import VulnerabilityModel
from commissure.study.design import Block
from commissure.study.outcomes.kind import carries_outcome


def fit_models(
    specs: Sequence[ModelSpec],
    X: np.ndarray,
    y: np.ndarray,
    *,
    settings: ModelSettings,
    solver: Solver = "newton",
    training: TrainingPeople | None = None,
) -> Mapping[str, TwoLabels]:
    """Fit every model on the same training people.

    The model of a modality is fitted once, whether it stands alone or is a part of a fused one.

    Parameters
    ----------
    specs
        The models.
    X, y
        Training people and their labels (-1: reference), as the estimators take them.
    settings, solver
        Penalties, inner folds and seed; how the logistic regressions are solved.
    training
        What was learnt of these people without a look at labels, where they are fitted to several
        labellings one after the other (:func:`training_people`).
    """
    fitted: dict[str, TwoLabels] = {}
    if not specs:
        return fitted
    training = training or training_people(X, y, settings)
    single = _single_models(training, y, settings, solver, specs[0].response)
    for spec in specs:
        fused = FUSED_MODELS.get(spec.name)
        if spec.estimator is not None:
            fitted[spec.name] = ImportedModel(
                spec.blocks, *_options(settings, solver, spec.response),
                estimator=spec.estimator.estimator,
                options=dict(spec.estimator.options), grid=dict(spec.estimator.grid),
                select=tuple(spec.estimator.select),
            ).fit(X, y, training)  # fmt: skip
        elif spec.traits:
            fitted[spec.name] = VulnerabilityModel(
                spec.blocks, *_options(settings, solver, spec.response),
                traits=spec.traits, min_controls=settings.vulnerability.min_controls,
            ).fit(X, y)  # fmt: skip
        elif spec.charts is not None:
            fitted[spec.name] = DeviationModel(
                spec.blocks, *_options(settings, solver, spec.response), columns=spec.charts
            ).fit(X, y)
        elif spec.embedding is not None:
            fitted[spec.name] = EmbeddingModel(
                spec.blocks, *_options(settings, solver, spec.response), columns=spec.embedding
            ).fit(X, y)
        elif fused is None:
            fitted[spec.name] = single(spec.blocks[0])
        else:
            options = _options(settings, solver, spec.response)
            fitted[spec.name] = _fit_fused(fused, spec.blocks, training, y, options, single)
    return fitted


def training_people(
    X: np.ndarray, y: np.ndarray, settings: ModelSettings, *, again: bool = False
) -> TrainingPeople:
    """What the models of a study share of their training people.

    Parameters
    ----------
    X, y
        As :func:`fit_models` takes them.
    settings
        Inner folds and seed.
    again
        Whether other labellings of these people will be fitted.
    """
    X = np.asarray(X, float)
    if np.isinf(X).any():
        raise ValueError("Input X contains infinity.")
    labelled = carries_outcome(y if y.ndim == 1 else y[:, 0])
    return TrainingPeople(X, labelled, settings.inner_folds, settings.seed, again=again)


def fit_coalitions(
    name: str,
    coalitions: Sequence[tuple[Block, ...]],
    X: np.ndarray,
    y: np.ndarray,
    *,
    settings: ModelSettings,
    response: Response = LOGISTIC,
) -> list[TwoLabels]:
    """Fit a model to every coalition of blocks, on the same training people.

    Parameters
    ----------
    name
        The fused model that joins the blocks of a coalition; where it is no fused model (there was
        one modality only), late fusion does.
    coalitions
        Blocks of each coalition.
    X, y, settings, response
        As for :func:`fit_models`. Models of single blocks are fitted in full, whether they stand
        alone or are joined; a model that is fitted to several blocks at once makes one Newton step.
    """
    fused = FUSED_MODELS.get(name, FUSED_MODELS["late"])
    training = training_people(X, y, settings)
    single = _single_models(training, y, settings, "newton", response)
    options = _options(settings, "one_step", response)
    return [
        single(blocks[0])
        if fused.linear and len(blocks) == 1
        else _fit_fused(fused, blocks, training, y, options, single)
        for blocks in coalitions
    ]


_Options = tuple[tuple[float, ...], int, int, Solver, Response | None]


def _options(settings: ModelSettings, solver: Solver, response: Response) -> _Options:
    # Two labels are what the estimators take without a response, and in any words.
    other = None if response == LOGISTIC else response
    return tuple(settings.penalties), settings.inner_folds, settings.seed, solver, other


def _single_models(
    training: TrainingPeople,
    y: np.ndarray,
    settings: ModelSettings,
    solver: Solver,
    response: Response,
) -> Callable[[Block], BlockModel]:
    """A function that fits the model of a block, once."""
    fitted: dict[str, BlockModel] = {}

    def single(block: Block) -> BlockModel:
        if block.name not in fitted:
            options = _options(settings, solver, response)
            fitted[block.name] = BlockModel((block,), *options).fit(training.X, y, training)
        return fitted[block.name]

    return single


def _fit_fused(
    fused: FusedModel,
    blocks: Sequence[Block],
    training: TrainingPeople,
    y: np.ndarray,
    options: _Options,
    single: Callable[[Block], BlockModel],
) -> TwoLabels:
    model = fused.estimator(blocks, *options)
    if isinstance(model, EvidenceFusion):
        return model.fit(training.X, y, [single(block) for block in blocks], training)
    if isinstance(model, BlockModel):
        return model.fit(training.X, y, training)
    return model.fit(training.X, y)
