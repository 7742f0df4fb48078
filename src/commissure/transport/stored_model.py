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

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from commissure.errors import DatasetError
from commissure.models.estimators import TwoLabels
from commissure.models.registry import ModelSpec, fit_models, stored_types
from commissure.models.settings import ModelSettings
from commissure.study.design import DesignColumn
from commissure.study.study import Study
from commissure.transport.applicability_domain import training_domain
from commissure.transport.card import model_card
from commissure.transport.training_membership import training_digests

#: Types that a stored model may hold; any other is refused.
TRUSTED = stored_types()
STORED, CARD = "model.skops", "card.md"


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
    """

    model: TwoLabels
    columns: tuple[DesignColumn, ...]
    units: Mapping[str, str]
    domain: Mapping[str, Mapping[str, Any]]
    digests: Sequence[str]
    about: Mapping[str, Any]


def store(
    study: Study[ModelSettings], spec: ModelSpec, *, record: Mapping[str, Any], out: Path
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
        Folder of the model: ``model.skops`` and ``card.md``.
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
    }
    content = {
        "model": model,
        "columns": [[column.modality, column.region, column.marker] for column in design.columns],
        "units": dict(study.units),
        "domain": domain,
        "digests": digests,
        "about": about,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / STORED).write_bytes(_without_addresses(skops.io.dumps(content)))
    (out / CARD).write_text(model_card(about, domain, settings), encoding="utf-8")


def store_reason(out: Path, reason: str) -> None:
    """Say in the card why no model was stored."""
    out.mkdir(parents=True, exist_ok=True)
    (out / STORED).unlink(missing_ok=True)
    (out / CARD).write_text(f"# No model\n\nNo model was stored: {reason}\n", encoding="utf-8")


def load(path: Path) -> StoredModel:
    """Read a stored model.

    Raises
    ------
    DatasetError
        There is no such file, it is no stored model, or it holds a type that is not trusted.
    """
    file = path / STORED if path.is_dir() else path
    if not file.is_file():
        raise DatasetError(
            str(path), found="there is no stored model", wanted=f"a folder with {STORED}",
            mend="Name the folder fusion/model of a finished run",
        )  # fmt: skip
    try:
        content = skops.io.load(file, trusted=list(TRUSTED))
        return StoredModel(
            model=content["model"],
            columns=tuple(DesignColumn(*names) for names in content["columns"]),
            units=content["units"],
            domain=content["domain"],
            digests=content["digests"],
            about=content["about"],
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
