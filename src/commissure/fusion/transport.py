"""A model that is kept, and what happens to it elsewhere.

The winning model is fitted once more on everybody and stored with its whole preparation by skops;
loading refuses any type that is not on :data:`TRUSTED`. With it goes what the training people were
like - means, spreads and main axes of their markers, no person's own values - so that a new dataset
can be compared with them: drift of each marker, a classifier of old against new, and abstention
where a person lies outside of what the model has seen.
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
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.errors import DatasetError
from commissure.fusion import evaluation
from commissure.fusion.blocks import Block, Column, Design, baseline_rows
from commissure.fusion.logistic import sigmoid
from commissure.fusion.nested import Division, nested_auc
from commissure.fusion.panel import Model, ModelSpec, fitted_panel
from commissure.fusion.preparation import has_block
from commissure.fusion.settings import FusionSettings

if TYPE_CHECKING:
    import pandas as pd

#: Types that a stored model may hold; any other is refused.
TRUSTED = (
    "commissure.fusion.blocks.Block",
    "commissure.fusion.kernels.Kernel",
    "commissure.fusion.kernels.KernelFusion",
    "commissure.fusion.models.BlockModel",
    "commissure.fusion.models.LateFusion",
    "commissure.fusion.models.StackedFusion",
    "commissure.fusion.preparation.Alignment",
    "commissure.fusion.preparation.Preparation",
)
STORED, CARD = "model.skops", "card.md"
#: Main axes of a block that describe its training people.
AXES = 10
#: A person is outside where his distance exceeds the largest left-out training person's by this.
MARGIN = 1.25
#: Standardised difference from which a marker has drifted, if it is no chance event either.
DRIFT = 0.5
#: Drawn training people against whom new people are told apart.
DRAWN = 200
#: People without whom old and new are not told apart.
MIN_NEW = 10


_KERNEL_WARNING = (
    "A kernel model holds the prepared markers of its training people: share it as you would them."
)


@dataclass(frozen=True)
class Frozen:
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
        By block: what its training people were like, as :func:`learnt_domain` says.
    about
        Name, labels, numbers of people and the cross-validated results.
    """

    model: Model
    columns: tuple[Column, ...]
    units: Mapping[str, str]
    domain: Mapping[str, Mapping[str, Any]]
    about: Mapping[str, Any]


def freeze(
    design: Design,
    labels: np.ndarray,
    spec: ModelSpec,
    settings: FusionSettings,
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

    model = fitted_panel([spec], design.values, labels, settings=settings)[spec.name]
    _forget_people(model)
    known = labels >= 0
    domain = {
        block.name: learnt_domain(design.values[known], block, settings.seed)
        for block in spec.blocks
    }
    content = {
        "model": model,
        "columns": [[one.modality, one.region, one.marker] for one in design.columns],
        "units": dict(units),
        "domain": domain,
        "about": dict(about),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / STORED).write_bytes(_without_addresses(skops.io.dumps(content)))
    (out / CARD).write_text(_card(about, domain, settings), encoding="utf-8")


def freeze_nothing(out: Path, reason: str) -> None:
    """Say in the card why no model was stored."""
    out.mkdir(parents=True, exist_ok=True)
    (out / STORED).unlink(missing_ok=True)
    (out / CARD).write_text(f"# No model\n\nNo model was stored: {reason}\n", encoding="utf-8")


def load(path: Path) -> Frozen:
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
        return Frozen(content["model"], columns, content["units"], content["domain"],
                      content["about"])  # fmt: skip
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


def learnt_domain(values: np.ndarray, block: Block, seed: int = 0) -> dict[str, Any]:
    """What the people of a block are like, without keeping any of them.

    Returns
    -------
    dict
        Columns, their ``mean``, ``sd``, ``low`` and ``high`` (5 % and 95 %), main ``axes`` of the
        standardised values, their ``variance``, the variance that is left per column (``rest``),
        people (``n``), the ``limit`` of the distance, and ``told_apart``: the AUC between the
        training people and drawn ones, which new people exceed only where they differ.
    """
    own = values[has_block(values, block)][:, list(block.columns)]
    domain = _described(own)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 10]))
    fold = rng.permutation(len(own)) % 5
    apart = np.full(len(own), np.nan)
    for number in range(5):
        if (fold != number).sum() > 2 and (fold == number).any():
            apart[fold == number] = distance(_described(own[fold != number]), own[fold == number])
    limit = MARGIN * np.nanmax(apart) if np.isfinite(apart).any() else math.inf
    domain |= {"columns": [int(at) for at in block.columns], "limit": float(limit)}
    return domain | {"told_apart": told_apart(domain, own, seed)}


