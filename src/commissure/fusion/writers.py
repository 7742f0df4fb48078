"""The files of the classifier, each written by one function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.evaluation.calibration import recalibration
from commissure.evaluation.conformal import conformal_record, stored_limits
from commissure.files import write_json, write_table
from commissure.fusion.fitted import FittedStudy
from commissure.fusion.kinds import RESULT_KINDS
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import FUSED_MODELS
from commissure.outputs import IMPORTANCE, PREDICTIONS, SPLITS
from commissure.study.study import Study, Unfittable
from commissure.transport.stored_model import AS_FITTED, store, store_reason


def write_labels(study: Study[FusionSettings] | Unfittable[FusionSettings], out: Path) -> None:
    """``labels.tsv``: label and reason of everybody."""
    labels = study.labels
    if "outcome" in labels:
        labels = labels.round({"outcome": 6})
    write_table(labels.assign(reason=labels["reason"].replace("", None)), out / "labels.tsv")


def write_predictions(fitted: FittedStudy, out: Path) -> None:
    """``predictions.tsv``: out-of-fold predictions of all models."""
    study, design = fitted.study, fitted.study.design
    kind = RESULT_KINDS[study.settings.outcome.kind]
    probabilities = study.settings.outcome.kind in ("binary", "classes")
    said, rows, numbers = [], [], []
    for spec in fitted.specs:
        for part in fitted.scores[spec.name]:
            names, predicted = kind.predictions(part, study.settings)
            known = np.isfinite(predicted)
            rows.append(np.repeat(part.rows, known.sum(axis=1)))
            numbers.append(predicted[known].round(6))
            fold = (spec.name, part.fold.scheme, part.fold.repeat, part.fold.name)
            said.append((*fold, np.tile(names, (len(part.rows), 1))[known]))
    people, sizes = np.concatenate(rows), [len(part) for part in rows]
    # A word that stands in many rows is held once.
    columns: dict[str, Any] = {
        "participant_id": pd.Categorical(design.participants)[people],
        "site": pd.Categorical(design.sites)[people],
        "label": pd.Categorical(study.text)[people],
        "predicted": pd.Categorical(np.concatenate([part[-1] for part in said])),
        "value": np.nan if probabilities else np.concatenate(numbers),
        "probability": np.concatenate(numbers) if probabilities else np.nan,
    }
    for place, name in enumerate(("model", "scheme", "repeat", "fold")):
        columns[name] = np.repeat(pd.Categorical([part[place] for part in said]), sizes)
    if not probabilities:
        columns["predicted"] = None
    table = pd.DataFrame(columns)[PREDICTIONS.names]
    write_table(table, out / "predictions.tsv")


def write_importance(fitted: FittedStudy, out: Path) -> None:
    """``importance.tsv``: what each model listens to.

    Those that weigh markers come first: a fused one, else the main model where it is a modality's.
    """
    weigh_markers = {name for name, model in FUSED_MODELS.items() if model.weighs_markers}
    if fitted.main.kind == "modality":
        weigh_markers = {fitted.main.name}
    order = sorted(
        (spec.name for spec in fitted.specs),
        key=lambda name: (name not in weigh_markers, name == fitted.main.name),
    )
    rows = IMPORTANCE.frame(fitted.importance.rows(order))
    write_table(rows.round({"weight": 6}), out / "importance.tsv")


def write_falsification(checks: Sequence[Mapping[str, Any]], out: Path) -> None:
    """``falsification.json``: the attempts to prove the result wrong."""
    write_json({"checks": checks}, out / "falsification.json")


def write_metrics(
    fitted: FittedStudy, secondary: Mapping[str, Any], cautions: Sequence[str], out: Path
) -> None:
    """``metrics.json``: every number that a report shows."""
    study = fitted.study
    write_json(
        {
            "status": "fitted",
            "primary": fitted.main.name,
            "kind": study.settings.outcome.kind,
            "question": study.question,
            "models": fitted.records,
            **secondary,
            **({"change": list(study.change)} if study.change else {}),
            "cautions": list(cautions),
            "settings": study.settings.model_dump(mode="json"),
        },
        out / "metrics.json",
    )


def write_model(fitted: FittedStudy, out: Path) -> None:
    """``model/``: the main model, fitted on everybody, with its card."""
    study, repeats = fitted.study, fitted.main_repeats
    again = AS_FITTED
    if study.settings.outcome.kind == "binary" and _to_be_recalibrated(fitted):
        logits = np.concatenate([repeat.logits for repeat in repeats])
        labels = np.concatenate([repeat.labels for repeat in repeats])
        seen = np.isfinite(logits) & (labels >= 0)
        again = recalibration(labels[seen], logits[seen])
    coverages = conformal_record(study, repeats, fitted.main_left_out)
    conformal = None
    if coverages is not None:
        conformal = {
            "level": study.settings.conformal_level,
            "limits": stored_limits(study, repeats),
            "training": coverages,
        }
    store(
        study, fitted.main, record=fitted.records[fitted.main.name], out=out / "model",
        recalibration=again, conformal=conformal,
    )  # fmt: skip


def _to_be_recalibrated(fitted: FittedStudy) -> bool:
    """Whether the stored model is recalibrated: as the settings say, else where it needs it."""
    asked, fused = fitted.study.settings.recalibrate, FUSED_MODELS.get(fitted.main.name)
    return asked if asked is not None else bool(fused and fused.too_modest)


def write_unfitted(
    study: Study[FusionSettings] | Unfittable[FusionSettings], reason: str, out: Path
) -> None:
    """All files where no model is fitted: tables of headers only, and the reason."""
    for table in (SPLITS, PREDICTIONS, IMPORTANCE):
        write_table(table.frame(), out / Path(table.path).name)
    store_reason(out / "model", reason)
    write_falsification([], out)
    write_json(
        {
            "status": "not_fitted",
            "reason": reason,
            "question": study.question,
            "models": {},
            "cautions": list(study.cautions),
            "settings": study.settings.model_dump(mode="json"),
        },
        out / "metrics.json",
    )
