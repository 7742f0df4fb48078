"""A fitted model as lists and numbers: what :mod:`commissure.transport.reference_scorer` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.models.estimators import BlockModel, LateFusion, StackedFusion
from commissure.models.imported import ImportedModel
from commissure.models.preparation import Preparation
from commissure.models.responses import Gaussian
from commissure.models.two_labels import TwoLabels
from commissure.study.design import DesignColumn

#: Raised when a reader of the older format would go wrong.
FORMAT = 2
#: People who are invented to see whether an estimator is a weighted sum, and how far it may differ.
PROBES, TOLERANCE = 64, 1e-9


def plain_model(
    model: TwoLabels,
    columns: Sequence[DesignColumn],
    units: Mapping[str, str],
    about: Mapping[str, Any],
    recalibration: tuple[float, float],
) -> dict[str, Any] | None:
    """The content of ``model.json``; None for a model that is no sum of weighted markers.

    Parameters
    ----------
    model
        Fitted to one outcome.
    columns, units, about
        As of a :class:`~commissure.transport.stored_model.StoredModel`.
    recalibration
        Intercept and slope that are applied to its logits.
    """
    joined = _joined(model)
    if joined is None:
        return None
    told = ("kind", "name", "positive", "negative", "classes", "outcome", "n", "n_positive")
    return {
        "format": FORMAT,
        **{key: about[key] for key in told if key in about},
        "columns": [
            {
                "modality": column.modality,
                "region": column.region,
                "marker": column.marker,
                "unit": units.get(column.marker),
            }
            for column in columns
        ],
        **joined,
        "covariates": _covariates(model),
        "recalibration": dict(zip(("intercept", "slope"), recalibration, strict=True)),
    }


def _joined(model: TwoLabels) -> dict[str, Any] | None:
    """The models of the blocks, and how they are joined; a column for each output."""
    if isinstance(model, BlockModel):
        part, added = _block_model(model)
        if part is None:
            return None
        intercept = model.intercept_ + added
        return {"join": "sum", "intercept": intercept, "weights": np.ones((1, len(intercept))),
                "models": [part]}  # fmt: skip
    if isinstance(model, LateFusion):
        join, weights = "mean", model.slopes_
    elif isinstance(model, StackedFusion):
        join, weights = "sum", (model.weights_ / model.scale_[:, 0]).T
    else:
        return None
    parts = [_block_model(part)[0] for part in model.models_]
    if any(part is None for part in parts):
        return None
    return {"join": join, "intercept": model.intercept_, "weights": weights, "models": parts}


def _block_model(model: BlockModel) -> tuple[dict[str, Any] | None, np.ndarray | float]:
    """Weights of prepared columns, shape (columns, outputs), and what is added to the intercept.

    The first is None for an estimator that is no weighted sum.
    """
    weights = model.coef_ if type(model) is BlockModel else None
    added: np.ndarray | float = 0.0
    if isinstance(model, ImportedModel):
        linear = [_linear(fitted, model) for fitted in model.fitted_]
        if any(part is None for part in linear):
            return None, 0.0
        weights = np.column_stack([part[0] for part in linear if part]) * model.slope_
        added = np.array([part[1] for part in linear if part]) * model.slope_
    if weights is None:
        return None, 0.0
    blocks = [_preparation(prepared) for prepared in model.preparations_]
    return {"blocks": blocks, "weights": weights}, added


def _linear(fitted: Any, model: ImportedModel) -> tuple[np.ndarray, float] | None:
    """Weights and intercept of an estimator, None where it is none of weights.

    What it says of invented people decides, not its name.
    """
    columns = sum(int(prepared.kept_.sum()) for prepared in model.preparations_)
    if fitted is None:
        return np.zeros(columns), 0.0
    if not hasattr(fitted, "coef_"):
        return None
    weights = np.ravel(np.asarray(fitted.coef_, float))
    intercept = float(np.ravel(getattr(fitted, "intercept_", 0.0))[0])
    if len(weights) != columns:
        return None
    X = np.random.default_rng(0).normal(size=(PROBES, columns))
    said, sums = model.said_by(fitted, X), X @ weights + intercept
    if not np.allclose(said, sums, rtol=TOLERANCE, atol=TOLERANCE):
        return None
    return weights, intercept


def _covariates(model: TwoLabels) -> dict[str, Any] | None:
    """What is added to predictions for the covariates of the outcome."""
    part = getattr(model, "freed_", None)
    if part is None or not isinstance(model.response, Gaussian):
        return None
    return {"columns": model.response.covariates, "slopes": part[:, :-1], "means": part[:, -1]}


def _preparation(prepared: Preparation) -> dict[str, Any]:
    block, count = prepared.block, len(prepared.block.columns)
    low, high = (np.broadcast_to(limit, count) for limit in prepared.limits_)
    head = None
    if block.head_size is not None:
        head_low, head_high = (float(np.ravel(limit)[0]) for limit in prepared.head_limits_)
        head = {"column": block.head_size, "mean": prepared.mean_head_size_, "low": head_low,
                "high": head_high, "slopes": prepared.slopes_}  # fmt: skip
    before = removed = None
    if prepared.before_ is not None:
        slopes, means = prepared.before_
        before = {"columns": block.before, "slopes": slopes, "means": means}
    if prepared.removal_ is not None:
        slopes, means = prepared.removal_
        removed = {"columns": block.removed, "slopes": slopes, "means": means}
    return {
        "name": block.name,
        "columns": block.columns,
        "head_size": head,
        "before": before,
        "low": low,
        "high": high,
        "kept": prepared.kept_,
        "medians": prepared.medians_,
        "sites": _sites(prepared),
        "removed": removed,
        "mean": prepared.mean_,
        "scale": prepared.scale_,
    }


def _sites(prepared: Preparation) -> dict[str, Any] | None:
    alignment, block = prepared.combat_, prepared.block
    if alignment is None:
        return None
    confounds = None
    if alignment.slopes is not None:
        confounds = {"columns": block.kept, "slopes": alignment.slopes, "means": alignment.means}
    return {
        "columns": block.sites,
        "known": alignment.sites,
        "shift": alignment.shift,
        "stretch": alignment.stretch,
        "confounds": confounds,
    }
