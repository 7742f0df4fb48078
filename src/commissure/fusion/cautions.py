"""Sentences without which a reader would take the numbers for more than they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from commissure.evaluation.auc import Area
from commissure.evaluation.permutation import REDUCTION, Null
from commissure.evaluation.sample_size import people_needed
from commissure.models.registry import ModelSpec

#: A half width of the interval above which no claim is made.
WIDE = 0.10


def reading_cautions(
    areas: Mapping[str, Mapping[str, Area]],
    nulls: Mapping[str, Null],
    specs: Sequence[ModelSpec],
    primary: str,
    declared: str,
    n: int,
    n_positive: int,
) -> list[str]:
    """What a reader of the primary result must know.

    Parameters
    ----------
    areas
        ``within``, ``pooled`` and ``left_out`` of each model.
    nulls
        Permutation results by model; empty where none were asked for.
    specs, primary
        The models, and the one whose result is the study's.
    declared
        The one that was to be it.
    n, n_positive
        People with a label, and with the positive one.
    """
    told = []
    main = areas[primary]["within"]
    half = (main.ci_high - main.ci_low) / 2
    if math.isfinite(half) and half > WIDE:
        told.append(
            f"{n} people are too few for a claim: the 95 % interval of the {primary} model's AUC "
            f"within site reaches {half:.2f} to either side, from {main.ci_low:.2f} to "
            f"{main.ci_high:.2f}."
        )
    needed = people_needed(0.70, n_positive / n, 10)["needed"]
    if n < needed:
        told.append(
            f"A model of only 10 predictors with an AUC of 0.70 asks for about {needed} people "
            f"(Riley et al. 2019); here are {n}."
        )
    null = nulls.get(primary)
    if null is not None and len(null.permuted):
        told.append(
            f"With labels that mean nothing, the {primary} model's AUC scatters with an SD of "
            f"{null.permuted.std():.2f}; one null study of twenty exceeds "
            f"{np.quantile(null.permuted, 0.95):.2f}."
        )
        told.append(f"{REDUCTION}.")
    site = areas.get("site", {}).get("pooled")
    if site is not None and site.value > 0.6:
        told.append(
            f"The site alone reaches a pooled AUC of {site.value:.2f}, because the labels are "
            "spread unevenly over the sites: pooled AUCs mean little here, read those within site."
        )
    rivals = [
        (areas[spec.name]["within"].value, spec.name) for spec in specs if spec.kind == "baseline"
    ]
    best, name = max(((v, k) for v, k in rivals if math.isfinite(v)), default=(0.0, ""))
    if best >= main.value:
        told.append(
            f"The {name} model, which sees no image, does as well within site ({best:.2f}) as the "
            f"{primary} model ({main.value:.2f})."
        )
    images = sum(spec.kind != "baseline" for spec in specs)
    if primary != declared:
        told.append(
            f"The result is that of the {primary} model: {declared}, which was declared, was not "
            "fitted."
        )
    elif images > 1:
        told.append(
            f"The result is that of the {primary} model, declared beforehand; the best of {images} "
            "models is better by chance alone."
        )
    return told