def distance(domain: Mapping[str, Any], own: np.ndarray) -> np.ndarray:
    """How far people lie from the training people; about 1 is typical.

    The larger of the root mean square along the main axes and across them (Mahalanobis' distance
    in two parts); gaps count as the mean.

    Parameters
    ----------
    domain
        As from :func:`learnt_domain`.
    own
        The block's columns, shape (people, columns).
    """
    z = _standardised(domain, own)
    axes, variance = domain["axes"], domain["variance"]
    along = z @ axes
    across = ((z - along @ axes.T) ** 2).sum(axis=1) / max(domain["rest"].sum(), 1e-12)
    inside = (along**2 / variance).mean(axis=1) if len(variance) else np.zeros(len(z))
    return np.sqrt(np.maximum(inside, across))


def told_apart(domain: Mapping[str, Any], own: np.ndarray, seed: int = 0) -> float:
    """AUC of a cross-validated ridge classifier between people and drawn training people."""
    if len(own) < MIN_NEW:
        return math.nan
    rng = np.random.default_rng(np.random.SeedSequence([seed, 11]))
    axes, variance = domain["axes"], domain["variance"]
    z = rng.normal(size=(DRAWN, len(variance))) * np.sqrt(variance) @ axes.T
    z += rng.normal(size=z.shape) * np.sqrt(domain["rest"])
    both = np.vstack([_standardised(domain, own), z])
    labels = np.r_[np.ones(len(own)), np.zeros(DRAWN)]
    fold = np.r_[rng.permutation(len(own)) % 5, np.arange(DRAWN) % 5]
    divisions = []
    for number in range(5):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        inner = tuple(
            (train[fold[train] != other], train[fold[train] == other])
            for other in range(5)
            if other != number
        )
        divisions.append(Division(train, test, inner))
    penalties = both.shape[1] * np.array([0.1, 1.0, 10.0, 100.0])
    return float(nested_auc(both, labels[:, None], divisions, penalties)[0])


def design_of(frozen: Frozen, markers: pd.DataFrame, people: pd.DataFrame) -> np.ndarray:
    """Lay new people's markers in the columns that the model takes; NaN where there is none.

    Parameters
    ----------
    frozen
        The model.
    markers
        Tidy rows, exclusions taken out.
    people
        ``participant_id site``, sorted.

    Raises
    ------
    DatasetError
        A marker has another unit than in training, or no marker that the model uses is there.
    """
    rows = markers[markers["participant_id"].isin(people["participant_id"])]
    rows = baseline_rows(rows[np.isfinite(rows["value"].to_numpy(float))])
    for name, unit in rows.groupby("marker")["unit"].first().items():
        wanted = frozen.units.get(str(name))
        if wanted is not None and str(unit) != wanted:
            raise DatasetError(
                f"marker {name}", found=f"its unit is {unit}",
                wanted=f"{wanted}, as in the people on whom the model was trained",
                mend="Compute the markers with the same version and settings",
            )  # fmt: skip
    wide = rows.pivot_table(index="participant_id", columns=["modality", "region", "marker"],
                            values="value", aggfunc="mean", sort=True)  # fmt: skip
    wide = wide.reindex(people["participant_id"])
    site = people["site"].to_numpy(str)
    values = np.full((len(people), len(frozen.columns)), np.nan)
    for at, column in enumerate(frozen.columns):
        key = (column.modality, column.region, column.marker)
        if column.modality == "site":
            values[:, at] = site == column.marker
        elif key in wide.columns:
            values[:, at] = wide[key].to_numpy(float)
    if not any(has_block(values, block).any() for block in frozen.model.blocks_):
        raise DatasetError(
            "markers.tsv", found="it holds none of the markers that the model uses",
            wanted=f"markers of {', '.join(block.name for block in frozen.model.blocks_)}",
            mend="Run the workflow on the new dataset with the settings of the old one",
        )  # fmt: skip
    return values


