"""A model that is kept: stored with its whole preparation, and its card.

The declared model is fitted once more on everybody and stored by skops; loading refuses any type
that is not on :data:`TRUSTED`. With it goes what the training people were like
(:mod:`~commissure.transport.applicability_domain`) and by what they are recognised
(:mod:`~commissure.transport.training_membership`), no person's own values.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from commissure import __version__
from commissure.errors import DatasetError
from commissure.files import write_json
from commissure.models.fitting import fit_models
from commissure.models.registry import ModelSpec, stored_types
from commissure.models.settings import ModelSettings
from commissure.models.two_labels import TwoLabels
from commissure.study.design import DesignColumn
from commissure.study.study import Study
from commissure.transport import reference_scorer
from commissure.transport.applicability_domain import training_domain
from commissure.transport.card import model_card
from commissure.transport.plain_model import plain_model
from commissure.transport.training_membership import training_digests

#: Types that a stored model may hold; any other is refused.
TRUSTED = stored_types()
STORED, CARD = "model.skops", "card.md"
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
        Name, labels, numbers of people and the cross-validated results.
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

    def logits(self, values: np.ndarray) -> np.ndarray:
        """Logits of people, shape (people,), NaN for people who have none of the blocks."""
        intercept, slope = self.recalibration
        return np.asarray(intercept + slope * self.model.logits(values)[:, 0])


def store(
    study: Study[ModelSettings],
    spec: ModelSpec,
    *,
    record: Mapping[str, Any],
    out: Path,
    recalibration: tuple[float, float] = AS_FITTED,
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
        "positive": settings.label.positive,
        "negative": settings.label.negative,
        "n": int(study.labelled.sum()),
        "n_positive": int((study.y == 1).sum()),
        "record": record,
        "n_trained": len(design.values),
        "n_recognisable": recognisable,
        "recalibration": list(recalibration),
    }
    content = {
        "model": model,
        "columns": [[column.modality, column.region, column.marker] for column in design.columns],
        "units": dict(study.units),
        "domain": domain,
        "digests": digests,
        "about": about,
        "version": __version__,
    }
    out.mkdir(parents=True, exist_ok=True)
    _remove_plain(out)
    plain = plain_model(model, design.columns, study.units, about, recalibration)
    if plain is not None:
        write_json(plain, out / PLAIN)
        source = Path(reference_scorer.__file__).read_text(encoding="utf-8")
        (out / SCORER).write_text(source, encoding="utf-8")
    (out / STORED).write_bytes(_without_addresses(skops.io.dumps(content)))
    (out / CARD).write_text(model_card(about, domain, settings), encoding="utf-8")


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
    file = path / STORED if path.is_dir() else path
    if not file.is_file():
        raise DatasetError(
            str(path), found="there is no stored model", wanted=f"a folder with {STORED}",
            mend="Name the folder fusion/model of a finished run",
        )  # fmt: skip
    try:
        content = skops.io.load(file, trusted=list(TRUSTED))
        stored = StoredModel(
            model=content["model"],
            columns=tuple(DesignColumn(*names) for names in content["columns"]),
            units=content["units"],
            domain=content["domain"],
            digests=content["digests"],
            about=content["about"],
            recalibration=tuple(content["about"].get("recalibration", AS_FITTED)),
        )
    except UntrustedTypesFoundException as error:
        raise DatasetError(
            file.name, found=f"it holds types that are not trusted ({error})",
            wanted="a model that commissure stored", mend="Do not use this file",
        ) from None  # fmt: skip
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            file.name, found=f"it cannot be read as a model ({type(error).__name__})",
            wanted="a model that commissure stored",
            mend="Name the folder fusion/model of a finished run",
        ) from None  # fmt: skip
    _refuse_other_versions(stored, content.get("version"), file)
    return stored


def _refuse_other_versions(stored: StoredModel, version: str | None, file: Path) -> None:
    """Score nobody in particular: parts that this version needs and the file lacks then show."""
    try:
        blocks = stored.model.blocks_
        columns = [
            number
            for block in blocks
            for number in (*block.columns, *block.sites, *block.kept, *block.removed,
                           *block.before, *(() if block.head_size is None else (block.head_size,)))
        ]  # fmt: skip
        scores = stored.logits(np.zeros((1, max(columns) + 1)))
        if scores.shape != (1,) or not np.isfinite(scores).all():
            raise ValueError("it scores nobody")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        by = f"version {version}" if version else "an older version, which does not say its number"
        raise DatasetError(
            file.name, found=f"it was stored by {by}, and lacks what version {__version__} needs "
            "to score people",
            wanted=f"a model that version {__version__} can read",
            mend="Run the study again with this version, or apply the model with the version that "
            "stored it",
        ) from None  # fmt: skip


def _remove_plain(out: Path) -> None:
    for name in (PLAIN, SCORER):
        (out / name).unlink(missing_ok=True)


def _forget_people(model: TwoLabels) -> None:
    """Drop what is said of single training people and is not needed to score others."""
    for estimator in [model, *getattr(model, "models_", [])]:
        if hasattr(estimator, "evidence_"):
            del estimator.evidence_


def _without_addresses(content: bytes) -> bytes:
    """The same archive with numbers in place of memory addresses and the time of day.

    Two stored copies of one model are then the same bytes.
    """
    source = zipfile.ZipFile(io.BytesIO(content))
    schema = source.read("schema.json").decode()
    names: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        return f"{match[1]}{names.setdefault(match[2], str(len(names) + 1))}{match[3]}"

    schema = re.sub(r'("__id__": )(\d+)()', renamed, schema)
    schema = re.sub(r'("file": ")(\d+)(\.npy")', renamed, schema)
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as target:
        parts = {
            f"{names.get(Path(name).stem, Path(name).stem)}{Path(name).suffix}": source.read(name)
            for name in source.namelist()
            if name != "schema.json"
        }
        for name, part in [("schema.json", schema.encode()), *sorted(parts.items())]:
            target.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), part)
    return result.getvalue()
