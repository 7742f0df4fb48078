"""All models of a study, fitted on the same people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from commissure.models.estimators import BlockModel, LateFusion, StackedFusion
from commissure.models.logistic import Solver
from commissure.models.multiple_kernel import KernelFusion
from commissure.models.preparation import has_block
from commissure.models.settings import ModelSettings
from commissure.study.design import (
    CLINICAL,
    CONFOUNDS,
    MISSINGNESS,
    SITE,
    Block,
    Design,
)

Kind = Literal["fusion", "modality", "baseline"]
Model = BlockModel | LateFusion | StackedFusion | KernelFusion

_FUSION_WORDS = {
    "late": "Mean of the calibrated logits of the modalities that a person has",
    "early": "One ridge logistic regression on all modalities, each block weighing the same",
    "stacked": "Ridge logistic regression with non-negative weights on the modalities' "
    "out-of-fold evidence",
    "multiple_kernel": "Multiple-kernel learning: Gaussian kernels of the modalities, "
    "their weights learnt",
}
_BASELINE_WORDS = {
    CLINICAL: "No image: {columns}",
    CONFOUNDS: "What should not predict: {columns}",
    SITE: "The site alone",
    MISSINGNESS: "Only which modalities a person has",
}


@dataclass(frozen=True)
class ModelSpec:
    """One model of the panel.

    Attributes
    ----------
    name, kind, description
        As in metrics.json.
    modalities
        Modalities it uses.
    blocks
        Their blocks.
    """

    name: str
    kind: Kind
    description: str
    modalities: tuple[str, ...]
    blocks: tuple[Block, ...]


def model_specs(
    design: Design, labels: np.ndarray, settings: ModelSettings
) -> tuple[list[ModelSpec], list[str]]:
    """Choose the models that the data carry.

    Parameters
    ----------
    design
        The matrix.
    labels
        1, 0, and -1 for reference people, shape (people,).
    settings
        The settings.

    Returns
    -------
    specs, cautions
        The primary model first; sentences on what was left out.
    """
    cautions = []
    usable = []
    for name in design.modalities:
        few = _too_few(design, labels, name, settings.min_per_class)
        if few:
            cautions.append(f"{name} is left out of the models: {few}.")
        else:
            usable.append(name)
    blocks = tuple(design.blocks[name] for name in usable)
    specs: dict[str, ModelSpec] = {}
    asked = dict.fromkeys(settings.models)
    fused = [name for name in asked if name in _FUSION_WORDS]
    if len(usable) == 1 and fused:
        cautions.append(f"There is nothing to fuse: {usable[0]} is the only modality.")
    for name in asked:
        if name in _FUSION_WORDS and len(usable) > 1:
            specs[name] = ModelSpec(name, "fusion", _FUSION_WORDS[name], tuple(usable), blocks)
        elif name == "modalities":
            for own in usable:
                description = f"{own} alone: {len(design.blocks[own].columns)} markers"
                specs[own] = ModelSpec(own, "modality", description, (own,), (design.blocks[own],))
        elif name in _BASELINE_WORDS:
            if name not in design.blocks or (name == SITE and len(design.blocks[SITE].columns) < 2):
                continue
            few = _too_few(design, labels, name, settings.min_per_class)
            if few:
                cautions.append(f"The {name} model is left out: {few}.")
                continue
            if name == MISSINGNESS and not _varies(design, labels):
                continue
            description = _BASELINE_WORDS[name].format(columns=_listed(design, design.blocks[name]))
            specs[name] = ModelSpec(name, "baseline", description, (), (design.blocks[name],))
    order = sorted(specs, key=lambda name: name != settings.primary)
    return [specs[name] for name in order], cautions


def primary_name(specs: Sequence[ModelSpec], settings: ModelSettings) -> str | None:
    """The model whose result is the study's: the declared one, else the only thing there is.

    Chosen by its place, never by its result.
    """
    names = [spec.name for spec in specs if spec.kind != "baseline"]
    return settings.primary if settings.primary in names else next(iter(names), None)


def fitted_panel(
    specs: Sequence[ModelSpec],
    X: np.ndarray,
    y: np.ndarray,
    *,
    settings: ModelSettings,
    solver: Solver = "newton",
) -> Mapping[str, Model]:
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
    """
    options = (tuple(settings.penalties), settings.inner_folds, settings.seed, solver)
    alone: dict[str, BlockModel] = {}

    def single(block: Block) -> BlockModel:
        if block.name not in alone:
            alone[block.name] = BlockModel((block,), *options).fit(X, y)
        return alone[block.name]

    fitted: dict[str, Model] = {}
    for spec in specs:
        if spec.name == "early":
            fitted[spec.name] = BlockModel(spec.blocks, *options).fit(X, y)
        elif spec.name == "multiple_kernel":
            fitted[spec.name] = KernelFusion(spec.blocks, *options).fit(X, y)
        elif spec.kind == "fusion":
            kind = LateFusion if spec.name == "late" else StackedFusion
            parts = [single(block) for block in spec.blocks]
            fitted[spec.name] = kind(spec.blocks, *options).fit(X, y, fitted=parts)
        else:
            fitted[spec.name] = single(spec.blocks[0])
    return fitted


def _too_few(design: Design, labels: np.ndarray, name: str, wanted: int) -> str:
    there = has_block(design.values, design.blocks[name])
    counts = [int((there & (labels == value)).sum()) for value in (1, 0)]
    if min(counts) >= wanted:
        return ""
    return f"{counts[0]} + {counts[1]} people have it and {wanted} of each label are needed"


def _varies(design: Design, labels: np.ndarray) -> bool:
    own = design.values[labels >= 0][:, list(design.blocks[MISSINGNESS].columns)]
    return bool((own != own[0]).any())


def _listed(design: Design, block: Block) -> str:
    names = list(dict.fromkeys(design.columns[i].marker for i in block.columns))
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
