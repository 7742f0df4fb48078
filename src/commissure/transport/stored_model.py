"""A model that is kept: stored with its whole preparation, and its card.

The declared model is fitted once more on everybody and stored. With it goes what the training
people were like (:mod:`~commissure.transport.applicability_domain`) and by what they are recognised
(:mod:`~commissure.transport.training_membership`), no person's own values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from commissure import __version__
from commissure.errors import DatasetError
from commissure.files import write_json
from commissure.models.fitting import fit_models
from commissure.models.registry import ModelSpec, stored_types
from commissure.models.responses import Gaussian
from commissure.models.settings import ModelSettings
from commissure.models.two_labels import TwoLabels
from commissure.study.design import COVARIATES, Block, DesignColumn
from commissure.study.outcomes.classes import class_names
from commissure.study.outcomes.continuous import SEVERITY, outcome_name, outcome_unit
from commissure.study.outcomes.registry import OUTCOME_KINDS
from commissure.study.study import Study
from commissure.transport import reference_scorer
from commissure.transport.applicability_domain import training_domain
from commissure.transport.card import model_card
from commissure.transport.plain_model import plain_model
from commissure.transport.stored_file import StoredFile
from commissure.transport.training_membership import training_digests

#: The file of the model.
MODEL_FILE = StoredFile(
    "model.skops",
    things="a model",
    none="there is no stored model",
    mend="Name the folder fusion/model of a finished run",
    trusted=stored_types(),
)
STORED, CARD = MODEL_FILE.name, "card.md"
PLAIN, SCORER = "model.json", "scorer.py"
#: Intercept and slope of a model whose logits stay as they are.
AS_FITTED = (0.0, 1.0)


@dataclass(frozen=True)
class StoredModel:
    """A stored model.

    Attributes
    ----------
    model
        The estimator, fitted on everybody.
    columns
        The columns that it takes, in their order.
    units
        Unit of each marker by name.
    domain
        By block: what its training people were like, as
        :func:`~commissure.transport.applicability_domain.training_domain` says.
    digests
        By what its training people are recognised.
    about
        Name, kind of the outcome and what its outcomes are called, numbers of people, the
        cross-validated results, and the limits of conformal sets.
    recalibration
        Intercept and slope that are applied to the logits of the estimator.
    """

    model: TwoLabels
    columns: tuple[DesignColumn, ...]
    units: Mapping[str, str]
    domain: Mapping[str, Mapping[str, Any]]
    digests: Sequence[str]
    about: Mapping[str, Any]
    recalibration: tuple[float, float] = AS_FITTED

    @property
    def blocks(self) -> Sequence[Block]:
        """Blocks of the matrix that the model takes."""
        return self.model.blocks_

    @property
    def kind(self) -> str:
        """Kind of the outcome."""
        return str(self.about["kind"])

    @property
    def covariates(self) -> tuple[int, ...]:
        """Columns of what the outcome was freed of."""
        response = self.model.response
        return response.covariates if isinstance(response, Gaussian) else ()

    def logits(self, values: np.ndarray) -> np.ndarray:
        """What the model says of people, NaN for people who have none of the blocks.

        Shape (people,): logits of the positive label, numbers, or log hazards; of classes the
        logits of each, shape (people, classes).
        """
        intercept, slope = self.recalibration
        said = np.asarray(intercept + slope * self.model.logits(values))
        return said[:, 0] if said.shape[1] == 1 else said


def store(
    study: Study[ModelSettings],
    spec: ModelSpec,
    *,
    record: Mapping[str, Any],
    out: Path,
    recalibration: tuple[float, float] = AS_FITTED,
    conformal: Mapping[str, Any] | None = None,
) -> None:
    """Fit the model on everybody and store it with its card.

    Parameters
    ----------
    study
        The study; its controls are reference people.
    spec
        The model.
    record
        The entry of the model in metrics.json.
    out
        Folder of the model: ``model.skops``, ``card.md``, and where the model is a sum of weighted
        markers ``model.json`` with ``scorer.py``, which gives the same scores by NumPy alone.
    recalibration
        Intercept and slope, from out-of-fold predictions, that are applied to its logits.
    conformal
        ``level``, the ``limits`` of :func:`commissure.evaluation.conformal.stored_limits` in the
        logits as they are fitted, and the coverages of
        :func:`~commissure.evaluation.conformal.conformal_record`; None where no sets are given.
    """
    design, settings = study.design, study.settings
    model = fit_models([spec], design.values, study.y, settings=settings)[spec.name]
    _forget_people(model)
    domain = {
        block.name: training_domain(design.values[study.labelled], block, settings.seed)
        for block in spec.blocks
    }
    digests, recognisable = training_digests(design.values, spec.blocks, domain)
    about = {
        "name": spec.name,
        **_outcome(study),
        "n": int(study.labelled.sum()),
        "record": record,
        "n_trained": len(design.values),
        "n_recognisable": recognisable,
        "recalibration": list(recalibration),
        "conformal": None if conformal is None else _recalibrated(conformal, recalibration),
    }
    content = {
        "model": model,
        "columns": [[column.modality, column.region, column.marker] for column in design.columns],
        "units": dict(study.units),
        "domain": domain,
        "digests": digests,
        "about": about,
    }
    dumped = MODEL_FILE.dumped(content)
    strange = MODEL_FILE.untrusted(dumped)
    if strange:
        store_reason(out, f"it would hold types that nobody can trust unseen ({strange[0]}).")
        return
    out.mkdir(parents=True, exist_ok=True)
    _remove_plain(out)
    plain = plain_model(model, design.columns, study.units, about, recalibration)
    if plain is not None:
        write_json(plain, out / PLAIN)
        source = Path(reference_scorer.__file__).read_text(encoding="utf-8")
        (out / SCORER).write_text(source, encoding="utf-8")
    MODEL_FILE.write(dumped, out)
    card = model_card(about, domain, settings, plain=plain is not None)
    (out / CARD).write_text(card, encoding="utf-8")


def store_reason(out: Path, reason: str) -> None:
    """Say in the card why no model was stored."""
    out.mkdir(parents=True, exist_ok=True)
    (out / STORED).unlink(missing_ok=True)
    _remove_plain(out)
    (out / CARD).write_text(f"# No model\n\nNo model was stored: {reason}\n", encoding="utf-8")


def load(path: Path) -> StoredModel:
    """Read a stored model.

    Raises
    ------
    DatasetError
        There is no such file, it is no stored model, it holds a type that is not trusted, or
        another version stored it and this one cannot score people by it.
    """
    return MODEL_FILE.read(path, _model)


def _model(content: Mapping[str, Any]) -> StoredModel:
    """The model of a file's content, if this version can score people by it."""
    stored = StoredModel(
        model=content["model"],
        columns=tuple(DesignColumn(*names) for names in content["columns"]),
        units=content["units"],
        domain=content["domain"],
        digests=content["digests"],
        about=content["about"],
        recalibration=tuple(content["about"].get("recalibration", AS_FITTED)),
    )
    _refuse_other_versions(stored, content.get("version"))
    return stored