def scores(frozen: Frozen, values: np.ndarray, people: pd.DataFrame) -> pd.DataFrame:
    """Probability of each person, or the reason why the model abstains.

    Returns
    -------
    pandas.DataFrame
        ``participant_id site probability status reason``; ``status`` is ``scored`` or
        ``abstained``, and who is not scored has no probability.
    """
    import pandas as pd

    probability = sigmoid(frozen.model.logits(values)[:, 0])
    reasons = []
    outside = {}
    for block in frozen.model.blocks_:
        there = has_block(values, block)
        own = np.where(
            there, distance(frozen.domain[block.name], values[:, list(block.columns)]), np.nan
        )
        outside[block.name] = own
    for at in range(len(values)):
        far = [
            f"{name} is {own[at]:.1f} from the training people, the limit is "
            f"{frozen.domain[name]['limit']:.1f}"
            for name, own in outside.items()
            if own[at] > frozen.domain[name]["limit"]
        ]
        if not np.isfinite(probability[at]):
            far = ["none of the modalities of the model was measured"]
        reasons.append("; ".join(far))
    abstained = np.array([bool(reason) for reason in reasons])
    return pd.DataFrame(
        {
            "participant_id": people["participant_id"].to_numpy(str),
            "site": people["site"].to_numpy(str),
            "probability": np.where(abstained, np.nan, np.round(probability, 6)),
            "status": np.where(abstained, "abstained", "scored"),
            "reason": [reason or None for reason in reasons],
        }
    )


def drift(frozen: Frozen, values: np.ndarray) -> pd.DataFrame:
    """How each marker differs from the training people.

    Returns
    -------
    pandas.DataFrame
        ``modality region marker n mean_training mean_new difference p outside drifted``;
        ``difference`` in training standard deviations, ``p`` of Welch's test, ``outside`` the share
        beyond the training people's 5 to 95 % (0.1 is expected). A marker has drifted where the
        difference exceeds :data:`DRIFT` and ``p`` times the number of markers is below 0.05.
    """
    import pandas as pd
    from scipy.stats import ttest_ind_from_stats

    rows = []
    for block in frozen.model.blocks_:
        own = frozen.domain[block.name]
        for at, number in enumerate(block.columns):
            column = frozen.columns[number]
            new = values[np.isfinite(values[:, number]), number]
            mean, sd, n = own["mean"][at], own["sd"][at], own["counts"][at]
            if sd <= 0 or n < 2:
                continue
            gap, p, out = math.nan, math.nan, math.nan
            if len(new):
                gap = (new.mean() - mean) / sd
                out = float(((new < own["low"][at]) | (new > own["high"][at])).mean())
            if len(new) > 2:
                spread = max(float(new.std(ddof=1)), 1e-12 * sd)
                p = float(ttest_ind_from_stats(mean, sd, n, new.mean(), spread, len(new),
                                               equal_var=False).pvalue)  # fmt: skip
            rows.append((column.modality, column.region, column.marker, len(new), mean,
                         new.mean() if len(new) else math.nan, gap, p, out))  # fmt: skip
    table = pd.DataFrame(
        rows,
        columns=["modality", "region", "marker", "n", "mean_training", "mean_new", "difference",
                 "p", "outside"],
    )  # fmt: skip
    sure = table["p"] * max(1, int(table["p"].notna().sum())) < 0.05
    return table.assign(drifted=(table["difference"].abs() > DRIFT) & sure)


def transport_report(
    frozen: Frozen,
    values: np.ndarray,
    scored: pd.DataFrame,
    drifted: pd.DataFrame,
    labels: np.ndarray | None,
    seed: int = 0,
) -> dict[str, Any]:
    """What a reader must know before he uses the scores.

    Parameters
    ----------
    frozen, values, scored, drifted
        The model, the new people and what was found of them.
    labels
        1, 0, and -1 where unknown, shape (people,); None where there are no labels.
    seed
        Seed of the drawn training people.
    """
    blocks = {}
    for block in frozen.model.blocks_:
        own = frozen.domain[block.name]
        new = values[has_block(values, block)][:, list(block.columns)]
        with_values = int(np.isfinite(new).any(axis=0).sum()) if len(new) else 0
        blocks[block.name] = {
            "n": len(new),
            "markers": len(block.columns),
            "markers_there": with_values,
            "auc_old_new": told_apart(own, new, seed),
            "auc_old_drawn": own["told_apart"],
        }
    told = [
        f"{name}: {one['markers_there']} of {one['markers']} markers are there; the missing ones "
        "count as the training median."
        for name, one in blocks.items()
        if 0 < one["markers_there"] < one["markers"]
    ]
    told += [f"{name}: nobody has it." for name, one in blocks.items() if not one["n"]]
    known = {c.marker for c in frozen.columns if c.modality == "site"}
    new_sites = sorted(set(scored["site"]) - known)
    if new_sites:
        policy = (
            "their markers are not harmonised"
            if any(block.sites for block in frozen.model.blocks_)
            else "the model does not use the site"
        )
        told.append(f"The sites {', '.join(new_sites)} were not in training: {policy}.")
    result: dict[str, Any] = {
        "model": dict(frozen.about),
        "n": len(scored),
        "n_scored": int((scored["status"] == "scored").sum()),
        "n_drifted": int(drifted["drifted"].sum()),
        "n_markers": len(drifted),
        "blocks": blocks,
        "cautions": told,
        "performance": None,
    }
    if labels is not None:
        result["performance"] = _performance(scored, labels)
    return result


