"""A fitted model as lists and numbers: what :mod:`commissure.transport.reference_scorer` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.models.estimators import BlockModel, LateFusion, StackedFusion
from commissure.models.preparation import Preparation
from commissure.models.two_labels import TwoLabels
from commissure.study.design import DesignColumn

#: Raised when a reader of the older format would go wrong.
FORMAT = 1


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
        Fitted to two labels.
    columns, units, about
        As of a :class:`~commissure.transport.stored_model.StoredModel`.
    recalibration
        Intercept and slope that are applied to its logits.
    """
    joined = _joined(model)
    if joined is None:
        return None
    return {
        "format": FORMAT,
        **{key: about[key] for key in ("name", "positive", "negative", "n", "n_positive")},
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
        "recalibration": dict(zip(("intercept", "slope"), recalibration, strict=True)),
    }


def _joined(model: TwoLabels) -> dict[str, Any] | None:
    """The models of the blocks, and how they are joined."""
    if type(model) is BlockModel:
        return {"join": "sum", "intercept": model.intercept_[0], "weights": [1.0],
                "models": [_block_model(model)]}  # fmt: skip
    if isinstance(model, LateFusion):
        join, weights = "mean", model.slopes_[:, 0]
    elif isinstance(model, StackedFusion):
        join, weights = "sum", model.weights_[0] / model.scale_[0, 0]
    else:
        return None
    if any(type(part) is not BlockModel for part in model.models_):
        return None
    return {"join": join, "intercept": model.intercept_[0], "weights": weights,
            "models": [_block_model(part) for part in model.models_]}  # fmt: skip


def _block_model(model: BlockModel) -> dict[str, Any]:
    return {
        "blocks": [_preparation(prepared) for prepared in model.preparations_],
        "weights": model.coef_[:, 0],
    }


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
