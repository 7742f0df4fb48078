"""A model that is kept: stored with its whole preparation, and its card.

The declared model is fitted once more on everybody and stored by skops; loading refuses any type
that is not on :data:`TRUSTED`. With it goes what the training people were like
(:mod:`~commissure.transport.applicability_domain`) and by what they are recognised
(:mod:`~commissure.transport.training_membership`), no person's own values.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.models.estimators import TwoLabels
from commissure.models.registry import FUSED_MODELS, ModelSpec, fit_models, stored_types
from commissure.models.settings import ModelSettings
from commissure.study.design import Column, Design
from commissure.transport.applicability_domain import training_domain
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
    columns: tuple[Column, ...]
    units: Mapping[str, str]
    domain: Mapping[str, Mapping[str, Any]]
    digests: Sequence[str]
    about: Mapping[str, Any]


def store(
    design: Design,
    labels: np.ndarray,
    spec: ModelSpec,
    settings: ModelSettings,
    *,
    units: Mapping[str, str],
    about: Mapping[str, Any],
    out: Path,
) -> None:
    """Fit the model on everybody and store it with its card.

    Parameters
    ----------
    design, labels
        The study; labels 1, 0, and -1 for reference people.
    spec, settings
        The model and how it is fitted.
    units
        Unit of each marker.
    about
        What the card says: ``name``, ``positive``, ``negative``, ``n``, ``n_positive`` and the
        entry of the model in metrics.json as ``record``.
    out
        Folder of the model: ``model.skops`` and ``card.md``.
    """
    import skops.io

    model = fit_models([spec], design.values, labels, settings=settings)[spec.name]
    _forget_people(model)
    known = labels >= 0
    domain = {
        block.name: training_domain(design.values[known], block, settings.seed)
        for block in spec.blocks
    }
    digests, recognisable = training_digests(design.values, spec.blocks, domain)
    about = {**about, "n_trained": len(design.values), "n_recognisable": recognisable}
    content = {
        "model": model,
        "columns": [[one.modality, one.region, one.marker] for one in design.columns],
        "units": dict(units),
        "domain": domain,
        "digests": digests,
        "about": about,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / STORED).write_bytes(_without_addresses(skops.io.dumps(content)))
    (out / CARD).write_text(_card(about, domain, settings), encoding="utf-8")


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
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    file = path / STORED if path.is_dir() else path
    if not file.is_file():
        raise DatasetError(
            str(path), found="there is no stored model", wanted=f"a folder with {STORED}",
            mend="Name the folder fusion/model of a finished run",
        )  # fmt: skip
    try:
        content = skops.io.load(file, trusted=list(TRUSTED))
        columns = tuple(Column(*one) for one in content["columns"])
        return StoredModel(content["model"], columns, content["units"], content["domain"],
                      content["digests"], content["about"])  # fmt: skip
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
    for one in [model, *getattr(model, "models_", [])]:
        if hasattr(one, "evidence_"):
            del one.evidence_


def _without_addresses(content: bytes) -> bytes:
    """The same archive with numbers in place of memory addresses and the time of day.

    Two stored copies of one model are then the same bytes.
    """
    source = zipfile.ZipFile(io.BytesIO(content))
    schema = source.read("schema.json").decode()
    names: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        return f"{found[1]}{names.setdefault(found[2], str(len(names) + 1))}{found[3]}"

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


def _card(
    about: Mapping[str, Any], domain: Mapping[str, Mapping[str, Any]], settings: ModelSettings
) -> str:
    record = about["record"]
    fused = FUSED_MODELS.get(about["name"])
    warning = fused.card_warning if fused else ""

    def area(key: str) -> str:
        one = record.get(key) or {}
        if one.get("value") is None or not math.isfinite(one["value"]):
            return "n/a"
        return f"{one['value']:.2f} ({one['ci_low']:.2f} to {one['ci_high']:.2f})"

    p = record["p_permutation"]
    modalities = ", ".join(f"{name} (n = {one['n']})" for name, one in domain.items())
    lines: Sequence[str] = [
        f"# Model card: {about['name']}",
        "",
        f"{record['description']}. It gives the probability of *{about['positive']}* against "
        f"*{about['negative']}* in people like those it was trained on.",
        "",
        "| | |",
        "|---|---|",
        f"| people | {about['n']}, of them {about['n_positive']} {about['positive']} |",
        f"| modalities | {modalities} |",
        f"| AUC within site, cross-validated | {area('auc_within_site')} |",
        f"| AUC with the site left out | {area('auc_leave_site_out')} |",
        f"| Brier score | {record['brier']:.3f} |",
        f"| calibration slope, intercept | {record['calibration_slope']:.2f}, "
        f"{record['calibration_intercept']:.2f} |",
        f"| permutation p | {'n/a' if p is None else p} |",
        "",
        "The numbers are those of the procedure in cross-validation; the stored model was fitted "
        "on everybody and has not been tested itself. It is no medical device and decides nothing "
        "about a person.",
        "",
        "It abstains where a person has none of its modalities, or lies outside of the training "
        "people. People of a site that was not in training are "
        + ("not harmonised." if settings.combat == "in_fold" else "scored like all others."),
        "",
        f"It keeps one-way digests of the markers of {about['n_recognisable']} of its "
        f"{about['n_trained']} training people (controls included): `commissure apply` knows them "
        "again and takes no score of theirs for a prediction. A digest holds no name, and no "
        "marker can be found from it; but whoever holds a person's markers can see by it whether "
        "the model was trained on that person.",
        "",
        *([warning, ""] if warning else []),
        "Use: `commissure apply <this folder> <output folder of a new run, or markers.tsv>`.",
        "",
        "```json",
        json.dumps(settings.model_dump(mode="json"), indent=1, sort_keys=True),
        "```",
        "",
    ]
    return "\n".join(lines)