def _performance(scored: pd.DataFrame, labels: np.ndarray) -> dict[str, Any]:
    p = scored["probability"].to_numpy(float)
    own = (labels >= 0) & np.isfinite(p)
    y, p, site = labels[own], p[own], scored["site"].to_numpy(str)[own]
    if len(set(y)) < 2:
        return {"n": len(y), "n_positive": int(y.sum()), "reason": "one label only"}
    p = np.clip(p, 1e-12, 1 - 1e-12)
    logit = np.log(p) - np.log1p(-p)
    slope, intercept = evaluation.calibration(y, p)
    within = evaluation.area([evaluation.compared_pairs(y, logit, site)])
    pooled = evaluation.area([evaluation.compared_pairs(y, logit, np.zeros(len(y)))])
    return {
        "n": len(y),
        "n_positive": int(y.sum()),
        "auc_within_site": within.record(),
        "auc_pooled": pooled.record(),
        "brier": evaluation.brier(y, p),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "ici": evaluation.calibration_index(y, p),
    }


def _described(own: np.ndarray) -> dict[str, Any]:
    there = np.isfinite(own)
    counts = there.sum(axis=0)
    filled = np.where(there, own, 0.0)
    mean = filled.sum(axis=0) / np.maximum(counts, 1)
    centred = np.where(there, own - mean, 0.0)
    sd = np.sqrt((centred**2).sum(axis=0) / np.maximum(counts - 1, 1))
    z = centred / np.where(sd > 0, sd, 1.0)
    _, size, axes = np.linalg.svd(z, full_matrices=False)
    # An axis is kept where many people say so: a tenth of them per axis.
    kept = min(AXES, max(1, len(own) // 10), len(size))
    axes, variance = axes[:kept].T, size[:kept] ** 2 / max(1, len(own) - 1)
    real = variance > 1e-9
    axes, variance = axes[:, real], variance[real]
    rest = np.maximum(z.var(axis=0) - (axes**2 * variance).sum(axis=1), 0.0)
    low, high = (
        np.array([np.quantile(c[np.isfinite(c)], q) if np.isfinite(c).any() else np.nan
                  for c in own.T]) for q in (0.05, 0.95)
    )  # fmt: skip
    return {"mean": mean, "sd": sd, "counts": counts, "low": low, "high": high, "axes": axes,
            "variance": variance, "rest": rest, "n": len(own)}  # fmt: skip


def _standardised(domain: Mapping[str, Any], own: np.ndarray) -> np.ndarray:
    sd = np.where(domain["sd"] > 0, domain["sd"], 1.0)
    return np.nan_to_num((own - domain["mean"]) / sd)


def _forget_people(model: Model) -> None:
    """Drop what is said of single training people and is not needed to score others."""
    for one in [model, *getattr(model, "models_", [])]:
        if hasattr(one, "evidence_"):
            del one.evidence_


def _without_addresses(content: bytes) -> bytes:
    """The same archive with numbers in place of memory addresses and the time of day.

    Two freezes of one model are then the same bytes.
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
    about: Mapping[str, Any], domain: Mapping[str, Mapping[str, Any]], settings: FusionSettings
) -> str:
    record = about["record"]

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
        f"{record['words']}. It gives the probability of *{about['positive']}* against "
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
        *([_KERNEL_WARNING, ""] if about["name"] == "kernels" else []),
        "Use: `commissure apply <this folder> <output folder of a new run, or markers.tsv>`.",
        "",
        "```json",
        json.dumps(settings.model_dump(mode="json"), indent=1, sort_keys=True),
        "```",
        "",
    ]
    return "\n".join(lines)
