"""How stable it is which markers a model follows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from commissure.evaluation.importance import haufe_patterns
from commissure.evaluation.permutation import permuted_labels
from commissure.models.estimators import BlockModel
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.splits import MIN_TRAINING, drawn_people
from commissure.study.study import Study

#: Half samples, permuted labellings and share of the markers in the stability of the selection.
HALVES, NULLS, SELECTED = 12, 19, 0.1


def stability(study: Study[ModelSettings], spec: ModelSpec) -> dict[str, Any] | None:
    """How stable it is which markers the model follows, beside labels that mean nothing.

    Half samples of the people, drawn evenly by label and site, families undivided; in each, ridge
    regression on all blocks side by side and the tenth of the markers with the largest patterns.
    The null is the same with labels permuted within site.

    Returns
    -------
    dict or None
        ``index``, ``null_mean``, ``null_95``, ``markers``, ``selected`` and ``frequent``: the
        columns that at least 80 % of the halves select with one sign in at least 95 %, as
        (modality, region, marker, share); None where markers or people are too few.
    """
    y, design, seed = study.y, study.design, study.settings.seed
    columns = [column for block in spec.blocks for column in block.columns]
    count = max(3, math.ceil(SELECTED * len(columns)))
    if len(columns) < 2 * count or min((y == 1).sum(), (y == 0).sum()) < 2 * MIN_TRAINING:
        return None
    table = permuted_labels(y, design.sites, NULLS, seed, families=design.families)
    chosen = np.zeros((HALVES, NULLS + 1, len(columns)))
    signs = np.zeros((HALVES, len(columns)))
    for half in range(HALVES):
        rng = np.random.default_rng(np.random.SeedSequence([seed, 14, half]))
        strength = _patterns(study, spec, columns, table, _half_sample(study, rng))
        signs[half] = np.sign(strength[0])
        best = np.argsort(-np.abs(strength), axis=1, kind="stable")[:, :count]
        np.put_along_axis(chosen[half], best, 1.0, axis=1)
    index = [nogueira_index(chosen[:, labelling]) for labelling in range(NULLS + 1)]
    share, agreed = chosen[:, 0].mean(axis=0), np.abs(signs.mean(axis=0)) / 2 + 0.5
    frequent = [
        [design.columns[column].modality, design.columns[column].region,
         design.columns[column].marker, float(share[place])]
        for place, column in enumerate(columns)
        if share[place] >= 0.8 and agreed[place] >= 0.95
    ]  # fmt: skip
    return {
        "index": index[0],
        "null_mean": float(np.mean(index[1:])),
        "null_95": float(np.quantile(index[1:], 0.95)),
        "markers": len(columns),
        "selected": count,
        "frequent": frequent,
    }


def _half_sample(study: Study[ModelSettings], rng: np.random.Generator) -> np.ndarray:
    """Rows of half of the people of each label and site, families undivided."""
    labelled = np.flatnonzero(study.labelled)
    strata = np.char.add(study.y.astype(str), study.design.sites)[labelled]
    return drawn_people(
        labelled, strata, lambda size: math.ceil(size / 2), rng, study.design.families
    )


def _patterns(
    study: Study[ModelSettings],
    spec: ModelSpec,
    columns: list[int],
    table: np.ndarray,
    rows: np.ndarray,
) -> np.ndarray:
    """Pattern of every column in a model of some people; shape (labellings, columns)."""
    values, settings = study.design.values[rows], study.settings
    middle = (float(np.median(settings.penalties)),)
    model = BlockModel(spec.blocks, middle, 2, settings.seed, "one_step").fit(values, table[rows])
    places = {column: place for place, column in enumerate(columns)}
    kept = [places[column] for _, column in model.kept_columns()]
    strength = np.zeros((table.shape[1], len(columns)))
    strength[:, kept] = haufe_patterns(model, values).T
    return strength


def nogueira_index(selected: np.ndarray) -> float:
    """Stability of a selection (Nogueira, Sechidis and Brown 2018, JMLR 18:174).

    1 for the same markers every time, 0 for what chance gives.

    Parameters
    ----------
    selected
        Zeros and ones, shape (samples, markers).
    """
    count, size = selected.shape
    share = selected.mean(axis=0)
    chosen = float(selected.sum(axis=1).mean())
    by_chance = chosen / size * (1 - chosen / size)
    if count < 2 or by_chance == 0:
        return math.nan
    return float(1 - (count / (count - 1) * share * (1 - share)).mean() / by_chance)