def _refuse_other_versions(stored: StoredModel, version: str | None) -> None:
    """Score nobody in particular: parts that this version needs and the file lacks then show."""
    try:
        blocks = stored.model.blocks_
        columns = [
            number
            for block in blocks
            for number in (*block.columns, *block.sites, *block.kept, *block.removed,
                           *block.before, *(() if block.head_size is None else (block.head_size,)))
        ]  # fmt: skip
        scores = stored.logits(np.zeros((1, max([*columns, *stored.covariates]) + 1)))
        if stored.kind not in OUTCOME_KINDS or not np.isfinite(scores).all():
            raise ValueError("it scores nobody")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        by = f"version {version}" if version else "an older version, which does not say its number"
        raise DatasetError(
            STORED, found=f"it was stored by {by}, and lacks what version {__version__} needs "
            "to score people",
            wanted=f"a model that version {__version__} can read",
            mend="Run the study again with this version, or apply the model with the version that "
            "stored it",
        ) from None  # fmt: skip


def _outcome(study: Study[ModelSettings]) -> dict[str, Any]:
    """What the outcome is, and what its outcomes are called."""
    settings = study.settings
    kind = settings.outcome.kind
    if kind == "binary":
        return {
            "kind": kind,
            "positive": settings.label.positive,
            "negative": settings.label.negative,
            "n_positive": int((study.y == 1).sum()),
        }
    if kind == "classes":
        return {"kind": kind, "classes": list(class_names(settings))}
    outcome: dict[str, Any] = {"name": outcome_name(settings)}
    if kind == "time_to_event":
        return {"kind": kind, "outcome": outcome, "n_events": int((study.y > 0).sum())}
    outcome["unit"] = outcome_unit(settings)
    outcome["covariates"] = {
        column.marker: (settings.outcome.before or SEVERITY)
        if column.marker == SEVERITY
        else column.marker
        for column in study.design.columns
        if column.modality == COVARIATES
    }
    return {"kind": kind, "outcome": outcome}


def _recalibrated(
    conformal: Mapping[str, Any], recalibration: tuple[float, float]
) -> dict[str, Any]:
    """Limits in the logits after recalibration, None where there is no limit."""
    intercept, slope = recalibration
    limits = np.array(conformal["limits"], float)
    if recalibration != AS_FITTED:
        # Only two labels are recalibrated; typical is the logit of one, minus it of the other.
        limits = slope * limits + intercept * np.array([1.0, -1.0])
    return {**conformal, "limits": [float(x) if np.isfinite(x) else None for x in limits]}


def _remove_plain(out: Path) -> None:
    for name in (PLAIN, SCORER):
        (out / name).unlink(missing_ok=True)


def _forget_people(model: TwoLabels) -> None:
    """Drop what is said of single training people and is not needed to score others."""
    inner = getattr(model, "model_", None)
    for estimator in [model, *getattr(model, "models_", []), *([inner] if inner else [])]:
        if hasattr(estimator, "evidence_"):
            del estimator.evidence_
