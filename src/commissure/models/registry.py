"""The models of a study: what each is, and which of them the data carry.

A fused model is declared once, in :data:`FUSED_MODELS`, under its name in
:data:`commissure.models.settings.FusedName`. Sentences, fitting, the coalitions of the modality
shares, the types that a stored model may hold and the warnings of its card derive from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from commissure.errors import ConfigError
from commissure.modalities import modality_title
from commissure.models.charts import MIN_CONTROLS
from commissure.models.deviations import ChartColumns, chart_columns
from commissure.models.embedding import EMBEDDING, EmbeddingColumns, encoder_columns, stored_encoder
from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.estimators import BlockModel, LateFusion, StackedFusion
from commissure.models.imported import TRUSTED_PARTS, ImportedModel, check_estimator
from commissure.models.multiple_kernel import Kernel, MultipleKernelFusion
from commissure.models.preparation import Preparation, SiteAlignment, has_block
from commissure.models.responses import (
    LOGISTIC,
    Cox,
    Gaussian,
    Logistic,
    OneVersusRest,
    Response,
    response_of,
)
from commissure.models.settings import (
    DEVIATIONS,
    EMBEDDING_LATE,
    EMBEDDING_NAMES,
    EMBEDDING_TUNED,
    VULNERABILITY,
    EstimatorSettings,
    ModelSettings,
)
from commissure.models.two_labels import TwoLabels
from commissure.models.vulnerability import Traits, study_traits
from commissure.study.design import (
    CLINICAL,
    CONFOUNDS,
    MISSINGNESS,
    SITE,
    Block,
    Design,
)
from commissure.study.outcomes.kind import without_outcome
from commissure.study.study import Study

Kind = Literal["fusion", "modality", "index", "baseline"]


@dataclass(frozen=True)
class FusedModel:
    """A model of all modalities together.

    Attributes
    ----------
    estimator
        Its class.
    description
        One sentence for metrics.json.
    linear
        Whether it is made of ridge logistic regressions; on one block alone it is then the model
        of that block.
    labels_only
        Whether it is fitted to two labels only.
    too_modest
        Whether its probabilities lie nearer to the base rate than they may, so that it is
        recalibrated before it is stored.
    stored_types
        Types that it holds when it is fitted, beside its own and those of every model.
    card_warning
        What the card of a stored model must say of it.
    """

    estimator: type[TwoLabels]
    description: str
    linear: bool = True
    labels_only: bool = False
    too_modest: bool = False
    stored_types: tuple[type, ...] = ()
    card_warning: str = ""

    @property
    def weighs_markers(self) -> bool:
        """Whether it weighs every marker, and not each block as a whole."""
        return issubclass(self.estimator, BlockModel)


FUSED_MODELS: Mapping[str, FusedModel] = {
    "late": FusedModel(
        LateFusion,
        "Mean of the calibrated evidence of the modalities that a person has",
        too_modest=True,
    ),
    "early": FusedModel(
        BlockModel,
        "One ridge regression on all modalities, each block weighing the same",
    ),
    "stacked": FusedModel(
        StackedFusion,
        "Ridge regression with non-negative weights on the modalities' out-of-fold evidence",
    ),
    "multiple_kernel": FusedModel(
        MultipleKernelFusion,
        "Multiple-kernel learning: Gaussian kernels of the modalities, their weights learnt",
        linear=False,
        labels_only=True,
        stored_types=(Kernel,),
        card_warning="A kernel model holds the prepared markers of its training people: share it "
        "as you would them.",
    ),
}

_BASELINES: Mapping[str, str] = {
    CLINICAL: "No image: {columns}",
    CONFOUNDS: "What should not predict: {columns}",
    SITE: "The site alone",
    MISSINGNESS: "Only which modalities a person has",
}


_EMBEDDED: Mapping[str, str] = {
    EMBEDDING: "Ridge regression on",
    EMBEDDING_LATE: "Late fusion of the modalities and",
    EMBEDDING_TUNED: "A linear head on, moved together with the encoder by the outcome,",
}


def stored_types() -> tuple[str, ...]:
    """Full names of the types that a stored model may hold."""
    always = (Block, Preparation, SiteAlignment, BlockModel, ImportedModel)
    responses = (Logistic, OneVersusRest, Gaussian, Cox)
    types: dict[type, None] = dict.fromkeys((*always, *responses))
    for model in FUSED_MODELS.values():
        types |= dict.fromkeys((model.estimator, *model.stored_types))
    return (*(f"{kind.__module__}.{kind.__qualname__}" for kind in types), *TRUSTED_PARTS)


@dataclass(frozen=True)
class ModelSpec:
    """One model of a study.

    Attributes
    ----------
    name, kind, description
        As in metrics.json.
    modalities
        Modalities it uses.
    blocks
        Their blocks.
    response
        How the outcome is learnt.
    estimator
        What is fitted, where it is a scikit-learn estimator by its import path.
    traits
        Of a model of vulnerability indices, what these are made of.
    charts
        Of a model of deviations, what its charts are made of.
    embedding
        Of a model of an embedding, what that is made of.
    """

    name: str
    kind: Kind
    description: str
    modalities: tuple[str, ...]
    blocks: tuple[Block, ...]
    response: Response = LOGISTIC
    estimator: EstimatorSettings | None = None
    traits: tuple[Traits, ...] = ()
    charts: ChartColumns | None = None
    embedding: EmbeddingColumns | None = None

    @property
    def most_permutations(self) -> int | None:
        """In how many permutations it takes part, where it is dear to fit; None for all."""
        if self.estimator is not None:
            return self.estimator.permutations
        return None if self.embedding is None else self.embedding.permutations


def model_specs(study: Study[ModelSettings]) -> tuple[list[ModelSpec], list[str]]:
    """Choose the models that the data carry.

    Parameters
    ----------
    study
        The study.

    Returns
    -------
    specs, cautions
        The primary model first; sentences on what was left out.
    """
    design, settings = study.design, study.settings
    response = response_of(design, settings)
    cautions = []
    usable = []
    for name in design.modalities:
        few = _too_few(study, name)
        if few:
            cautions.append(f"{name} is left out of the models: {few}.")
        else:
            usable.append(name)
    blocks = tuple(design.blocks[name] for name in usable)
    specs: dict[str, ModelSpec] = {}
    asked = settings.model_names()
    if len(usable) == 1 and any(name in FUSED_MODELS for name in asked):
        cautions.append(f"There is nothing to fuse: {usable[0]} is the only modality.")
    for name in asked:
        fused, estimator = FUSED_MODELS.get(name), settings.estimators().get(name)
        if estimator is not None:
            check_estimator(estimator, response)
            spec, sentences = _imported(study, estimator, usable, response)
            cautions += sentences
            if spec is not None:
                specs[name] = spec
        elif fused is not None and fused.labels_only and response != LOGISTIC:
            cautions.append(f"The {name} model is left out: it tells two labels apart only.")
        elif fused is not None and len(usable) > 1:
            specs[name] = ModelSpec(
                name, "fusion", fused.description, tuple(usable), blocks, response
            )
        elif name == "modalities":
            for modality in usable:
                block = design.blocks[modality]
                title = modality_title(modality)
                description = f"{title} alone: {len(block.columns)} markers"
                specs[modality] = ModelSpec(
                    modality, "modality", description, (modality,), (block,), response
                )
        elif name == VULNERABILITY:
            spec, sentences = _index(study, blocks, response)
            cautions += sentences
            if spec is not None:
                specs[name] = spec
        elif name == DEVIATIONS:
            spec, sentences = _deviations(study, blocks, response)
            cautions += sentences
            if spec is not None:
                specs[name] = spec
        elif name in EMBEDDING_NAMES:
            spec, sentences = _embedding(study, name, blocks, response)
            cautions += sentences
            if spec is not None:
                specs[name] = spec
        elif name in _BASELINES:
            spec, sentences = _baseline(study, name, response)
            cautions += sentences
            if spec is not None:
                specs[name] = spec
    order = sorted(specs, key=lambda name: name != settings.primary)
    return [specs[name] for name in order], cautions


def _imported(
    study: Study[ModelSettings],
    estimator: EstimatorSettings,
    usable: Sequence[str],
    response: Response,
) -> tuple[ModelSpec | None, list[str]]:
    """The model of an estimator, where the data carry what it is to see, and why not."""
    blocks = study.design.blocks
    known = [*study.design.modalities, CLINICAL]
    unknown = [name for name in estimator.blocks if name not in known]
    if unknown:
        raise ConfigError(
            f"fusion.models ({estimator.name})",
            found=f"it is to see '{unknown[0]}', which the study has not",
            wanted=f"blocks among {', '.join(known)}",
            mend="Correct blocks of that model in config.yaml",
        )
    seen = tuple(dict.fromkeys(estimator.blocks)) or tuple(usable)
    lacking = [name for name in seen if name not in blocks or _too_few(study, name)]
    if lacking:
        return None, [f"The {estimator.name} model is left out: it lacks {' and '.join(lacking)}."]
    if not seen:
        return None, []
    what = "all modalities side by side" if not estimator.blocks else " and ".join(seen)
    kept = f", {' or '.join(map(str, estimator.select))} markers kept" if estimator.select else ""
    return ModelSpec(
        estimator.name, "fusion", f"{estimator.estimator} on {what}{kept}",
        tuple(name for name in seen if name != CLINICAL), tuple(blocks[name] for name in seen),
        response, estimator,
    ), []  # fmt: skip


def _index(
    study: Study[ModelSettings], blocks: Sequence[Block], response: Response
) -> tuple[ModelSpec | None, list[str]]:
    """The model of vulnerability indices, where the data carry it, and why not."""
    traits = study_traits(study.design, study.settings)
    named = {study.design.columns[n].modality for t in traits for part in t.columns for n in part}
    of_traits = tuple(block for block in blocks if block.name in named)
    if not of_traits:
        return None, []
    controls, wanted = int((~study.labelled).sum()), study.settings.vulnerability.min_controls
    if controls < wanted:
        return None, [
            f"The {VULNERABILITY} model is left out: the study has {controls} controls, and "
            f"{wanted} are needed (fusion.vulnerability.min_controls)."
        ]
    description = (
        f"RVI and AVI of {study.settings.vulnerability.disorder} "
        f"({', '.join(t.name for t in traits)}), by the controls in training"
    )
    modalities = tuple(block.name for block in of_traits)
    return ModelSpec(
        VULNERABILITY, "index", description, modalities, of_traits, response, traits=traits
    ), []


def _deviations(
    study: Study[ModelSettings], blocks: tuple[Block, ...], response: Response
) -> tuple[ModelSpec | None, list[str]]:
    """The model of deviations, where the data carry it, and why not."""
    columns, controls = chart_columns(study.design, blocks), int((~study.labelled).sum())
    if not blocks:
        return None, []
    if columns is None:
        reason = "age is not in fusion.confounds"
    elif controls < MIN_CONTROLS:
        reason = f"the study has {controls} controls, and {MIN_CONTROLS} are needed"
    else:
        description = "Deviations of all markers from charts of the controls in training"
        names = tuple(block.name for block in blocks)
        return ModelSpec(
            DEVIATIONS, "index", description, names, blocks, response, charts=columns
        ), []
    return None, [f"The {DEVIATIONS} model is left out: {reason}."]


def _embedding(
    study: Study[ModelSettings], name: str, blocks: tuple[Block, ...], response: Response
) -> tuple[ModelSpec | None, list[str]]:
    """A model of an embedding, where the data carry it, and why not."""
    if not blocks:
        return None, []
    settings = study.settings.embedding
    charts, controls = chart_columns(study.design, blocks), int((~study.labelled).sum())
    learning = PretrainingSettings(
        **settings.model_dump(include=set(PretrainingSettings.model_fields))
    )
    if name == EMBEDDING_TUNED and isinstance(response, Cox):
        return None, [f"The {name} model is left out: it learns labels or a number, and no time."]
    tuned = settings.tuning_epochs if name == EMBEDDING_TUNED else 0
    way = {
        "beside": name == EMBEDDING_LATE, "tuned": tuned,
        "permutations": settings.permutations if tuned else None,
    }  # fmt: skip
    joined = _EMBEDDED[name]
    names = tuple(block.name for block in blocks)
    if settings.encoder is not None:
        stored = stored_encoder(settings.encoder)
        markers = encoder_columns(stored, study.design, study.units)
        columns = EmbeddingColumns(learning, None, settings.encoder, markers, **way)
        description = f"{joined} an embedding that was learnt elsewhere"
    elif charts is None:
        return None, [f"The {name} model is left out: age is not in fusion.confounds."]
    elif controls < settings.batch:
        return None, [
            f"The {name} model is left out: the study has {controls} controls, and a batch of "
            f"{settings.batch} is needed (fusion.embedding.batch)."
        ]
    else:
        columns = EmbeddingColumns(learning, charts.age, **way)
        description = f"{joined} an embedding that is learnt on the controls in training"
    return ModelSpec(name, "index", description, names, blocks, response, embedding=columns), []


def _baseline(
    study: Study[ModelSettings], name: str, response: Response
) -> tuple[ModelSpec | None, list[str]]:
    """A model that sees no image, where the data carry it, and why not."""
    design = study.design
    if name not in design.blocks or (name == SITE and len(design.blocks[SITE].columns) < 2):
        return None, []
    few = _too_few(study, name)
    if few:
        return None, [f"The {name} model is left out: {few}."]
    if name == MISSINGNESS and not _varies(study):
        return None, []
    description = _BASELINES[name].format(columns=_listed(design, design.blocks[name]))
    return ModelSpec(name, "baseline", description, (), (design.blocks[name],), response), []


def primary_name(specs: Sequence[ModelSpec], settings: ModelSettings) -> str | None:
    """The model whose result is the study's: the declared one, else the only thing there is.

    Chosen by its place, never by its result.
    """
    names = [spec.name for spec in specs if spec.kind in ("fusion", "modality")]
    return settings.primary if settings.primary in names else next(iter(names), None)


def _too_few(study: Study[ModelSettings], name: str) -> str:
    measured = has_block(study.design.values, study.design.blocks[name])
    return study.kind.too_few(without_outcome(study.y, ~measured), study.settings)


def _varies(study: Study[ModelSettings]) -> bool:
    columns = list(study.design.blocks[MISSINGNESS].columns)
    labelled = study.design.values[study.labelled][:, columns]
    return bool((labelled != labelled[0]).any())


def _listed(design: Design, block: Block) -> str:
    names = list(dict.fromkeys(design.columns[i].marker for i in block.columns))
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
